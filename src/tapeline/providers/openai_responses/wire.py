"""The JSON of an answer: only the fields we map, the rest stays reachable through `raw`.

Requests have no structs: what a client sent is read as plain dicts.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Kind(msgspec.Struct):
    """Of an item or an event, its type alone; and the error that some servers send in its place."""

    type: str = ""
    error: Any = None


class Piece(msgspec.Struct):
    """A part of a message's content, or of a reasoning item's summary."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None


class Item(msgspec.Struct):
    """An item of one of the types we know: message, reasoning, function_call."""

    type: str
    id: str | None = None
    content: list[Piece] | None = None
    summary: list[Piece] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class IncompleteDetails(msgspec.Struct):
    reason: str | None = None


class Response(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[msgspec.Raw] | None = None
    incomplete_details: IncompleteDetails | None = None
    usage: Usage | None = None
    error: Any = None


class TextDelta(msgspec.Struct):
    """The event there is one of per token."""

    delta: str
    output_index: int = 0
    content_index: int = 0


class Event(msgspec.Struct):
    """Any event of a stream that we know: their fields do not collide."""

    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    item: msgspec.Raw = msgspec.Raw(b"{}")
    response: Response | None = None


KIND = msgspec.json.Decoder(Kind)
ITEM = msgspec.json.Decoder(Item)
RESPONSE = msgspec.json.Decoder(Response)
TEXT_DELTA = msgspec.json.Decoder(TextDelta)
EVENT = msgspec.json.Decoder(Event)
