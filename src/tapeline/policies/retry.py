"""When to retry a failed call, and after how long.

Pure decisions: nothing here sleeps or sends. All times are seconds.
Why full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tapeline.errors import LLMError


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Retry transient failures, at most `attempts` tries in all.

    A wait the server asks for is honoured up to `server_wait_limit_s`; a longer one ends the call at
    once, with the wait on the error, because nobody waits an hour inside a function call.
    """

    attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 20.0
    server_wait_limit_s: float = 60.0

    def delay_s(self, attempt: int, error: LLMError, random: Random) -> float | None:
        """Return the seconds to wait before try `attempt + 1` (the first try is 1), or None to give up."""
        if attempt >= self.attempts or not error.retryable:
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self.server_wait_limit_s else None
        return random.uniform(0.0, min(self.cap_s, self.base_s * 2.0 ** (attempt - 1)))
