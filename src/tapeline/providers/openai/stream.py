"""An answer in pieces, as server-sent events: reading them and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers import sse
from tapeline.providers.bodies import dumps, parse, without_none
from tapeline.providers.delivery import Delivery, decode_tail
from tapeline.providers.errors import closed, error_object, no_events
from tapeline.providers.openai import wire
from tapeline.providers.openai.content import text_of, thinking_of
from tapeline.providers.openai.errors import error_inside_success
from tapeline.providers.openai.reply import decode_finish_reason, decode_usage, encode_usage
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
        self._has_refused = False

    def feed(self, block: bytes) -> list[Chunk]:
        return self._delivery.collect(self._decode, self._sse.feed(block))

    def finish(self) -> list[Chunk]:
        self._delivery.raise_held()
        chunks = decode_tail(self._decode, self._sse.finish())
        if not self._has_events:
            raise no_events(self._sse.foreign)
        if not self._has_ended:
            raise closed("neither a finish_reason nor [DONE] came")
        return chunks

    def _decode(self, event: sse.Event) -> Chunk | None:
        data = event.data
        stripped = data.strip()
        if not stripped:
            return None  # a keep-alive
        if stripped == b"[DONE]":
            self._has_events = self._has_ended = True
            return None
        answer = parse(data, wire.ANSWER)
        self._has_events = True
        if answer.error is not None or event.type == "error":
            raise error_inside_success(answer.error or error_object(data))
        chunk = Chunk(id=answer.id, model=answer.model, raw=data)
        if answer.usage is not None:
            chunk.usage = decode_usage(answer.usage)
        for choice in answer.choices or ():
            if not choice.index:  # of several choices (n > 1) the first is the reply
                self._add_choice(chunk, choice)
        return chunk

    def _add_choice(self, chunk: Chunk, choice: wire.Choice) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            self._add_delta(chunk, delta)
        if choice.finish_reason == "error":
            raise LLMError("the provider broke off with finish_reason error", code=ErrorCode.STREAM_ERROR)
        if choice.finish_reason is not None:
            self._has_ended = True
            chunk.finish_reason = decode_finish_reason(choice.finish_reason, refusal=self._has_refused)

    def _add_delta(self, chunk: Chunk, delta: wire.Message) -> None:
        self._has_refused = self._has_refused or bool(delta.refusal)
        chunk.text = text_of(delta.content) or delta.refusal or ""
        chunk.thinking = thinking_of(delta)
        if delta.tool_calls:
            chunk.tool_call_deltas = tuple(self._slots.place(call) for call in delta.tool_calls)


class ToolSlots:
    """Says which tool call a fragment belongs to, whatever the server made of `index` and `id`.

    A fragment goes to the slot of its index; without an index, to the last slot. A new id opens a new
    slot in both cases: some servers send every call with index 0, or with none.
    """

    def __init__(self) -> None:
        self._slot_of_index: dict[int, int] = {}
        self._id_of_slot: list[str | None] = []

    def place(self, call: wire.ToolCall) -> ToolCallDelta:
        slot = self._slot(call)
        function = call.function or wire.Function()
        if call.id:
            self._id_of_slot[slot] = call.id
        return ToolCallDelta(
            index=slot, id=call.id or None, name=function.name or None, arguments=function.arguments or ""
        )

    def _slot(self, call: wire.ToolCall) -> int:
        last = len(self._id_of_slot) - 1
        slot = last if call.index is None else self._slot_of_index.get(call.index, -1)
        is_new = slot < 0 or bool(call.id and self._id_of_slot[slot] and call.id != self._id_of_slot[slot])
        if is_new and call.id in self._id_of_slot and call.id:
            return self._id_of_slot.index(call.id)
        if is_new:
            self._id_of_slot.append(None)
            slot = last + 1
        if call.index is not None:
            self._slot_of_index[call.index] = slot
        return slot


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
            "tool_calls": [_encode_fragment(delta) for delta in chunk.tool_call_deltas] or None,
        }
    )


def _encode_fragment(delta: ToolCallDelta) -> dict[str, Json]:
    function = without_none({"name": delta.name, "arguments": delta.arguments})
    return without_none({"index": delta.index, "id": delta.id, "type": "function", "function": function})
