"""An answer in pieces, as frames of an event stream: reading them and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tapeline.providers import eventstream
from tapeline.providers.bedrock import wire
from tapeline.providers.bedrock.errors import frame_error, malformed_tool_use
from tapeline.providers.bedrock.reply import (
    decode_stop_reason,
    decode_usage,
    encode_stop_reason,
    encode_usage,
)
from tapeline.providers.bodies import dumps
from tapeline.providers.delivery import Delivery
from tapeline.providers.errors import closed, malformed, no_events
from tapeline.types import Chunk, Json, ToolCallDelta

# Reading ------------------------------------------------------------------------------------------

_DELTA = "contentBlockDelta"
_RAW_HEADS: Mapping[str, bytes] = {
    name: b'{"%b":' % name.encode()
    for name in (
        "messageStart",
        "contentBlockStart",
        _DELTA,
        "contentBlockStop",
        "messageStop",
        "metadata",
    )
}
"""The event types we know, and what makes their payload an object that names its type."""

_DELTA_HEAD = eventstream.event_head(_DELTA)
"""The headers of nearly every frame: it gets by without the generic frame."""


class BedrockStreamDecoder:
    """Decodes one ConverseStream."""

    def __init__(self) -> None:
        self._frames = eventstream.EventStreamDecoder()
        self._delivery = Delivery()
        self._call_of_block: dict[int | None, int | None] = {}  # None: a call that is not the caller's
        self._calls = 0
        self._has_frames = False
        self._has_ended = False
        self._stop_reason: str | None = None

    def feed(self, block: bytes) -> list[Chunk]:
        self._delivery.raise_held()  # it came before whatever the next frames hold
        payload = self._frames.lone_payload(block, _DELTA_HEAD)
        if payload is not None:
            self._has_frames = True
            return [self._decode_delta(payload)]
        return self._delivery.collect(self._decode, self._frames.feed(block))

    def finish(self) -> list[Chunk]:
        self._delivery.raise_held()
        self._frames.finish()
        if not self._has_frames:
            raise no_events(b"")
        if not self._has_ended:
            raise closed("no messageStop came")
        if self._stop_reason == "malformed_tool_use":
            raise malformed_tool_use()  # only now: the usage comes after the stop reason
        return []

    def _decode(self, frame: eventstream.Frame) -> Chunk | None:
        self._has_frames = True
        if frame.message_type != "event":
            raise frame_error(frame)
        head = _RAW_HEADS.get(frame.type)
        if head is None:
            return None
        if frame.type == _DELTA:
            return self._decode_delta(frame.payload)
        payload = frame.payload or b"{}"
        return self._decode_event(frame.type, payload, raw=head + payload + b"}")

    def _decode_delta(self, payload: bytes) -> Chunk:
        payload = payload or b"{}"
        event = wire.parse(payload, wire.DELTA_EVENT)
        raw = _RAW_HEADS[_DELTA] + payload + b"}"
        delta = event.delta
        if delta is None:
            return Chunk(raw=raw)
        if delta.text is not None:
            return Chunk(text=delta.text, raw=raw)
        chunk = Chunk(raw=raw)
        if delta.reasoning_content is not None:
            chunk.thinking = delta.reasoning_content.text
            chunk.signature = delta.reasoning_content.signature
            chunk.redacted = delta.reasoning_content.redacted_content
        elif delta.tool_use is not None:
            self._add_arguments(chunk, delta.tool_use.input, event.content_block_index)
        return chunk

    def _decode_event(self, type: str, payload: bytes, *, raw: bytes) -> Chunk:
        event = wire.parse(payload, wire.EVENT)
        chunk = Chunk(raw=raw)
        if type == "messageStop":
            self._has_ended = True
            self._stop_reason = event.stop_reason
            chunk.finish_reason = decode_stop_reason(event.stop_reason)
        elif event.usage is not None:
            chunk.usage = decode_usage(event.usage)
        elif event.start is not None and event.start.tool_use is not None:
            self._start_call(chunk, event.start.tool_use, event.content_block_index)
        return chunk

    def _start_call(self, chunk: Chunk, tool_use: wire.ToolUse, block: int | None) -> None:
        if tool_use.type == wire.SERVER_TOOL:
            self._call_of_block[block] = None
            return
        self._call_of_block[block] = self._calls
        chunk.tool_call_deltas = (
            ToolCallDelta(index=self._calls, id=tool_use.tool_use_id, name=tool_use.name),
        )
        self._calls += 1

    def _add_arguments(self, chunk: Chunk, arguments: str, block: int | None) -> None:
        if block not in self._call_of_block:
            raise malformed(f"a tool's input in content block {block}, which never started")
        if (call := self._call_of_block[block]) is not None:
            chunk.tool_call_deltas = (ToolCallDelta(index=call, arguments=arguments),)


# Writing ------------------------------------------------------------------------------------------


def encode_stream(chunks: Iterable[Chunk], *, model: str) -> Iterator[bytes]:
    """Yield the frames of an answer. model: not used, as no event names it."""
    blocks = _BlockWriter()
    end = Chunk()
    yield _event("messageStart", {"role": "assistant"})
    for chunk in chunks:
        yield from blocks.write(chunk)
        end.finish_reason = chunk.finish_reason or end.finish_reason
        end.usage = chunk.usage or end.usage
        end.at_s = chunk.at_s
    yield from blocks.close()
    yield from _end_events(end)


def _end_events(end: Chunk) -> Iterator[bytes]:
    if end.finish_reason is not None:  # without one the answer did not end, and the client shall see it
        yield _event("messageStop", {"stopReason": encode_stop_reason(end.finish_reason)})
    if end.usage is not None:
        metrics = {"latencyMs": round(end.at_s * 1000)}
        yield _event("metadata", {"usage": encode_usage(end.usage), "metrics": metrics})


class _BlockWriter:
    """Writes chunks as content blocks: numbers them, opens and closes them as the kind of content changes.

    Fragments of tool calls that alternate go to the block of their call, even though it was closed:
    numbered right they are read right, and holding them back would cost the streaming.
    """

    def __init__(self) -> None:
        self._blocks = 0
        self._open_kind: str | None = None
        self._is_signed = False  # the open block of thinking: nothing may follow its signature
        self._block_of_call: dict[int, int] = {}

    def write(self, chunk: Chunk) -> Iterator[bytes]:
        if chunk.thinking or chunk.signature:
            if self._is_signed:
                yield from self.close()
            yield from self._open("thinking")
            yield from self._reasoning("text", chunk.thinking)
            yield from self._reasoning("signature", chunk.signature)
            self._is_signed = bool(chunk.signature)
        if chunk.redacted:
            yield from self.close()
            yield from self._open("redacted")
            yield from self._reasoning("redactedContent", chunk.redacted)
        if text := chunk.text + chunk.refusal:  # Converse does not tell the two apart
            yield from self._open("text")
            yield self._delta({"text": text})
        for delta in chunk.tool_call_deltas:
            yield from self._tool_use(delta)

    def close(self) -> Iterator[bytes]:
        if self._open_kind is not None:
            yield _event("contentBlockStop", {"contentBlockIndex": self._blocks - 1})
        self._open_kind = None
        self._is_signed = False

    def _open(self, kind: str) -> Iterator[bytes]:
        if kind == self._open_kind:
            return
        yield from self.close()
        self._open_kind = kind
        self._blocks += 1

    def _reasoning(self, field: str, value: str | None) -> Iterator[bytes]:
        if value:
            yield self._delta({"reasoningContent": {field: value}})

    def _tool_use(self, delta: ToolCallDelta) -> Iterator[bytes]:
        if delta.index not in self._block_of_call:
            yield from self._open(f"call {delta.index}")
            block = self._block_of_call[delta.index] = self._blocks - 1
            tool_use = {"toolUseId": delta.id or "", "name": delta.name or ""}
            yield _event("contentBlockStart", {"start": {"toolUse": tool_use}, "contentBlockIndex": block})
        if delta.arguments:
            yield self._delta({"toolUse": {"input": delta.arguments}}, self._block_of_call[delta.index])

    def _delta(self, delta: Json, block: int | None = None) -> bytes:
        index = self._blocks - 1 if block is None else block
        return _event("contentBlockDelta", {"delta": delta, "contentBlockIndex": index})


def _event(type: str, payload: Json) -> bytes:
    return eventstream.encode_event(type, dumps(payload))
