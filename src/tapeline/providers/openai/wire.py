"""The JSON of an answer: only the fields we map, the rest stays reachable through `raw`.

Requests have no structs: what a client sent is read as plain dicts.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Piece(msgspec.Struct):
    text: str | None = None
    thinking: list[Piece] | str | None = None


class Message(msgspec.Struct):
    """A message, or the delta of one."""

    role: str | None = None
    content: str | list[Piece] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct):
    index: int | None = None
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None


class InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None


class Answer(msgspec.Struct):
    """A completion, or one chunk of it."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Any = None


ANSWER = msgspec.json.Decoder(Answer)
