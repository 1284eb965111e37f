"""From chunks to a reply: the same for every provider, so that a stream and a plain answer agree."""

from __future__ import annotations

from collections.abc import Iterable

from tapeline.types import (
    Chunk,
    FinishReason,
    Message,
    Part,
    Reply,
    Text,
    Thinking,
    Timing,
    ToolCall,
    ToolCallDelta,
    Usage,
)


class Assembler:
    """Collects chunks; `reply` may be asked for at any time, also of a stream that broke."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._signature: str | None = None
        self._redacted: list[str] = []
        self._calls: dict[int, list[ToolCallDelta]] = {}
        self._finish_reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._id: str | None = None
        self._model: str | None = None
        self._events: list[bytes] = []
        self._content_at_s: list[float] = []

    def add(self, chunk: Chunk) -> None:
        if chunk.text:
            self._text.append(chunk.text)
        if chunk.thinking:
            self._thinking.append(chunk.thinking)
        for delta in chunk.tool_call_deltas:
            self._calls.setdefault(delta.index, []).append(delta)
        if chunk.redacted:
            self._redacted.append(chunk.redacted)
        if chunk.raw:
            self._events.append(chunk.raw)
        if chunk.has_content:
            self._content_at_s.append(chunk.at_s)
        self._signature = chunk.signature or self._signature
        self._finish_reason = chunk.finish_reason or self._finish_reason
        self._usage = chunk.usage or self._usage  # cumulative where repeated: the last one counts
        self._id = chunk.id or self._id
        self._model = chunk.model or self._model

    def reply(self, *, total_s: float = 0.0) -> Reply:
        """Return all that has come so far. total_s: seconds since the start of the call."""
        times = tuple(self._content_at_s)
        return Reply(
            message=Message("assistant", tuple(self._parts())),
            finish_reason=self._finish_reason,
            usage=self._usage or Usage(),
            timing=Timing(total_s=total_s, ttft_s=times[0] if times else None, chunk_at_s=times),
            model=self._model,
            id=self._id,
            wire=tuple(self._events),
        )

    def _parts(self) -> Iterable[Part]:
        if self._thinking or self._signature:
            yield Thinking(text="".join(self._thinking), signature=self._signature)
        for redacted in self._redacted:
            yield Thinking(redacted=redacted)
        if self._text:
            yield Text("".join(self._text))
        for index in sorted(self._calls):
            yield _tool_call(self._calls[index])


def _tool_call(deltas: list[ToolCallDelta]) -> ToolCall:
    return ToolCall(
        id=next((d.id for d in deltas if d.id), ""),
        name=next((d.name for d in deltas if d.name), ""),
        raw_arguments="".join(d.arguments for d in deltas) or "{}",
    )


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
        case Thinking(text=text, signature=signature, redacted=redacted):
            return Chunk(thinking=text, signature=signature, redacted=redacted)
        case _:
            return None
