"""One measured call, as the runner hands it to the statistics.

A plain value: nothing here measures, sums up or writes. All times are seconds, money is USD.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from tapeline.errors import ErrorCode
from tapeline.types import FinishReason, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """What one call of one scenario took, used and ended with.

    model: the target's display name ("openai:gpt-5.4-mini"). pace: "recorded", "none" or a profile's name.
    index: the call's place in its schedule; unique within (scenario, model, pace).
    started_s: from the start of the run to the call's start. In an open loop that is the scheduled
    start, not the actual one: waiting for a free slot is time the user waits (coordinated omission).
    total_s, ttft_s, chunk_at_s: from the call's start; chunk_at_s holds every content delta, ascending.
    error_code: how the call failed, None if it did not. is_error: False also for a failure that the
    scenario expects. priced_as: the model whose list price was taken, if not its own.
    request_bytes: bodies sent, of all `http_calls` (retries and tool turns included).
    """

    scenario: str
    model: str
    pace: str
    index: int
    started_s: float
    total_s: float
    ttft_s: float | None = None
    chunk_at_s: tuple[float, ...] = ()
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    priced_as: str | None = None
    finish_reason: FinishReason | None = None
    error_code: ErrorCode | None = None
    is_error: bool = False
    http_calls: int = 1
    request_bytes: int = 0

    @property
    def ended_s(self) -> float:
        """When the call was over, in seconds from the start of the run."""
        return self.started_s + self.total_s

    @property
    def itl_s(self) -> tuple[float, ...]:
        """The gaps between consecutive content deltas."""
        return tuple(later - earlier for earlier, later in pairwise(self.chunk_at_s))

    @property
    def tpot_s(self) -> float | None:
        """Time per output token after the first: (E2E - TTFT) / (tokens - 1). None below two tokens."""
        tokens = self.usage.output_tokens
        if self.ttft_s is None or tokens is None or tokens < 2:
            return None
        return (self.total_s - self.ttft_s) / (tokens - 1)

    @property
    def output_tokens_per_s(self) -> float | None:
        """Output tokens / E2E: what a reader of the answer experiences, waiting included."""
        tokens = self.usage.output_tokens
        if tokens is None or self.total_s <= 0:
            return None
        return tokens / self.total_s
