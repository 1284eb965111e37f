"""From chunks to a reply: the same for every provider, so that a stream and a plain answer agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from tapeline.types import (
    Chunk,
    FinishReason,
    Message,
    Part,
    Refusal,
    Reply,
    Text,
    Thinking,
    Timing,
    ToolCall,
    ToolCallDelta,
    Usage,
)


class Assembler:
    """Collects chunks; `reply` may be asked for at any time, also of a stream that broke.

    Parts keep the order in which they began. One ends where another kind begins, and thinking ends with
    its signature, which is of no use on a text that is not exactly its own.
    """

    def __init__(self) -> None:
        self._parts: list[_GrowingPart] = []
        self._calls: dict[int, _GrowingPart] = {}
        self._finish_reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._id: str | None = None
        self._model: str | None = None
        self._events: list[bytes] = []
        self._content_at_s: list[float] = []

    def add(self, chunk: Chunk) -> None:
        """Take in what a chunk brought. There is one per token, and most have a text and little else."""
        if chunk.raw:
            self._events.append(chunk.raw)
        if chunk.thinking or chunk.signature or chunk.redacted or chunk.thinking_id:
            self._add_thinking(chunk)
        if chunk.text:
            if not self._parts or self._parts[-1].kind != "text":
                self._parts.append(_GrowingPart("text"))
            self._parts[-1].pieces.append(chunk.text)
            self._content_at_s.append(chunk.at_s)
        elif chunk.has_content:
            self._content_at_s.append(chunk.at_s)
        if chunk.refusal or chunk.tool_call_deltas:
            self._add_refusal_and_calls(chunk)
        self._id = chunk.id or self._id
        self._model = chunk.model or self._model
        if chunk.finish_reason or chunk.usage:
            self._finish_reason = chunk.finish_reason or self._finish_reason
            self._usage = chunk.usage or self._usage  # cumulative where repeated: the last one counts

    def _add_refusal_and_calls(self, chunk: Chunk) -> None:
        if chunk.refusal:
            self._growing("refusal").pieces.append(chunk.refusal)
        for delta in chunk.tool_call_deltas:
            self._add_call(delta)

    def _growing(self, kind: _Kind) -> _GrowingPart:
        if not self._parts or self._parts[-1].kind != kind:
            self._parts.append(_GrowingPart(kind))
        return self._parts[-1]

    def _add_thinking(self, chunk: Chunk) -> None:
        if chunk.thinking or chunk.signature or chunk.thinking_id:
            last = self._growing("thinking")
            if last.signature or (last.id and chunk.thinking_id and last.id != chunk.thinking_id):
                last = _GrowingPart("thinking")
                self._parts.append(last)
            last.pieces.append(chunk.thinking)
            last.signature = chunk.signature
            last.id = chunk.thinking_id or last.id
        if chunk.redacted:
            self._parts.append(_GrowingPart("redacted", [chunk.redacted]))

    def _add_call(self, delta: ToolCallDelta) -> None:
        call = self._calls.get(delta.index)
        if call is None:
            call = self._calls[delta.index] = _GrowingPart("call")
            self._parts.append(call)
        call.id = call.id or delta.id
        call.name = call.name or delta.name
        call.pieces.append(delta.arguments)

    def reply(self, *, total_s: float = 0.0) -> Reply:
        """Return all that has come so far. total_s: seconds since the start of the call."""
        times = tuple(self._content_at_s)
        return Reply(
            message=Message("assistant", tuple(self._finished())),
            finish_reason=self._finish_reason,
            usage=self._usage or Usage(),
            timing=Timing(total_s=total_s, ttft_s=times[0] if times else None, chunk_at_s=times),
            model=self._model,
            id=self._id,
            wire=tuple(self._events),
        )

    def _finished(self) -> Iterator[Part]:
        """Yield the parts; of the places that tool calls began in, the first is that of call 0."""
        calls = (self._calls[index] for index in sorted(self._calls))
        for part in self._parts:
            yield (next(calls) if part.kind == "call" else part).finished()


_Kind = Literal["text", "thinking", "redacted", "refusal", "call"]


@dataclass(slots=True)
class _GrowingPart:
    """A part of the message while its pieces are coming in."""

    kind: _Kind
    pieces: list[str] = field(default_factory=list)
    id: str | None = None
    name: str | None = None
    signature: str | None = None

    def finished(self) -> Part:
        text = "".join(self.pieces)
        match self.kind:
            case "text":
                return Text(text)
            case "thinking":
                return Thinking(text=text, signature=self.signature, id=self.id)
            case "redacted":
                return Thinking(redacted=text)
            case "refusal":
                return Refusal(text)
            case "call":
                return ToolCall(id=self.id or "", name=self.name or "", raw_arguments=text or "{}")


def joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Join the parts of a plain answer that a stream could not tell apart, and drop those that say nothing.

    Such are neighbouring texts, as around a citation, and thinking up to its signature.
    """
    whole: list[Part] = []
    for part in parts:
        match whole[-1:], part:
            case _, Text(text="") | Thinking(text="", signature=None, redacted=None, id=None):
                continue
            case [Text(text=start)], Text(text=rest):
                whole[-1] = Text(start + rest)
            case [Thinking(text=start, signature=None, redacted=None, id=id)], Thinking(
                text=rest, redacted=None
            ) if part.id == id:
                whole[-1] = replace(part, text=start + rest)
            case _:
                whole.append(part)
    return tuple(whole)


def chunks_of(reply: Reply) -> list[Chunk]:
    """Return a whole answer as the chunks of a stream: its content, then its end."""
    chunks = [chunk for part in reply.message.content if (chunk := _chunk_of(part)) is not None]
    calls = [
        ToolCallDelta(index=index, id=call.id, name=call.name, arguments=call.raw_arguments)
        for index, call in enumerate(reply.tool_calls)
    ]
    if calls:
        chunks.append(Chunk(tool_call_deltas=tuple(calls)))
    chunks.append(Chunk(finish_reason=reply.finish_reason, usage=reply.usage))
    for chunk in chunks:  # as real streams do: some formats say the id in their very first event
        chunk.id, chunk.model = reply.id, reply.model
    return chunks


def _chunk_of(part: Part) -> Chunk | None:
    match part:
        case Text(text=text):
            return Chunk(text=text)
        case Thinking(text=text, signature=signature, redacted=redacted, id=id):
            return Chunk(thinking=text, signature=signature, redacted=redacted, thinking_id=id)
        case Refusal(text=text):
            return Chunk(refusal=text)
        case _:
            return None
