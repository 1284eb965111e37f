"""The JSON of an answer: only the fields we map, the rest stays reachable through `raw`.

Requests have no structs: what a client sent is read as plain dicts.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Kind(msgspec.Struct):
    """Of a content block, its type alone."""

    type: str = ""


class Block(msgspec.Struct):
    """A content block of one of the types we know."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class Usage(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None

    def update(self, later: Usage) -> None:
        """Take over what `later` says: counts are cumulative, and each end of a stream gives some."""
        for name in later.__struct_fields__:
            if (value := getattr(later, name)) is not None:
                setattr(self, name, value)


class Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    error: Any = None


class Delta(msgspec.Struct):
    """The delta of a content block, or that of the message."""

    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class Event(msgspec.Struct):
    """Any event of a stream: their fields do not collide."""

    type: str = ""
    message: Message | None = None
    index: int | None = None
    content_block: msgspec.Raw = msgspec.Raw(b"{}")
    delta: Delta | None = None
    usage: Usage | None = None
    error: Any = None


KIND = msgspec.json.Decoder(Kind)
BLOCK = msgspec.json.Decoder(Block)
MESSAGE = msgspec.json.Decoder(Message)
EVENT = msgspec.json.Decoder(Event)
