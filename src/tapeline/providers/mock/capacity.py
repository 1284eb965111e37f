"""What a server can take on: calls at a time, calls a minute, and the memory they hold.

Bookkeeping alone. The end of a call is known when it is booked, so even a queue needs nobody to wait: a
call starts when the first slot falls free, and they come in the order in which they were booked.
All times are nanoseconds of one clock.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Literal

from tapeline.clock import NS_PER_S
from tapeline.errors import ConfigError, ErrorCode, LLMError

WhenFull = Literal["reject", "queue"]

MINUTE_NS = 60 * NS_PER_S


class Capacity:
    """The calls a server is working on. None: no limit."""

    def __init__(
        self,
        *,
        max_concurrency: int | None = None,
        when_full: WhenFull = "reject",
        requests_per_minute: int | None = None,
    ) -> None:
        for name, limit in {
            "max_concurrency": max_concurrency,
            "requests_per_minute": requests_per_minute,
        }.items():
            if limit is not None and limit < 1:
                raise ConfigError(f"{name} is at least 1, or None for no limit; not {limit}")
        if when_full not in ("reject", "queue"):
            raise ConfigError(f"when_full is reject or queue, not {when_full!r}")
        self._max_concurrency = max_concurrency
        self._is_queueing = when_full == "queue"
        self._requests_per_minute = requests_per_minute
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.peak_concurrency = 0
        self.peak_memory_bytes = 0
        self.restart()

    def restart(self) -> None:
        """Forget the calls, and so the clock that they ran on."""
        self._slots: list[int] = []  # when each busy slot falls free
        self._in_flight: list[tuple[int, int]] = []  # end and bytes of each call, also of those that queue
        self._admitted: deque[int] = deque()  # when the calls of the last minute came
        self._memory_bytes = 0

    def admit(self, now_ns: int) -> None:
        """Raise LLMError (rate_limit) with the time to wait if a call that comes now is one too many."""
        wait_ns = max(self._until_next_minute_ns(now_ns), self._until_free_ns(now_ns))
        if wait_ns > 0:
            wait_s = wait_ns / NS_PER_S
            raise LLMError("the mock is at its limit", code=ErrorCode.RATE_LIMIT, retry_after_s=wait_s)
        if self._requests_per_minute is not None:
            self._admitted.append(now_ns)

    def _until_next_minute_ns(self, now_ns: int) -> int:
        while self._admitted and self._admitted[0] <= now_ns - MINUTE_NS:
            self._admitted.popleft()
        is_spent = len(self._admitted) == self._requests_per_minute
        return self._admitted[0] + MINUTE_NS - now_ns if is_spent else 0

    def _until_free_ns(self, now_ns: int) -> int:
        return 0 if self._is_queueing else self._start_ns(now_ns) - now_ns

    def _start_ns(self, now_ns: int) -> int:
        """Return when a slot is free for a call that comes now."""
        while self._slots and self._slots[0] <= now_ns:
            heappop(self._slots)
        return self._slots[0] if len(self._slots) == self._max_concurrency else now_ns

    def book(self, now_ns: int, *, duration_ns: int, memory_bytes: int) -> int:
        """Take on an admitted call and return when it starts. It holds its memory from now to its end."""
        start_ns = self._start_ns(now_ns)
        end_ns = start_ns + duration_ns
        if self._max_concurrency is not None:
            if start_ns > now_ns:
                heappop(self._slots)  # its place is taken over
            heappush(self._slots, end_ns)
        self.release(now_ns)
        heappush(self._in_flight, (end_ns, memory_bytes))
        self._memory_bytes += memory_bytes
        self.peak_concurrency = max(self.peak_concurrency, len(self._in_flight))
        self.peak_memory_bytes = max(self.peak_memory_bytes, self._memory_bytes)
        return start_ns

    def release(self, now_ns: int) -> None:
        """Let go of the calls that have ended."""
        while self._in_flight and self._in_flight[0][0] <= now_ns:
            self._memory_bytes -= heappop(self._in_flight)[1]

    def memory_bytes(self, now_ns: int) -> int:
        self.release(now_ns)
        return self._memory_bytes
