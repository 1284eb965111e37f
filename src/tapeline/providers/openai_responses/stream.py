"""An answer in pieces, as server-sent events: reading them and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count

from tapeline.providers import sse
from tapeline.providers.bodies import dumps, parse
from tapeline.providers.delivery import Delivery, decode_tail
from tapeline.providers.errors import closed, error_object, no_events
from tapeline.providers.openai_responses import wire
from tapeline.providers.openai_responses.collected import CONTENT, TEXT_DELTA, Collected
from tapeline.providers.openai_responses.content import encode_answer_item
from tapeline.providers.openai_responses.errors import NO_REASON, error_in_stream
from tapeline.providers.openai_responses.reply import (
    decode_finish_reason,
    decode_usage,
    numbered,
    response_end,
    response_head,
)
from tapeline.types import (
    Chunk,
    FinishReason,
    Json,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolCallDelta,
    Usage,
)

ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
RESPONSES = ENDS | {"response.created", "response.queued", "response.in_progress"}
KNOWN = CONTENT | RESPONSES
NO_EVENTS = (b"", b"[DONE]")
"""Data of a keep-alive, and the farewell of servers that think in terms of Chat Completions."""

# Reading ------------------------------------------------------------------------------------------


class ResponsesStreamDecoder:
    """Decodes one streamed response."""

    def __init__(self) -> None:
        self._sse = sse.SSEDecoder()
        self._delivery = Delivery()
        self._collected = Collected()
        self._late: list[Chunk] = []  # what only the last event brought
        self._has_events = False
        self._has_ended = False

    def feed(self, block: bytes) -> list[Chunk]:
        chunks = self._delivery.collect(self._decode, self._sse.feed(block))
        return chunks + self._take_late() if self._late else chunks

    def finish(self) -> list[Chunk]:
        self._delivery.raise_held()
        chunks = decode_tail(self._decode, self._sse.finish())
        if not self._has_events:
            raise no_events(self._sse.foreign)
        if not self._has_ended:
            raise closed("neither response.completed nor response.incomplete came")
        return chunks + self._take_late()

    def _take_late(self) -> list[Chunk]:
        late, self._late = self._late, []
        return late

    def _decode(self, event: sse.Event) -> Chunk | None:
        data = event.data
        if not data.startswith(b"{") and data.strip() in NO_EVENTS:
            return None
        if event.type == TEXT_DELTA:  # the shortest way for the one event that comes with every token
            delta = parse(data, wire.TEXT_DELTA)
            self._has_events = True
            self._collected.note(("text", delta.output_index, delta.content_index), delta.delta)
            return Chunk(text=delta.delta, raw=data)
        kind = _kind_of(event)
        self._has_events = True
        chunk = Chunk(raw=data)
        if kind in RESPONSES:
            self._add_response(chunk, kind, parse(data, wire.EVENT).response or wire.Response())
        elif kind in KNOWN:
            self._collected.add_event(chunk, kind, parse(data, wire.EVENT))
        return chunk

    def _add_response(self, chunk: Chunk, kind: str, response: wire.Response) -> None:
        if response.error is not None or kind == "response.failed":
            raise error_in_stream(response.error or NO_REASON)
        chunk.id = response.id or None
        chunk.model = response.model or None
        if response.usage is not None:
            chunk.usage = decode_usage(response.usage)
        if kind in ENDS:
            self._has_ended = True
            self._late = list(self._collected.missing(response.output or ()))
            response.status = response.status or kind.removeprefix("response.")
            chunk.finish_reason = decode_finish_reason(response, has_calls=self._collected.has_calls)


def _kind_of(event: sse.Event) -> str:
    """Return the type of an event. Raises the error that an event is."""
    if event.type in KNOWN:
        return event.type
    head = parse(event.data, wire.KIND)
    kind = head.type or event.type
    if "error" in (kind, event.type) or (head.error is not None and not kind.startswith("response.")):
        raise error_in_stream(head.error or error_object(event.data))
    return kind


# Writing ------------------------------------------------------------------------------------------


def encode_stream(chunks: Iterable[Chunk], *, model: str) -> Iterator[bytes]:
    encoder = _StreamEncoder(model)
    for chunk in chunks:
        yield from encoder.encode(chunk)
    yield from encoder.end()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How a part grows on the wire: its events, the name of its text, and the piece of the item it is in."""

    events: str
    text: str
    pieces: str = ""
    number: str = ""


_FORMS: Mapping[type, _Form] = {
    Text: _Form(
        events="response.output_text", text="text", pieces="response.content_part", number="content_index"
    ),
    Refusal: _Form(
        events="response.refusal", text="refusal", pieces="response.content_part", number="content_index"
    ),
    Thinking: _Form(
        events="response.reasoning_summary_text",
        text="text",
        pieces="response.reasoning_summary_part",
        number="summary_index",
    ),
    ToolCall: _Form(events="response.function_call_arguments", text="arguments"),
}


class _GrowingItem:
    """An item while its fragments are coming in. part: all of it but the text."""

    def __init__(self, index: int, part: Text | Refusal | Thinking | ToolCall) -> None:
        self.index = index
        self.part = part
        self.form = _FORMS[type(part)]
        self.fragments: list[str] = []
        self.is_closed = False
        self.id: str = self.encoded()["id"]

    @property
    def text(self) -> str:
        return "".join(self.fragments)

    def encoded(self) -> dict[str, Json]:
        if isinstance(self.part, ToolCall):
            part: Part = replace(self.part, raw_arguments=self.text or "{}")
        else:
            part = replace(self.part, text=self.text)
        return numbered(encode_answer_item(part) or {}, self.index)

    def piece(self) -> dict[str, Json]:
        item = self.encoded()
        piece: dict[str, Json] = (item.get("content") or item["summary"])[0]
        return piece


class _StreamEncoder:
    """Turns chunks into events. An item ends where another begins; calls, whose fragments may be
    interleaved, end with the response.
    """

    def __init__(self, model: str) -> None:
        self._head = response_head(None, model)
        self._has_started = False
        self._sequence = count()
        self._items: list[_GrowingItem] = []
        self._calls: dict[int, _GrowingItem] = {}
        self._finish_reason: FinishReason | None = None
        self._usage = Usage(input_tokens=0, output_tokens=0)

    def encode(self, chunk: Chunk) -> Iterator[bytes]:
        self._finish_reason = chunk.finish_reason or self._finish_reason
        self._usage = chunk.usage or self._usage
        yield from self._start(chunk)
        if chunk.thinking or chunk.signature or chunk.thinking_id:
            yield from self._think(chunk)
        if chunk.text:
            yield from self._continue(Text(""), chunk.text)
        if chunk.refusal:
            yield from self._continue(Refusal(""), chunk.refusal)
        for delta in chunk.tool_call_deltas:
            yield from self._call(delta)

    def end(self) -> Iterator[bytes]:
        """Yield what closes the response. Once for all: usage may come after the finish reason."""
        yield from self._start(Chunk())
        for item in self._items:
            yield from self._close(item)
        end = response_end([item.encoded() for item in self._items], self._finish_reason, self._usage)
        yield self._event(f"response.{end['status']}", response=self._head | end)

    def _start(self, chunk: Chunk) -> Iterator[bytes]:
        if self._has_started:
            return
        self._has_started = True
        self._head = response_head(chunk.id, chunk.model or self._head["model"])
        response = self._head | {"status": "in_progress", "output": []}
        yield self._event("response.created", response=response)
        yield self._event("response.in_progress", response=response)

    def _think(self, chunk: Chunk) -> Iterator[bytes]:
        yield from self._continue(Thinking(id=chunk.thinking_id), chunk.thinking)
        item = self._items[-1]
        item.part = Thinking(id=chunk.thinking_id or _id_of(item.part), signature=chunk.signature)

    def _continue(self, part: Text | Refusal | Thinking, fragment: str) -> Iterator[bytes]:
        """Add to the last item, or to a new one if that is of another kind."""
        if not self._items or not _continues(self._items[-1].part, part):
            yield from self._open(part)
        yield from self._grow(self._items[-1], fragment)

    def _call(self, delta: ToolCallDelta) -> Iterator[bytes]:
        if delta.index not in self._calls:
            yield from self._open(ToolCall(id=delta.id or "", name=delta.name or ""))
            self._calls[delta.index] = self._items[-1]
        yield from self._grow(self._calls[delta.index], delta.arguments)

    def _open(self, part: Text | Refusal | Thinking | ToolCall) -> Iterator[bytes]:
        if self._items and not isinstance(self._items[-1].part, ToolCall):
            yield from self._close(self._items[-1])
        item = _GrowingItem(len(self._items), part)
        self._items.append(item)
        begun = item.encoded() | {"status": "in_progress"}
        begun |= {"arguments": ""} if "arguments" in begun else {}
        begun |= {"content": []} if "content" in begun else {}
        yield self._event("response.output_item.added", output_index=item.index, item=begun)

    def _grow(self, item: _GrowingItem, fragment: str) -> Iterator[bytes]:
        if not fragment:
            return
        item.fragments.append(fragment)
        if item.form.pieces and len(item.fragments) == 1:
            begun = item.piece() | {item.form.text: ""}
            yield self._event(f"{item.form.pieces}.added", **_place_of(item), part=begun)
        yield self._event(f"{item.form.events}.delta", **_place_of(item), delta=fragment)

    def _close(self, item: _GrowingItem) -> Iterator[bytes]:
        if item.is_closed:
            return
        item.is_closed = True
        if item.fragments:
            yield self._event(f"{item.form.events}.done", **_place_of(item), **{item.form.text: item.text})
        if item.fragments and item.form.pieces:
            yield self._event(f"{item.form.pieces}.done", **_place_of(item), part=item.piece())
        yield self._event("response.output_item.done", output_index=item.index, item=item.encoded())

    def _event(self, type: str, **fields: Json) -> bytes:
        body = {"type": type, "sequence_number": next(self._sequence), **fields}
        return sse.encode_event(dumps(body), type)


def _continues(last: Part, part: Part) -> bool:
    """Whether a part is more of the last one. A signature ends thinking, and so does another id."""
    if isinstance(last, Thinking) and isinstance(part, Thinking):
        return not last.signature and part.id in (None, last.id)
    return type(last) is type(part)


def _id_of(part: Part) -> str | None:
    return part.id if isinstance(part, Thinking) else None


def _place_of(item: _GrowingItem) -> dict[str, Json]:
    number = {item.form.number: 0} if item.form.number else {}
    return {"item_id": item.id, "output_index": item.index} | number
