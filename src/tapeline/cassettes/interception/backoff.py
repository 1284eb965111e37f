"""The waits of an SDK between two tries take no time while a tape is played.

The OpenAI and Anthropic SDKs wait by `time.sleep` and `anyio.sleep`, botocore and urllib3 by `time.sleep`.
Those two are patched, and act differently only when such a library calls, while the active tape plays:
on the tape's virtual clock the wait passes at once, on a real clock it is left out.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

from tapeline.cassettes.interception.active import active_tape
from tapeline.cassettes.interception.patching import Patch, module_or_none, patch
from tapeline.clock import Clock, SystemClock

PATIENT = frozenset({"openai", "anthropic", "botocore", "urllib3"})
"""Packages that wait before they try again."""


def patches() -> Iterator[Patch]:
    """Put ours in the place of `time.sleep` and `anyio.sleep`."""
    yield patch(module_or_none("time"), "sleep", _sleep)
    if (anyio := module_or_none("anyio")) is not None:
        yield patch(anyio, "sleep", _asleep)


def _sleep(real: Any) -> Any:
    def sleep(delay_s: float) -> None:
        if (clock := _clock_of(sys._getframe(1).f_globals)) is None:
            real(delay_s)
        elif not isinstance(clock, SystemClock):
            clock.sleep(delay_s)

    return sleep


def _asleep(real: Any) -> Any:
    async def sleep(delay: float) -> None:
        clock = _clock_of(sys._getframe(1).f_globals)
        if clock is None or getattr(asyncio.get_running_loop(), "clock", None) is clock:
            await real(delay)  # a virtual loop jumps over it by itself
            return
        if not isinstance(clock, SystemClock):
            clock.sleep(delay)
        await real(0)

    return sleep


def _clock_of(caller: dict[str, Any]) -> Clock | None:
    """Return the clock of the tape that plays for a caller who waits to try again, or None."""
    if str(caller.get("__name__", "")).partition(".")[0] not in PATIENT:
        return None
    tape = active_tape()
    return None if tape is None or tape.may_send else tape.clock
