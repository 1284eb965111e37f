"""When to stop calling a service that fails, and when to try it again.

Pure decisions: nothing here waits; the caller passes `now_ns`, read from a clock that never goes back.
The pattern: M. Nygard, Release It! (2007), ch. 5, "Circuit Breaker".

    closed      calls pass; so many failures in a row open it
    open        no call passes, until the cooldown is over
    half_open   one call passes, the probe: its success closes the breaker, its failure opens it again
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Literal, TypeAlias

from tapeline.clock import NS_PER_S
from tapeline.errors import ConfigError, ErrorCode

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]

SICK = frozenset({ErrorCode.OVERLOADED, ErrorCode.INTERNAL_ERROR, ErrorCode.TIMEOUT, ErrorCode.NETWORK_ERROR})
"""Codes that say the service is not well. Any other tells of the request, the key or the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """Stop calling after so many failures in a row, for `cooldown_s`; then let one call try."""

    failures: int = 5
    cooldown_s: float = 30.0

    def __post_init__(self) -> None:
        if self.failures < 1:
            raise ConfigError(f"failures={self.failures}: a breaker opens after one failure or more")
        if self.cooldown_s < 0:
            raise ConfigError("cooldown_s is not negative")


class Breaker:
    """The state of one circuit breaker, for callers of any thread.

    Ask `allows` before each try and report how it ended, by one of the three verbs. A report does not say
    of which try: one that began before the breaker opened, and ends during the probe, counts for the probe.
    Its news is as fresh, and the worst that can come of it is a second probe.
    """

    def __init__(self, policy: CircuitBreaker) -> None:
        self._policy = policy
        self._lock = Lock()
        self._state: BreakerState = "closed"
        self._failures = 0
        self._opened_ns = 0
        self._is_probing = False

    @property
    def state(self) -> BreakerState:
        return self._state

    def allows(self, now_ns: int) -> bool:
        """Return whether a call may be made now. After the cooldown, the first to ask makes the probe."""
        with self._lock:
            if self._state == "open" and self._cooldown_left_ns(now_ns) == 0:
                self._state = "half_open"
            if self._state == "half_open" and not self._is_probing:
                self._is_probing = True
                return True
            return self._state == "closed"

    def wait_s(self, now_ns: int) -> float:
        """Return how long no call will be allowed; 0 where one is, or where a probe is on its way."""
        with self._lock:
            return self._cooldown_left_ns(now_ns) / NS_PER_S if self._state == "open" else 0.0

    def succeeded(self) -> bool:
        """Report an answer. Return whether this closed the breaker.

        In an open one it is an answer to a call made before, and says nothing of how things are now.
        """
        with self._lock:
            was_half_open = self._state == "half_open"
            if self._state != "open":
                self._state, self._failures, self._is_probing = "closed", 0, False
            return was_half_open

    def failed(self, code: ErrorCode, now_ns: int) -> bool:
        """Report an error. Return whether this opened the breaker."""
        with self._lock:
            self._is_probing = False
            if code not in SICK or self._state == "open":
                return False
            self._failures += 1
            if self._state == "closed" and self._failures < self._policy.failures:
                return False
            self._state, self._opened_ns = "open", now_ns
            return True

    def abandoned(self) -> None:
        """Report that the caller left before the end: if it was the probe, another may be made."""
        with self._lock:
            self._is_probing = False

    def _cooldown_left_ns(self, now_ns: int) -> int:
        return max(0, self._opened_ns + round(self._policy.cooldown_s * NS_PER_S) - now_ns)
