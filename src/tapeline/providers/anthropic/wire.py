"""The JSON of an answer: only the fields we map, the rest stays reachable through `raw`.

Requests have no structs: what a client sent is read as plain dicts. The garbage collector need not look
at the structs (`gc=False`): JSON has no cycles. Where a type we do not know may have our field names with
other contents, the JSON stays raw until its `Kind` has been read.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Kind(msgspec.Struct, gc=False):
    """Of a content block or a delta, its type alone."""

    type: str = ""


class Block(msgspec.Struct, gc=False):
    """A content block of one of the types we know."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
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


class StopDetails(msgspec.Struct, gc=False):
    explanation: str | None = None


class Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    usage: Usage | None = None
    error: Any = None


class MessageDelta(msgspec.Struct, gc=False):
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class Delta(msgspec.Struct, gc=False):
    """The delta of a content block, of one of the types we know."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None


class DeltaEvent(msgspec.Struct, gc=False, tag="content_block_delta"):
    """The event a stream is made of, decoded in one go. The tag refuses any other type."""

    delta: Delta
    index: int = 0


class Event(msgspec.Struct, gc=False):
    """Any event of a stream: their fields do not collide."""

    type: str = ""
    message: Message | None = None
    index: int | None = None
    content_block: msgspec.Raw = msgspec.Raw(b"{}")
    delta: msgspec.Raw = msgspec.Raw(b"{}")
    usage: Usage | None = None
    error: Any = None


KIND = msgspec.json.Decoder(Kind)
BLOCK = msgspec.json.Decoder(Block)
MESSAGE = msgspec.json.Decoder(Message)
MESSAGE_DELTA = msgspec.json.Decoder(MessageDelta)
DELTA = msgspec.json.Decoder(Delta)
DELTA_EVENT = msgspec.json.Decoder(DeltaEvent)
EVENT = msgspec.json.Decoder(Event)
