"""What came of one turn of a scenario, and the part of it that is the same at every replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tapeline.client.tool_loop import ToolRun
from tapeline.errors import LLMError
from tapeline.types import Chunk, ToolCall, ToolCallDelta, Usage

SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A message of the user and all that answered it: several replies where tools were run.

    asked_s: when each was asked for; total_s: when the last one was there; both since the turn began.
    """

    run: ToolRun
    chunks: tuple[Chunk, ...]
    asked_s: tuple[float, ...]
    total_s: float

    @property
    def ttft_s(self) -> float | None:
        """Seconds to the first content of the first reply; None if it was not streamed."""
        return self.run.replies[0].timing.ttft_s

    @property
    def chunk_at_s(self) -> tuple[float, ...]:
        """Seconds to each piece of content."""
        pairs = zip(self.asked_s, self.run.replies, strict=True)
        return tuple(asked_s + at_s for asked_s, reply in pairs for at_s in reply.timing.chunk_at_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer or an error. Times are seconds from the start of the turn.

    tool_calls: of all rounds. usage, cost_usd: of all rounds together; None where it is not known.
    events: what a stream brought, in the same words for every provider. request_digests: of what was sent,
    as recordings are looked up by them. chunk_at_s: to each piece of content. ttft_s: None if not streamed.
    """

    text: str = ""
    thinking: str = ""
    parsed: Any = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    error: str | None = None
    model: str | None = None
    events: tuple[Mapping[str, Any], ...] = ()
    request_digests: tuple[str, ...] = ()
    chunk_at_s: tuple[float, ...] = ()
    ttft_s: float | None = None
    latency_s: float | None = None

    def fields(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the named fields that hold something, as plain data for a snapshot."""
        known = {name: self._field(name) for name in names}
        return {name: value for name, value in known.items() if value is not None}

    def _field(self, name: str) -> Any:
        match name:
            case "parsed":
                return self.parsed
            case "usage":
                return _plain_usage(self.usage) or None
            case "tool_calls":
                return [_plain_call(call) for call in self.tool_calls] or None
            case "events":
                return [dict(event) for event in self.events] or None
            case "request_digest":
                return "+".join(self.request_digests) or None
            case _:
                return getattr(self, name) or None

    def described(self) -> str:
        """Return the outcome in one line."""
        if self.error:
            return f"the error {self.error}"
        text = self.text if len(self.text) <= SHOWN_CHARACTERS else f"{self.text[:SHOWN_CHARACTERS]}..."
        return f"{text!r} ({self.finish_reason})"


def outcome_of(
    turn: Turn, *, cost_usd: Decimal | None = None, request_digests: tuple[str, ...] = ()
) -> Outcome:
    """Return the outcome of a turn that was answered."""
    run = turn.run
    return Outcome(
        text=run.text,
        thinking=run.reply.thinking,
        parsed=run.parsed,
        tool_calls=tuple(call for reply in run.replies for call in reply.tool_calls),
        finish_reason=run.reply.finish_reason,
        usage=run.usage,
        cost_usd=cost_usd,
        model=run.reply.model,
        events=tuple(event for chunk in turn.chunks if (event := event_of(chunk))),
        request_digests=request_digests,
        chunk_at_s=turn.chunk_at_s,
        ttft_s=turn.ttft_s,
        latency_s=turn.total_s,
    )


def outcome_of_error(error: LLMError, *, request_digests: tuple[str, ...] = ()) -> Outcome:
    """Return the outcome of a turn that failed."""
    text = error.partial.text if error.partial else ""
    return Outcome(error=error.code.value, text=text, request_digests=request_digests)


def event_of(chunk: Chunk) -> dict[str, Any]:
    """Return what a chunk brought, without ids, times and bytes; nothing for a chunk of those alone."""
    facts = {
        "text": chunk.text,
        "thinking": chunk.thinking,
        "refusal": chunk.refusal,
        "tool_calls": [_plain_delta(delta) for delta in chunk.tool_call_deltas],
        "finish_reason": chunk.finish_reason,
        "usage": _plain_usage(chunk.usage) if chunk.usage else None,
    }
    return {name: fact for name, fact in facts.items() if fact}


def _plain_delta(delta: ToolCallDelta) -> dict[str, Any]:
    facts = {"index": delta.index, "name": delta.name, "arguments": delta.arguments}
    return {name: fact for name, fact in facts.items() if fact not in (None, "")}


def _plain_call(call: ToolCall) -> dict[str, Any]:
    try:
        return {"name": call.name, "arguments": call.arguments}
    except (ValueError, RecursionError):
        return {"name": call.name, "raw_arguments": call.raw_arguments}


def _plain_usage(usage: Usage) -> dict[str, int]:
    values = {name: getattr(usage, name) for name in Usage.__dataclass_fields__}
    return {name: value for name, value in values.items() if value is not None}
