"""What came of one call of a scenario: the part of it that is the same at every replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tapeline.errors import LLMError
from tapeline.types import Reply, Usage

SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer or an error. chunk_at_s: seconds from the start of the call to each piece of content."""

    text: str = ""
    parsed: Any = None
    finish_reason: str | None = None
    usage: Usage = Usage()
    error: str | None = None
    model: str | None = None
    chunk_at_s: tuple[float, ...] = ()

    def fields(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the named fields that hold something, as plain data for a snapshot."""
        known = {
            "text": self.text or None,
            "parsed": self.parsed,
            "finish_reason": self.finish_reason,
            "usage": _plain_usage(self.usage) or None,
            "error": self.error,
            "model": self.model,
        }
        return {name: known[name] for name in names if known[name] is not None}

    def described(self) -> str:
        """Return the outcome in one line."""
        if self.error:
            return f"the error {self.error}"
        text = self.text if len(self.text) <= SHOWN_CHARACTERS else f"{self.text[:SHOWN_CHARACTERS]}..."
        return f"{text!r} ({self.finish_reason})"


def outcome_of(reply: Reply) -> Outcome:
    """Return the outcome of an answer."""
    return Outcome(
        text=reply.text,
        parsed=reply.parsed,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        model=reply.model,
        chunk_at_s=reply.timing.chunk_at_s,
    )


def outcome_of_error(error: LLMError) -> Outcome:
    """Return the outcome of a call that failed."""
    return Outcome(error=error.code.value, text=error.partial.text if error.partial else "")


def _plain_usage(usage: Usage) -> dict[str, int]:
    values = {name: getattr(usage, name) for name in Usage.__dataclass_fields__}
    return {name: value for name, value in values.items() if value is not None}
