"""An answer in pieces, as server-sent events: reading them and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tapeline.providers import sse
from tapeline.providers.anthropic import wire
from tapeline.providers.anthropic.content import known_block, known_delta
from tapeline.providers.anthropic.errors import error_in_stream
from tapeline.providers.anthropic.reply import (
    decode_stop_details,
    decode_stop_reason,
    decode_usage,
    encode_stop,
    encode_usage,
    message_head,
)
from tapeline.providers.bodies import dumps, parse
from tapeline.providers.delivery import Delivery, decode_tail
from tapeline.providers.errors import NOT_JSON, closed, malformed, no_events
from tapeline.providers.tools import arguments_as_text
from tapeline.types import Chunk, FinishReason, Json, ToolCallDelta, Usage

# Reading ------------------------------------------------------------------------------------------

DELTA_START = b"event: content_block_delta\ndata: "
"""How nearly every event begins: it gets by with one decode, and without the generic event."""


class AnthropicStreamDecoder:
    """Decodes one streamed message."""

    def __init__(self) -> None:
        self._sse = sse.SSEDecoder()
        self._delivery = Delivery()
        self._usage = wire.Usage()
        self._is_known: dict[int, bool] = {}  # block index -> whether its deltas concern us
        self._calls: dict[int, int] = {}  # block index -> number of the tool call
        self._whole_inputs: dict[int, str] = {}  # block index -> input its start held, if any
        self._has_events = False
        self._has_started = False
        self._has_ended = False

    def feed(self, block: bytes) -> list[Chunk]:
        data = self._sse.lone_data(block, DELTA_START)
        if data is None:
            return self._delivery.collect(self._decode, self._sse.feed(block))
        self._delivery.raise_held()
        chunk = self._decode_delta(data)
        return [] if chunk is None else [chunk]

    def finish(self) -> list[Chunk]:
        self._delivery.raise_held()
        chunks = decode_tail(self._decode, self._sse.finish())
        if not self._has_events:
            raise no_events(self._sse.foreign)
        if not self._has_ended:
            raise closed("neither a stop_reason nor message_stop came")
        return chunks

    def _decode(self, event: sse.Event) -> Chunk | None:
        is_delta = event.type == "content_block_delta"
        return self._decode_delta(event.data) if is_delta else self._decode_any(event)

    def _decode_delta(self, data: bytes) -> Chunk | None:
        try:
            event = wire.DELTA_EVENT.decode(data)
        except NOT_JSON:  # broken, or of a later API
            return self._decode_any(sse.Event("content_block_delta", data))
        return self._delta_chunk(data, event.index, event.delta)

    def _delta_chunk(self, data: bytes, index: int, delta: wire.Delta | None) -> Chunk:
        is_known = self._is_known.get(index)
        if is_known is None:
            raise malformed(f"a delta for content block {index}, which never started")
        if delta is None or not is_known:
            return Chunk(raw=data)
        if delta.type == "text_delta":
            return Chunk(text=delta.text or "", raw=data)
        chunk = Chunk(raw=data)
        self._add_delta(chunk, index, delta)
        return chunk

    def _decode_any(self, event: sse.Event) -> Chunk | None:
        data = event.data
        if not data.strip() or data.strip() == b"[DONE]":
            return None  # a keep-alive, or the farewell of a proxy that thinks in OpenAI's terms
        if event.type == "error":
            raise error_in_stream(data)
        decoded = parse(data, wire.EVENT)
        kind = decoded.type or event.type
        if kind == "error" or decoded.error is not None:
            raise error_in_stream(data)
        self._has_events = True
        if kind == "ping":
            return None
        if kind == "content_block_delta":
            return self._delta_chunk(data, decoded.index or 0, known_delta(decoded.delta))
        chunk = Chunk(raw=data)
        if kind == "message_start":
            self._start_message(chunk, decoded.message or wire.Message())
        else:
            self._continue_message(chunk, kind, decoded)
        return chunk

    def _start_message(self, chunk: Chunk, message: wire.Message) -> None:
        self._has_started = True
        chunk.id = message.id or None
        chunk.model = message.model or None
        if message.usage is not None:
            self._usage.update(message.usage)
            chunk.usage = decode_usage(self._usage)

    def _continue_message(self, chunk: Chunk, kind: str, event: wire.Event) -> None:
        index = event.index or 0
        match kind:
            case "content_block_start":
                self._start_block(chunk, index, known_block(event.content_block))
            case "content_block_stop":
                self._stop_block(chunk, index)
            case "message_delta":
                self._change_message(chunk, event)
            case "message_stop":
                self._has_ended = True
            case _:
                return  # an event of a later API
        if not self._has_started:
            raise malformed(f"{kind} came before message_start")

    def _start_block(self, chunk: Chunk, index: int, block: wire.Block | None) -> None:
        self._is_known[index] = block is not None
        if block is None:
            return
        chunk.text = block.text or ""
        chunk.thinking = block.thinking or ""
        chunk.signature = block.signature or None
        chunk.redacted = block.data
        if block.type == "tool_use":
            self._calls[index] = number = len(self._calls)
            chunk.tool_call_deltas = (ToolCallDelta(index=number, id=block.id, name=block.name),)
            self._whole_inputs[index] = arguments_as_text(block.input)

    def _add_delta(self, chunk: Chunk, index: int, delta: wire.Delta) -> None:
        if delta.type == "thinking_delta":
            chunk.thinking = delta.thinking or ""
        elif delta.type == "signature_delta":
            chunk.signature = delta.signature or None
        elif delta.type == "input_json_delta" and delta.partial_json and index in self._calls:
            self._whole_inputs.pop(index, None)
            chunk.tool_call_deltas = (ToolCallDelta(index=self._calls[index], arguments=delta.partial_json),)

    def _stop_block(self, chunk: Chunk, index: int) -> None:
        whole_input = self._whole_inputs.pop(index, "{}")
        if whole_input != "{}":  # "{}" is but the place holder that deltas, if any, have replaced
            chunk.tool_call_deltas = (ToolCallDelta(index=self._calls[index], arguments=whole_input),)

    def _change_message(self, chunk: Chunk, event: wire.Event) -> None:
        delta = parse(bytes(event.delta), wire.MESSAGE_DELTA)
        chunk.refusal = decode_stop_details(delta.stop_details)
        if delta.stop_reason is not None:
            self._has_ended = True
            chunk.finish_reason = decode_stop_reason(delta.stop_reason)
        if event.usage is not None:
            self._usage.update(event.usage)
            chunk.usage = decode_usage(self._usage)


# Writing ------------------------------------------------------------------------------------------


def encode_stream(chunks: Iterable[Chunk], *, model: str) -> Iterator[bytes]:
    encoder = _StreamEncoder(model)
    for chunk in chunks:
        yield from encoder.encode(chunk)
    yield from encoder.end()


class _StreamEncoder:
    """Turns chunks into events: opens a content block when another kind of content begins.

    Of tool calls whose fragments are interleaved, each has one block; a late fragment goes to a block
    already stopped, which clients bear, as they go by the index.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._has_started = False
        self._blocks = 0
        self._open: str | None = None  # the kind of the open block: "text", "thinking", "tool 0"
        self._tool_blocks: dict[int, int] = {}  # tool call -> block index
        self._is_signed = False  # the open block of thinking: nothing may follow its signature
        self._finish_reason: FinishReason | None = None
        self._refusal: list[str] = []
        self._usage = Usage(input_tokens=0, output_tokens=0)

    def encode(self, chunk: Chunk) -> Iterator[bytes]:
        self._usage = chunk.usage or self._usage
        self._finish_reason = chunk.finish_reason or self._finish_reason
        self._refusal.append(chunk.refusal)
        yield from self._start(chunk)
        yield from self._thinking_deltas(chunk)
        if chunk.redacted:
            yield from self._start_block(
                "redacted_thinking", {"type": "redacted_thinking", "data": chunk.redacted}
            )
        if chunk.text:
            yield from self._delta("text", {"type": "text_delta", "text": chunk.text})
        for delta in chunk.tool_call_deltas:
            yield from self._tool_delta(delta)

    def end(self) -> Iterator[bytes]:
        """Yield what closes the message. Once for all: usage may come after the finish reason."""
        yield from self._start(Chunk())
        yield from self._stop_block()
        delta = encode_stop(self._finish_reason, "".join(self._refusal))
        yield _event("message_delta", delta=delta, usage=encode_usage(self._usage))
        yield _event("message_stop")

    def _start(self, chunk: Chunk) -> Iterator[bytes]:
        if self._has_started:
            return
        self._has_started = True
        body: dict[str, Json] = {"content": [], "stop_reason": None, "usage": encode_usage(self._usage)}
        yield _event("message_start", message=message_head(chunk.id, chunk.model or self._model) | body)

    def _thinking_deltas(self, chunk: Chunk) -> Iterator[bytes]:
        if (chunk.thinking or chunk.signature) and self._is_signed:
            yield from self._stop_block()
        if chunk.thinking:
            yield from self._delta("thinking", {"type": "thinking_delta", "thinking": chunk.thinking})
        if chunk.signature:
            yield from self._delta("thinking", {"type": "signature_delta", "signature": chunk.signature})
            self._is_signed = True

    def _start_block(self, kind: str, block: dict[str, Json]) -> Iterator[bytes]:
        yield from self._stop_block()
        yield _event("content_block_start", index=self._blocks, content_block=block)
        self._blocks += 1
        self._open = kind

    def _stop_block(self) -> Iterator[bytes]:
        if self._open is not None:
            yield _event("content_block_stop", index=self._blocks - 1)
            self._open = None
            self._is_signed = False

    def _delta(self, kind: str, delta: dict[str, Json]) -> Iterator[bytes]:
        if self._open != kind:
            empty = {"signature": ""} if kind == "thinking" else {}
            yield from self._start_block(kind, {"type": kind, kind: ""} | empty)
        yield _event("content_block_delta", index=self._blocks - 1, delta=delta)

    def _tool_delta(self, delta: ToolCallDelta) -> Iterator[bytes]:
        if delta.index not in self._tool_blocks:
            block = {"type": "tool_use", "id": delta.id or "", "name": delta.name or "", "input": {}}
            yield from self._start_block(f"tool {delta.index}", block)
            self._tool_blocks[delta.index] = self._blocks - 1
        if delta.arguments:
            encoded = {"type": "input_json_delta", "partial_json": delta.arguments}
            yield _event("content_block_delta", index=self._tool_blocks[delta.index], delta=encoded)


def _event(type: str, **fields: Json) -> bytes:
    return sse.encode_event(dumps({"type": type, **fields}), type)
