"""An answer in pieces, as server-sent events: reading them and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers import sse
from tapeline.providers.bodies import dumps, parse, without_none
from tapeline.providers.delivery import Delivery, decode_tail
from tapeline.providers.errors import closed, error_object, no_events
from tapeline.providers.openai import wire
from tapeline.providers.openai.content import arguments_of, refusal_of, text_of, thinking_of
from tapeline.providers.openai.errors import error_in_stream
from tapeline.providers.openai.reply import decode_finish_reason, decode_usage, encode_usage
from tapeline.providers.tools import call_id
from tapeline.types import Chunk, Json, ToolCallDelta

# Reading ------------------------------------------------------------------------------------------


class OpenAIStreamDecoder:
    """Decodes one streamed completion."""

    def __init__(self) -> None:
        self._sse = sse.SSEDecoder()
        self._delivery = Delivery()
        self._slots = ToolSlots()
        self._has_ended = False
        self._has_events = False

    def feed(self, block: bytes) -> list[Chunk]:
        data = self._sse.lone_data(block, b"data: ")  # most blocks are one event, and this takes half as long
        if data is None:
            return self._delivery.collect(self._decode, self._sse.feed(block))
        self._delivery.raise_held()
        chunk = self._decode_data(data)
        return [] if chunk is None else [chunk]

    def finish(self) -> list[Chunk]:
        self._delivery.raise_held()
        chunks = decode_tail(self._decode, self._sse.finish())
        if not self._has_events:
            raise no_events(self._sse.foreign)
        if not self._has_ended:
            raise closed("neither a finish_reason nor [DONE] came")
        return chunks

    def _decode(self, event: sse.Event) -> Chunk | None:
        if event.type == "error":
            self._has_events = True
            raise error_in_stream(error_object(event.data))
        return self._decode_data(event.data)

    def _decode_data(self, data: bytes) -> Chunk | None:
        if not data.startswith(b"{"):  # one look, and nearly every event is past the odd ones
            stripped = data.strip()
            if not stripped:
                return None  # a keep-alive
            if stripped == b"[DONE]":
                return self._done()
        answer = parse(data, wire.ANSWER)
        self._has_events = True
        if answer.error is not None:
            raise error_in_stream(answer.error or error_object(data))
        chunk = Chunk(id=answer.id, model=answer.model, raw=data)
        if answer.usage is not None:
            chunk.usage = decode_usage(answer.usage)
        for choice in answer.choices or ():
            if not choice.index:  # of several choices (n > 1) the first is the reply
                self._add_choice(chunk, choice)
        return chunk

    def _done(self) -> Chunk | None:
        self._has_events = self._has_ended = True
        missing = self._slots.missing_ids()
        return Chunk(tool_call_deltas=missing) if missing else None

    def _add_choice(self, chunk: Chunk, choice: wire.Choice) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            self._add_delta(chunk, delta)
        if choice.finish_reason == "error":
            raise LLMError("the provider broke off with finish_reason error", code=ErrorCode.STREAM_ERROR)
        if choice.finish_reason is not None:
            self._has_ended = True
            chunk.finish_reason = decode_finish_reason(choice.finish_reason)
            chunk.tool_call_deltas += self._slots.missing_ids()

    def _add_delta(self, chunk: Chunk, delta: wire.Message) -> None:
        if isinstance(delta.content, list):
            chunk.text, chunk.thinking = text_of(delta.content), thinking_of(delta)
            chunk.refusal = refusal_of(delta)
        else:  # once per token, so without a call
            chunk.text = delta.content or ""
            chunk.thinking = delta.reasoning_content or delta.reasoning or ""
            chunk.refusal = delta.refusal or ""
        if delta.tool_calls:
            chunk.tool_call_deltas = tuple(self._slots.place(call) for call in delta.tool_calls)


class ToolSlots:
    """Says which tool call a fragment belongs to, whatever the server made of `index` and `id`.

    A fragment goes to the slot of its index; without an index, to the last slot. A new id opens a new
    slot in both cases, and so does a new name without an id: some servers send every call with index 0,
    or with none.
    """

    def __init__(self) -> None:
        self._slot_of_index: dict[int, int] = {}
        self._ids: list[str | None] = []
        self._names: list[str | None] = []

    def place(self, call: wire.ToolCall) -> ToolCallDelta:
        function = call.function or wire.Function()
        name = function.name or None
        slot = self._slot(call, name)
        self._ids[slot] = call.id or self._ids[slot]
        self._names[slot] = name or self._names[slot]
        return ToolCallDelta(index=slot, id=call.id or None, name=name, arguments=arguments_of(function))

    def missing_ids(self) -> tuple[ToolCallDelta, ...]:
        """Return the ids of the calls that have come without one, at the end of all fragments."""
        missing = [slot for slot, id in enumerate(self._ids) if id is None]
        for slot in missing:
            self._ids[slot] = call_id(slot)
        return tuple(ToolCallDelta(index=slot, id=call_id(slot)) for slot in missing)

    def _slot(self, call: wire.ToolCall, name: str | None) -> int:
        last = len(self._ids) - 1
        slot = last if call.index is None else self._slot_of_index.get(call.index, -1)
        is_new = slot < 0 or self._is_other_call(slot, call.id, name)
        if is_new and call.id and call.id in self._ids:
            return self._ids.index(call.id)
        if is_new:
            self._ids.append(None)
            self._names.append(None)
            slot = last + 1
        if call.index is not None:
            self._slot_of_index[call.index] = slot
        return slot

    def _is_other_call(self, slot: int, id: str | None, name: str | None) -> bool:
        """Whether a fragment cannot be of the call in this slot: an id tells, and without one the name."""
        said, known = (id, self._ids[slot]) if id else (name, self._names[slot])
        return bool(said and known and said != known)


# Writing ------------------------------------------------------------------------------------------


def encode_stream(chunks: Iterable[Chunk], *, model: str) -> Iterator[bytes]:
    for chunk in chunks:
        head = {"id": chunk.id, "object": "chat.completion.chunk", "model": chunk.model or model}
        choice = {"index": 0, "delta": _encode_delta(chunk), "finish_reason": chunk.finish_reason}
        yield sse.encode_event(dumps(head | {"choices": [choice]}))
        if chunk.usage is not None:
            yield sse.encode_event(dumps(head | {"choices": [], "usage": encode_usage(chunk.usage)}))
    yield sse.encode_event(b"[DONE]")


def _encode_delta(chunk: Chunk) -> dict[str, Json]:
    return without_none(
        {
            "content": chunk.text or None,
            "reasoning_content": chunk.thinking or None,
            "refusal": chunk.refusal or None,
            "tool_calls": [_encode_fragment(delta) for delta in chunk.tool_call_deltas] or None,
        }
    )


def _encode_fragment(delta: ToolCallDelta) -> dict[str, Json]:
    function = without_none({"name": delta.name, "arguments": delta.arguments})
    return without_none({"index": delta.index, "id": delta.id, "type": "function", "function": function})
