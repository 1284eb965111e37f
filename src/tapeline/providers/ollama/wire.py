"""The JSON of an answer: only the fields we map, the rest stays reachable through `raw`.

Requests have no structs: what a client sent is read as plain dicts. The garbage collector need not
look at the structs (`gc=False`): JSON has no cycles.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class ToolCall(msgspec.Struct, gc=False):
    id: str | None = None
    function: Function | None = None


class Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[ToolCall] | None = None


class Answer(msgspec.Struct, gc=False):
    """An answer, or one line of it."""

    model: str | None = None
    message: Message | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None


ANSWER = msgspec.json.Decoder(Answer)
