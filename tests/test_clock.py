"""Virtual time: exact, repeatable, and gone in no time."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from itertools import pairwise
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.clock import NS_PER_S, SystemClock, VirtualClock, ns

Log = list[tuple[int, str]]
"""(milliseconds, what happened)"""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def logged(clock: VirtualClock, main: Callable[[Callable[[str], None]], Coroutine[Any, Any, Any]]) -> Log:
    """Run `main(say)` on the clock and return what it said, and when."""
    log: Log = []
    clock.run(main(lambda what: log.append((clock.now_ns() // 1_000_000, what))))
    return log


# Order ----------------------------------------------------------------------------------------------


def test_tasks_wake_in_the_order_of_their_timers(clock: VirtualClock) -> None:
    """gather: in the order of time, and of starting where the time is the same."""

    async def main(say: Callable[[str], None]) -> None:
        async def sleeper(name: str, delay_s: float) -> None:
            await clock.asleep(delay_s)
            say(name)

        await asyncio.gather(*(sleeper(*each) for each in [("c", 0.3), ("a", 0.1), ("b1", 0.2), ("b2", 0.2)]))

    assert logged(clock, main) == [(100, "a"), (200, "b1"), (200, "b2"), (300, "c")]


def test_timeouts_fire_at_their_time(clock: VirtualClock) -> None:
    """asyncio.timeout and wait_for cut a wait off exactly where they say, and not one that is in time."""

    async def main(say: Callable[[str], None]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await clock.asleep(10)
        say("timeout")
        with suppress(TimeoutError):
            await asyncio.wait_for(clock.asleep(10), 0.25)
        say("wait_for")
        await asyncio.wait_for(clock.asleep(1), 2)
        say("in time")
        done, pending = await asyncio.wait([asyncio.create_task(clock.asleep(9))], timeout=1)
        say(f"{len(done)} done, {len(pending)} pending")

    assert logged(clock, main) == [
        (500, "timeout"),
        (750, "wait_for"),
        (1750, "in time"),
        (2750, "0 done, 1 pending"),
    ]


def test_a_task_group_ends_with_its_last_task_and_falls_with_its_first_failure(clock: VirtualClock) -> None:
    async def main(say: Callable[[str], None]) -> None:
        async def member(delay_s: float) -> None:
            try:
                await clock.asleep(delay_s)
            except asyncio.CancelledError:
                say("cancelled")
                raise

        async def failing() -> None:
            await clock.asleep(2)
            raise ValueError

        async with asyncio.TaskGroup() as group:
            group.create_task(member(1))
            group.create_task(member(3))
        say("all done")
        with suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(member(9))
                group.create_task(failing())
        say("fell")

    assert logged(clock, main) == [(3000, "all done"), (5000, "cancelled"), (5000, "fell")]


def test_a_cancelled_sleep_moves_nothing(clock: VirtualClock) -> None:
    """The timer is gone: time stops where the last task that still waited stopped."""

    async def main(say: Callable[[str], None]) -> None:
        sleeper = asyncio.create_task(clock.asleep(100))
        await clock.asleep(1)
        sleeper.cancel()
        with suppress(asyncio.CancelledError):
            await sleeper
        say("cancelled")
        await clock.asleep(1)
        say("end")

    assert logged(clock, main) == [(1000, "cancelled"), (2000, "end")]


def test_without_sleep_no_time_passes(clock: VirtualClock) -> None:
    """A thousand turns of the loop, queues, locks and zero sleeps take none."""

    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)

        async def fill() -> None:
            for number in range(1000):
                await queue.put(number)

        filling = asyncio.create_task(fill())
        assert [await queue.get() for _ in range(1000)] == list(range(1000))
        await filling
        for _ in range(100):
            await clock.asleep(0)

    clock.run(main())

    assert clock.now_ns() == 0


@settings(max_examples=60)
@given(st.integers(0, 10**13), st.lists(st.integers(0, 5) | st.integers(0, 10**10), min_size=1, max_size=20))
def test_any_delays_wake_in_order_and_to_the_nanosecond(start_ns: int, delays_ns: list[int]) -> None:
    """Sleepers that start together, also hours into a run, wake sorted and exactly when they are due.

    One nanosecond apart too: asyncio by itself takes such neighbours for one.
    """
    clock = VirtualClock()
    clock.advance_ns(start_ns)
    woken_ns: list[int] = []

    async def sleeper(delay_ns: int) -> None:
        await clock.asleep(delay_ns / NS_PER_S)
        woken_ns.append(clock.now_ns() - start_ns)

    async def main() -> None:
        await asyncio.gather(*(sleeper(delay_ns) for delay_ns in delays_ns))

    clock.run(main())

    assert woken_ns == sorted(delays_ns)


def test_time_goes_on_after_many_years(clock: VirtualClock) -> None:
    """Where a float second no longer holds a nanosecond, the loop must not spin on a timer due now."""
    century_ns = 36_525 * 86_400 * NS_PER_S

    clock.advance_ns(century_ns)
    clock.run(clock.asleep(1))

    assert clock.now_ns() - century_ns == NS_PER_S


@settings(max_examples=60)
@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_sleeps_in_a_row_add_up_exactly(delays_ns: list[int]) -> None:
    """Blocking or awaited: integer nanoseconds leave no rounding behind."""
    blocking, awaiting = VirtualClock(), VirtualClock()

    async def main() -> None:
        for delay_ns in delays_ns:
            await awaiting.asleep(delay_ns / NS_PER_S)

    for delay_ns in delays_ns:
        blocking.sleep(delay_ns / NS_PER_S)
    awaiting.run(main())

    assert blocking.now_ns() == awaiting.now_ns() == sum(delays_ns)


# Speed and repetition -----------------------------------------------------------------------------------


def simulated(clock: VirtualClock) -> Log:
    """Forty seconds of twenty workers who queue for three places."""

    async def main(say: Callable[[str], None]) -> None:
        places = asyncio.Semaphore(3)

        async def worker(number: int) -> None:
            for turn in range(10):
                async with places:
                    await clock.asleep(0.1 + (number * 7 + turn * 3) % 11 / 10)
                say(f"{number}.{turn}")

        await asyncio.gather(*(worker(number) for number in range(20)))

    return logged(clock, main)


def test_a_minute_passes_in_no_time_and_the_same_way_each_time() -> None:
    """Two runs give the same log; CPU time, unlike wall time, does not depend on who else is running."""
    first_clock, second_clock = VirtualClock(), VirtualClock()
    start_s = time.process_time()

    first, second = simulated(first_clock), simulated(second_clock)

    assert first == second
    assert first_clock.now_ns() == second_clock.now_ns() > 40 * NS_PER_S
    assert time.process_time() - start_s < 2.0


def test_a_clock_goes_on_where_it_stopped(clock: VirtualClock) -> None:
    """Several runs and blocking sleeps share one time, and a run returns its result."""
    clock.sleep(1.5)
    first = clock.run(asyncio.sleep(0.25, "first"))
    clock.advance_ns(5)
    second = clock.run(asyncio.sleep(0.25, "second"))

    assert (first, second, clock.now_ns()) == ("first", "second", 2_000_000_005)


@pytest.mark.parametrize("delay_s", [0.0, -1.0])
def test_time_never_goes_back(delay_s: float, clock: VirtualClock) -> None:
    clock.sleep(1)

    clock.sleep(delay_s)
    clock.run(clock.asleep(delay_s))
    clock.advance_ns(-5)

    assert clock.now_ns() == NS_PER_S


# Threads --------------------------------------------------------------------------------------------------


def test_work_in_threads_takes_no_virtual_time(clock: VirtualClock) -> None:
    """A timer that is already set does not overtake a thread that is still at work."""

    async def main(say: Callable[[str], None]) -> None:
        release = asyncio.get_running_loop().create_future()

        async def timer() -> None:
            await clock.asleep(1)
            say("timer")

        async def worker() -> None:
            say(await asyncio.to_thread(busy, "thread"))
            release.set_result(None)

        ticking = asyncio.create_task(timer())
        await worker()
        await release
        say("released")
        await ticking
        say(await asyncio.to_thread(busy, "again"))

    assert logged(clock, main) == [(0, "thread"), (0, "released"), (1000, "timer"), (1000, "again")]


def busy(result: str) -> str:
    """Enough work for the event loop to run out of its own."""
    sum(range(300_000))
    return result


def test_a_thread_that_fails_lets_time_go_on(clock: VirtualClock) -> None:
    async def main(say: Callable[[str], None]) -> None:
        with suppress(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        await clock.asleep(1)
        say("on")

    assert logged(clock, main) == [(1000, "on")]


def test_shutting_down_the_executor_waits_for_its_threads(clock: VirtualClock) -> None:
    """A job nobody awaits is over before the loop closes, and costs no time; with a timeout as without."""
    done: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, lambda: done.append(busy("left behind")))
        await clock.asleep(0.5)
        await loop.shutdown_default_executor()

    clock.run(main())

    assert (done, clock.now_ns()) == (["left behind"], 500_000_000)


def test_names_are_resolved_without_virtual_time(clock: VirtualClock) -> None:
    """asyncio asks the executor for addresses."""

    async def main() -> list[Any]:
        return await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)

    assert clock.run(main())[0][4] == ("127.0.0.1", 80)
    assert clock.now_ns() == 0


# Sockets ------------------------------------------------------------------------------------------------


def test_a_real_socket_can_still_bring_news(clock: VirtualClock) -> None:
    """With no timer set, the loop waits for its sockets instead of declaring itself stuck."""
    here, there = socket.socketpair()

    def answer() -> None:
        there.send(busy("news, ").encode() + there.recv(9))

    async def main() -> bytes:
        reader, writer = await asyncio.open_connection(sock=here)
        writer.write(b"please\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    other = Thread(target=answer)  # not the executor's: the loop knows nothing of it
    with there:
        other.start()
        assert clock.run(main()) == b"news, please\n"
        other.join()
    assert clock.now_ns() == 0


def test_a_socket_that_is_ready_goes_before_a_jump(clock: VirtualClock) -> None:
    here, there = socket.socketpair()

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        sleeper = asyncio.create_task(clock.asleep(5))
        here.setblocking(False)
        loop.call_soon(loop.call_soon, there.send, b"early")  # once the loop listens
        data = await loop.sock_recv(here, 10)
        assert clock.now_ns() == 0
        await sleeper
        return data

    with here, there:
        assert clock.run(main()) == b"early"
    assert clock.now_ns() == 5 * NS_PER_S


# Mistakes ---------------------------------------------------------------------------------------------


def test_a_deadlock_is_an_error_not_a_hang(clock: VirtualClock) -> None:
    """Every task waits and no timer is set; nothing is left running behind the error."""
    ended: list[str] = []

    async def waiting(future: Awaitable[None]) -> None:
        try:
            await future
        finally:
            ended.append("cancelled")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await clock.asleep(1)
        await asyncio.gather(waiting(loop.create_future()), waiting(loop.create_future()))

    with pytest.raises(RuntimeError, match="virtual time is stuck"):
        clock.run(main())

    assert (ended, clock.now_ns()) == (["cancelled"] * 2, NS_PER_S)


def test_an_error_inside_is_raised_outside(clock: VirtualClock) -> None:
    async def main() -> None:
        await clock.asleep(1)
        raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        clock.run(main())


def test_awaiting_a_virtual_clock_needs_its_own_loop(clock: VirtualClock) -> None:
    """Neither a plain loop nor that of another clock moves this one."""
    for runner in (asyncio.run, VirtualClock().run):
        with pytest.raises(RuntimeError, match=r"use clock\.run\(main\(\)\)"):
            runner(clock.asleep(1))


# Real time -----------------------------------------------------------------------------------------------


def test_the_system_clock_is_monotonic_and_sleeps_on_both_faces() -> None:
    """Zero waits only: a test must not sleep."""
    clock = SystemClock()

    times = [clock.now_ns()]
    clock.sleep(0)
    times.append(clock.now_ns())
    asyncio.run(clock.asleep(0))
    times.append(clock.now_ns())

    assert all(earlier <= later for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [(0.1, 100_000_000), (1e-9, 1), (0.3 - 0.1, 200_000_000), (3600.0, 3600 * 10**9)],
)
def test_seconds_become_whole_nanoseconds(duration_s: float, expected: int) -> None:
    assert ns(duration_s) == expected
