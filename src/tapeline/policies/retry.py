"""When to retry a failed call, and after how long.

Pure decisions: nothing here sleeps or sends. All times are seconds.
Why full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
Why a budget: retries multiply the load on a service that is already failing; "Handling Overload",
Google, Site Reliability Engineering (2016), ch. 21, which also names the 10 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from random import Random
from threading import Lock

from tapeline.errors import RETRYABLE, THROTTLED, ConfigError, ErrorCode, LLMError

_MOST_DOUBLINGS = 62  # far beyond any cap; 2.0 ** 1024 is an OverflowError


class RetryBudget:
    """How many retries all calls under one policy may make together, from any thread.

    Each call adds `ratio` of a retry, up to `reserve`, where it starts; each retry takes one. So a service
    that is down gets at most 1 + ratio times the requests, once the reserve is spent. A hundred retries in
    reserve is what botocore starts with (500 tokens, 5 a retry) and what Finagle keeps (10 a second for
    10 s): enough for fifty calls in a row to fail with all their tries.
    """

    def __init__(self, *, ratio: float = 0.1, reserve: int = 100) -> None:
        if ratio < 0 or reserve < 0:
            raise ConfigError("a retry budget has no negative ratio or reserve; budget=None is no limit")
        self._lock = Lock()
        # Thousandths of a retry: ten times 0.1 is less than 1 in floats.
        self._income = round(1000 * ratio)
        self._limit = self._balance = 1000 * reserve

    def deposit(self) -> None:
        """Count a call: its first try."""
        with self._lock:
            self._balance = min(self._limit, self._balance + self._income)

    def withdraw(self) -> bool:
        """Pay for a retry. Return False, and take nothing, where the budget is spent: do not retry."""
        with self._lock:
            if self._balance < 1000:
                return False
            self._balance -= 1000
            return True


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Retry transient failures, at most `attempts` tries in all.

    A wait the server asks for is honoured up to `server_wait_limit_s`; a longer one ends the call at
    once, with the wait on the error, because nobody waits an hour inside a function call.
    codes: what is tried again by itself. throttle_base_s: `base_s` where the server wants less traffic.
    budget: None for no limit; models that are given one policy share it.
    """

    attempts: int = 3
    base_s: float = 0.5
    throttle_base_s: float = 1.0
    cap_s: float = 20.0
    server_wait_limit_s: float = 60.0
    codes: frozenset[ErrorCode] = RETRYABLE
    budget: RetryBudget | None = field(default_factory=RetryBudget, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigError(f"attempts={self.attempts}: the first try counts too; 1 is never to retry")
        if min(self.base_s, self.throttle_base_s, self.cap_s, self.server_wait_limit_s) < 0:
            raise ConfigError("a retry policy has no negative times; 0 is not to wait")

    def delay_s(
        self, attempt: int, error: LLMError, random: Random, *, remaining_s: float | None = None
    ) -> float | None:
        """Return the seconds to wait before try `attempt + 1` (the first try is 1), or None to give up.

        remaining_s: until the deadline; a wait that would leave nothing of it is not begun.
        A retry is paid from the budget here, so ask once per failed try.
        """
        if attempt >= self.attempts or not self.retries(error):
            return None
        delay_s = self._wait_s(attempt, error, random)
        if delay_s >= (inf if remaining_s is None else remaining_s):
            return None
        return delay_s if self.budget is None or self.budget.withdraw() else None

    def retries(self, error: LLMError) -> bool:
        """Return whether such an error is tried again while tries, time and budget last."""
        if error.should_retry is not None:
            return error.should_retry
        return error.retryable and error.code in self.codes

    def _wait_s(self, attempt: int, error: LLMError, random: Random) -> float:
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self.server_wait_limit_s else inf
        base_s = self.throttle_base_s if error.code in THROTTLED else self.base_s
        bound_s = min(self.cap_s, base_s * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))
        return random.uniform(0.0, bound_s)
