"""Time as something you pass in: a clock to read and to wait on, real or virtual.

Everything in tapeline that waits or measures takes a `Clock`. Times are integer nanoseconds from an
arbitrary start (exact, and equal on every machine); durations in and out of functions are seconds.

`VirtualClock` never waits. Blocking code that sleeps moves it forward; asyncio code runs on its own
event loop (`VirtualClock.run`), which jumps to the next timer whenever nothing else can happen.
Work handed to threads takes no virtual time: the loop waits for it before it jumps.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """What tells the time and lets it pass."""

    def now_ns(self) -> int:
        """Nanoseconds since an arbitrary start; never goes back."""
        ...

    def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds, blocking the caller."""
        ...

    async def asleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds, letting other tasks run."""
        ...


class SystemClock:
    """Real, monotonic time."""

    now_ns = staticmethod(time.perf_counter_ns)  # itself, because each streamed chunk asks for the time
    sleep = staticmethod(time.sleep)

    async def asleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class VirtualClock:
    """Time that passes only when somebody waits for it, and then at once."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        return self._now_ns

    def sleep(self, delay_s: float) -> None:
        """Move the clock forward. A blocking sleep on the running virtual loop would starve its timers."""
        self.advance_ns(ns(delay_s))

    async def asleep(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        if getattr(loop, "clock", None) is not self:
            raise RuntimeError("await on a VirtualClock needs its own event loop: use clock.run(main())")
        await asyncio.sleep(delay_s)

    def advance_ns(self, duration_ns: int) -> None:
        """Move the clock forward by `duration_ns` >= 0."""
        self._now_ns += max(0, duration_ns)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end on a fresh virtual event loop and return its result.

        Raises RuntimeError when every task waits for something that no timer will bring.
        """
        with asyncio.Runner(loop_factory=lambda: VirtualEventLoop(self)) as runner:
            return runner.run(main)


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a `VirtualClock`: where others would wait for a timer, it moves the clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._threads_busy = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        now_s = self.clock.now_ns() / NS_PER_S
        # asyncio takes timers within this of `now` for due. Its own value, 1 ns, wakes a timer 1 ns later
        # too early, and after some 100 days is lost in the rounding of `now`, so that the loop would spin.
        self._clock_resolution = max(0.25 / NS_PER_S, 2 * math.ulp(now_s))
        return now_s

    def run_in_executor(  # type: ignore[override]  # the typeshed signature needs TypeVarTuple
        self, executor: Any, func: Any, *args: Any
    ) -> Any:
        """Count the job, so that time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._threads_busy += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: Any) -> None:
        self._threads_busy -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Joining the pool takes a thread of its own: wait for that one too."""
        self._threads_busy += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._threads_busy -= 1

    @property
    def is_waiting_for_threads(self) -> bool:
        return self._threads_busy > 0


class _JumpingSelector(selectors.DefaultSelector):
    """Polls the real selector; where it would have slept, moves the clock by that much.

    This is asyncio's public seam for time: BaseEventLoop asks its selector to wait for at most the
    time to the next timer. Integer nanoseconds keep repeated jumps free of rounding drift.
    """

    def __init__(self, loop: VirtualEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._loop.is_waiting_for_threads:
            return super().select(None if timeout is None or timeout > 0 else 0)
        if timeout is not None and timeout <= 0 and len(self.get_map()) == 1:
            return []  # only the loop's own wake-up pipe: spare the system call
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            if len(self.get_map()) > 1:
                return super().select(None)  # a real socket is open: only it can bring news
            raise RuntimeError("virtual time is stuck: every task waits, and no timer is set")
        self._loop.clock.advance_ns(max(1, ns(timeout)))
        return []


def ns(duration_s: float) -> int:
    """Return seconds as whole nanoseconds."""
    return round(duration_s * NS_PER_S)
