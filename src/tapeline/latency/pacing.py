"""Paces: at what times the blocks of a recorded or simulated response are delivered.

A `Pace` turns recorded times into due times; `deliver_head` and `deliver` hand out a response on a clock, up
to its end or to the failure of its connection. Due times are absolute (seconds since the request was sent):
relative sleeps would add up their errors.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from tapeline.clock import NS_PER_S, Clock, ns
from tapeline.errors import ConfigError
from tapeline.latency.profile import PROFILES, LatencyProfile


class DueBlock(NamedTuple):
    """Bytes, and when they arrive in seconds since the request was sent."""

    due_s: float
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTimes:
    """What a recording knows: seconds to the response head, and from there to the end of each block."""

    head_s: float
    blocks: tuple[tuple[int, float], ...]
    """(bytes, seconds since the head) of each block."""


FailureKind = Literal["refused", "reset", "disconnect", "read_timeout"]
"""No connection; cut by a reset; closed before the end; silent for longer than the client waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFailure:
    """How a connection ended before its response did.

    at_s: seconds since the request was sent; of a read timeout, how long the server was silent at most: a
    client that is less patient gives up sooner. has_head: whether the head of the response had come.
    """

    kind: FailureKind
    at_s: float = 0.0
    has_head: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledResponse:
    """A response with the times at which its parts arrive. is_replay: whether it comes off a tape.

    failure: what comes after the last block in place of a good end; without a head, in place of everything.
    """

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    head_due_s: float
    blocks: Sequence[DueBlock]
    is_replay: bool = False
    failure: TransportFailure | None = None


class Schedule(NamedTuple):
    """When the head and each block are due, in seconds since the request was sent."""

    head_due_s: float
    blocks: tuple[DueBlock, ...]


class Pace(Protocol):
    """Decides when the blocks of one response are due. `stream` numbers the responses of a run."""

    @property
    def name(self) -> str: ...

    def schedule(self, blocks: Sequence[bytes], times: RecordedTimes | None, *, stream: int) -> Schedule: ...


@dataclass(frozen=True, slots=True)
class Immediate:
    """Everything at once: the pace of tests."""

    name: str = "none"

    def schedule(self, blocks: Sequence[bytes], times: RecordedTimes | None, *, stream: int) -> Schedule:
        return Schedule(0.0, tuple(DueBlock(0.0, block) for block in blocks))


@dataclass(frozen=True, slots=True)
class Recorded:
    """As it was recorded, every time multiplied by `scale`. Without recorded times: at once."""

    scale: float = 1.0

    @property
    def name(self) -> str:
        return "recorded" if self.scale == 1.0 else f"recorded*{self.scale:g}"

    def schedule(self, blocks: Sequence[bytes], times: RecordedTimes | None, *, stream: int) -> Schedule:
        if times is None:
            return Immediate().schedule(blocks, times, stream=stream)
        head_s = times.head_s * self.scale
        ends_s = (since_head_s * self.scale for _, since_head_s in times.blocks)
        due = (DueBlock(head_s + end_s, block) for end_s, block in zip(ends_s, blocks, strict=True))
        return Schedule(head_s, tuple(due))


BYTES_PER_PART = 4  # about one English token


def parts_by_size(body: bytes) -> int:
    """Guess how many parts a plain answer was made of, where nobody knows better."""
    return len(body) // BYTES_PER_PART


@dataclass(frozen=True, slots=True)
class Simulated:
    """As a profile says; each response draws from its own generator, so none depends on another.

    parts_of: how many parts (tokens) the body of a plain answer holds; each takes one gap.
    """

    profile: LatencyProfile
    seed: int = 0
    parts_of: Callable[[bytes], int] = parts_by_size

    @property
    def name(self) -> str:
        return self.profile.name

    def schedule(self, blocks: Sequence[bytes], times: RecordedTimes | None, *, stream: int) -> Schedule:
        random = Random(f"{self.profile.name}:{self.seed}:{stream}")
        head_s = due_s = self.profile.ttft.sample_s(random)
        if len(blocks) == 1:
            due_s += sum(self.profile.gap.sample_s(random) for _ in range(self.parts_of(blocks[0])))
        due = []
        for index, block in enumerate(blocks):
            due_s += self.profile.gap.sample_s(random) if index else 0.0
            due.append(DueBlock(round(due_s, 6), block))
        return Schedule(head_s, tuple(due))


_SCALED = re.compile(r"recorded\*(\d+(?:\.\d+)?)")


def parse_pace(text: str, *, seed: int = 0) -> Pace:
    """Read "none", "recorded", "recorded*0.5" or the name of a profile.

    Raises ConfigError for anything else.
    """
    if text == "none":
        return Immediate()
    if text == "recorded":
        return Recorded()
    if scaled := _SCALED.fullmatch(text):
        return Recorded(float(scaled[1]))
    if text in PROFILES:
        return Simulated(PROFILES[text], seed)
    raise ConfigError(f"unknown pace {text!r}: use none, recorded, recorded*FACTOR or {', '.join(PROFILES)}")


def schedule_to_end(
    pace: Pace,
    blocks: Sequence[bytes],
    times: RecordedTimes | None,
    failure: TransportFailure | None,
    *,
    stream: int,
) -> tuple[Schedule, TransportFailure | None]:
    """Return when the parts of a response are due, and the failure that ended it when that is due.

    To a pace a failure is a head that comes late, or one more block, without bytes.
    """
    if failure is None:
        return pace.schedule(blocks, times, stream=stream), None
    if not failure.has_head:
        schedule = pace.schedule((), RecordedTimes(head_s=failure.at_s, blocks=()), stream=stream)
        return schedule, replace(failure, at_s=schedule.head_due_s)
    if times is not None:
        times = replace(times, blocks=(*times.blocks, (0, failure.at_s - times.head_s)))
    head_due_s, (*due, (failed_s, _)) = pace.schedule((*blocks, b""), times, stream=stream)
    return Schedule(head_due_s, tuple(due)), replace(failure, at_s=failed_s)


# Delivery -----------------------------------------------------------------------------------------

ErrorOf = Callable[[TransportFailure], Exception]
"""What a client raises where its connection fails so."""


def deliver_head(
    response: ScheduledResponse,
    clock: Clock,
    *,
    sent_ns: int,
    on_gap: Callable[[float], None],
    error_of: ErrorOf,
) -> None:
    """Wait until the head is due. Raises the error of a failure that comes in its place, when that is due.

    `on_gap` hears of each wait (seconds) first, and may raise.
    """
    failure = _failure_without_head(response)
    due_s = response.head_due_s if failure is None else failure.at_s
    if (wait_s := left_s(clock, sent_ns, due_s)) > 0:
        on_gap(wait_s)
        clock.sleep(wait_s)
    if failure is not None:
        raise error_of(failure)


async def adeliver_head(
    response: ScheduledResponse,
    clock: Clock,
    *,
    sent_ns: int,
    on_gap: Callable[[float], Awaitable[None]],
    error_of: ErrorOf,
) -> None:
    """`deliver_head` for asyncio."""
    failure = _failure_without_head(response)
    due_s = response.head_due_s if failure is None else failure.at_s
    if (wait_s := left_s(clock, sent_ns, due_s)) > 0:
        await on_gap(wait_s)
        await clock.asleep(wait_s)
    if failure is not None:
        raise error_of(failure)


def _failure_without_head(response: ScheduledResponse) -> TransportFailure | None:
    failure = response.failure
    return None if failure is None or failure.has_head else failure


def deliver(
    response: ScheduledResponse,
    clock: Clock,
    *,
    sent_ns: int,
    on_gap: Callable[[float], None],
    error_of: ErrorOf,
) -> Iterator[bytes]:
    """Yield the blocks when they are due, and raise the error of the failure that ends them, if one does.

    `on_gap` hears of each wait (seconds) first, and may raise.
    """
    for due_s, data in response.blocks:
        if (wait_s := left_s(clock, sent_ns, due_s)) > 0:
            on_gap(wait_s)
            clock.sleep(wait_s)
        yield data
    if (failure := response.failure) is not None:
        if (wait_s := left_s(clock, sent_ns, failure.at_s)) > 0:
            on_gap(wait_s)
            clock.sleep(wait_s)
        raise error_of(failure)


async def adeliver(
    response: ScheduledResponse,
    clock: Clock,
    *,
    sent_ns: int,
    on_gap: Callable[[float], Awaitable[None]],
    error_of: ErrorOf,
) -> AsyncIterator[bytes]:
    """`deliver` for asyncio."""
    for due_s, data in response.blocks:
        if (wait_s := left_s(clock, sent_ns, due_s)) > 0:
            await on_gap(wait_s)
            await clock.asleep(wait_s)
        yield data
    if (failure := response.failure) is not None:
        if (wait_s := left_s(clock, sent_ns, failure.at_s)) > 0:
            await on_gap(wait_s)
            await clock.asleep(wait_s)
        raise error_of(failure)


def left_s(clock: Clock, sent_ns: int, due_s: float) -> float:
    """Return the seconds until `due_s` after `sent_ns`; not positive if that has passed."""
    return (sent_ns + ns(due_s) - clock.now_ns()) / NS_PER_S


Handler = Callable[["IncomingRequest"], ScheduledResponse]
"""What answers in place of a server: a tape, the mock, a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingRequest:
    """A request on the wire, as a handler sees it. Header names are lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        """Without what may hold a secret, path and query too: tracebacks show what functions were given."""
        host = urlsplit(self.url).netloc.rpartition("@")[2]
        return f"IncomingRequest({self.method} {host}, {len(self.headers)} headers, {len(self.body)} bytes)"
