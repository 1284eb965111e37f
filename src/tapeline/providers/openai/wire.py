"""The JSON of an answer: only the fields we map, the rest stays reachable through `raw`.

Requests have no structs: what a client sent is read as plain dicts. The garbage collector need not
look at the structs (`gc=False`): JSON has no cycles.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Piece(msgspec.Struct, gc=False):
    """A piece of content. `text` is Any: a kind of piece we do not know must not break the answer."""

    text: Any = None
    thinking: list[Piece] | str | None = None
    refusal: str | None = None


class Message(msgspec.Struct, gc=False):
    """A message, or the delta of one."""

    content: str | list[Piece] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct, gc=False):
    index: int | None = None
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None


class InputDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None


class Answer(msgspec.Struct, gc=False):
    """A completion, or one chunk of it."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Any = None


ANSWER = msgspec.json.Decoder(Answer)
