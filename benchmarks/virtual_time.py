"""The engine of virtual time: how fast a simulation can go at all."""

from __future__ import annotations

import asyncio
from time import process_time
from typing import Any

from benchmarks import adapter

TASKS = 100
SLEEPS = 100


class Timers:
    """Tasks that only sleep, on CPU time."""

    version = "1"
    timer = process_time

    def setup(self) -> None:
        self.virtual_clock = adapter.part("VirtualClock")

    def time_10000_timers(self) -> None:
        """100 tasks of 100 sleeps: 10,000 / this is timers per CPU second."""
        clock = self.virtual_clock()
        clock.run(_sleep_all(clock))


async def _sleep_all(clock: Any) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(TASKS):
            tasks.create_task(_sleep(clock, number))


async def _sleep(clock: Any, number: int) -> None:
    """Sleep 1 to 97 ms at a time, so that timers of all tasks mix in the heap."""
    for turn in range(SLEEPS):
        await clock.asleep((1 + (number * 7 + turn * 13) % 97) / 1_000)
