"""Paces: when the parts of a response are due, and that it is delivered, or fails, then and not later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tapeline.clock import VirtualClock
from tapeline.errors import ConfigError
from tapeline.latency.pacing import (
    DueBlock,
    Immediate,
    Pace,
    Recorded,
    RecordedTimes,
    Schedule,
    ScheduledResponse,
    Simulated,
    TransportFailure,
    adeliver,
    adeliver_head,
    deliver,
    deliver_head,
    left_s,
    parse_pace,
    schedule_to_end,
)
from tapeline.latency.profile import PROFILES, Constant, LatencyProfile

BLOCKS = (b"one", b"two", b"three")
TIMES = RecordedTimes(head_s=0.5, blocks=((3, 0.0), (3, 0.25), (5, 1.0)))
STEADY = LatencyProfile(name="steady", ttft=Constant(0.5), gap=Constant(0.125))


def due(*times_s: float, blocks: tuple[bytes, ...] = BLOCKS) -> tuple[DueBlock, ...]:
    return tuple(DueBlock(at_s, block) for at_s, block in zip(times_s, blocks, strict=True))


# Schedules ------------------------------------------------------------------------------------------

SCHEDULES: dict[str, tuple[Pace, RecordedTimes | None, Schedule]] = {
    "none": (Immediate(), TIMES, Schedule(0.0, due(0, 0, 0))),
    "recorded": (Recorded(), TIMES, Schedule(0.5, due(0.5, 0.75, 1.5))),
    "half": (Recorded(0.5), TIMES, Schedule(0.25, due(0.25, 0.375, 0.75))),
    "stopped": (Recorded(0.0), TIMES, Schedule(0.0, due(0, 0, 0))),
    "recorded without times": (Recorded(), None, Schedule(0.0, due(0, 0, 0))),
    "simulated": (Simulated(STEADY), TIMES, Schedule(0.5, due(0.5, 0.625, 0.75))),
    "simulated without times": (Simulated(STEADY), None, Schedule(0.5, due(0.5, 0.625, 0.75))),
}


@pytest.mark.parametrize(("pace", "times", "schedule"), SCHEDULES.values(), ids=SCHEDULES.keys())
def test_what_is_due_when(pace: Pace, times: RecordedTimes | None, schedule: Schedule) -> None:
    """Seconds since the request was sent."""
    assert pace.schedule(BLOCKS, times, stream=0) == schedule


@pytest.mark.parametrize("pace", [Immediate(), Recorded(), Simulated(STEADY)], ids=lambda pace: pace.name)
def test_an_empty_body_has_a_head_only(pace: Pace) -> None:
    assert pace.schedule((), RecordedTimes(head_s=0.5, blocks=()), stream=0).blocks == ()


@pytest.mark.parametrize(("body_bytes", "due_s"), [(3, 0.5), (4, 0.625), (20, 1.125)])
def test_a_plain_answer_takes_as_long_as_its_parts_would_have(body_bytes: int, due_s: float) -> None:
    """One gap for every four bytes, unless somebody knows how many tokens they are."""
    body = (b"x" * body_bytes,)

    guessed = Simulated(STEADY).schedule(body, None, stream=0)
    known = Simulated(STEADY, parts_of=lambda body: 2).schedule(body, None, stream=0)

    assert guessed == Schedule(0.5, due(due_s, blocks=body))
    assert known == Schedule(0.5, due(0.75, blocks=body))


def test_a_simulation_is_a_function_of_profile_seed_and_number() -> None:
    """Pinned; and no response depends on another, so that their order does not matter."""
    hosted = PROFILES["hosted"]
    pinned = Schedule(0.707888, due(0.707888, 0.72273, 0.732423))

    first, again = (Simulated(hosted, seed=3).schedule(BLOCKS, None, stream=0) for _ in range(2))
    others = [
        Simulated(hosted, seed=3).schedule(BLOCKS, None, stream=1),
        Simulated(hosted, seed=4).schedule(BLOCKS, None, stream=0),
        Simulated(PROFILES["local"], seed=3).schedule(BLOCKS, None, stream=0),
    ]

    assert first == again == pinned
    assert len({first, *others}) == 4


def test_a_recording_fits_its_blocks() -> None:
    """Times of other blocks are a mistake, not a guess."""
    with pytest.raises(ValueError, match="shorter"):
        Recorded().schedule(BLOCKS[:2], TIMES, stream=0)


CUT = TransportFailure(kind="reset", at_s=2.0, has_head=True)
REFUSED = TransportFailure(kind="refused", at_s=0.75)

FAILED: dict[str, tuple[Pace, RecordedTimes | None, TransportFailure, tuple[float, ...], float]] = {
    "cut, none": (Immediate(), TIMES, CUT, (0.0, 0.0, 0.0, 0.0), 0.0),
    "cut, recorded": (Recorded(), TIMES, CUT, (0.5, 0.5, 0.75, 1.5), 2.0),
    "cut, half": (Recorded(0.5), TIMES, CUT, (0.25, 0.25, 0.375, 0.75), 1.0),
    "cut, recorded without times": (Recorded(), None, CUT, (0.0, 0.0, 0.0, 0.0), 0.0),
    "cut, simulated": (Simulated(STEADY), TIMES, CUT, (0.5, 0.5, 0.625, 0.75), 0.875),
    "refused, none": (Immediate(), None, REFUSED, (0.0,), 0.0),
    "refused, recorded": (Recorded(), None, REFUSED, (0.75,), 0.75),
    "refused, twice": (Recorded(2.0), None, REFUSED, (1.5,), 1.5),
    "refused, simulated": (Simulated(STEADY), None, REFUSED, (0.5,), 0.5),
}


@pytest.mark.parametrize(
    ("pace", "times", "failure", "due_s", "failed_s"), FAILED.values(), ids=FAILED.keys()
)
def test_a_failure_is_paced_like_the_rest(
    pace: Pace,
    times: RecordedTimes | None,
    failure: TransportFailure,
    due_s: tuple[float, ...],
    failed_s: float,
) -> None:
    """As a head that comes late, or as a part after the last. due_s: of the head and each block."""
    blocks = BLOCKS if failure.has_head else ()

    schedule, paced = schedule_to_end(pace, blocks, times, failure, stream=0)

    assert (schedule.head_due_s, *[block.due_s for block in schedule.blocks]) == due_s
    assert [block.data for block in schedule.blocks] == list(blocks)
    assert paced == TransportFailure(kind=failure.kind, at_s=failed_s, has_head=failure.has_head)


def test_a_response_that_does_not_fail_has_its_schedule_alone() -> None:
    assert schedule_to_end(Recorded(), BLOCKS, TIMES, None, stream=0) == (SCHEDULES["recorded"][2], None)


# Names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pace", "name"),
    [
        ("none", Immediate(), "none"),
        ("recorded", Recorded(), "recorded"),
        ("recorded*0.5", Recorded(0.5), "recorded*0.5"),
        ("recorded*2", Recorded(2.0), "recorded*2"),
        ("recorded*1", Recorded(), "recorded"),
        ("hosted", Simulated(PROFILES["hosted"], 9), "hosted"),
    ],
)
def test_a_pace_has_a_name(text: str, pace: Pace, name: str) -> None:
    """What is written is what is printed."""
    parsed = parse_pace(text, seed=9)

    assert (parsed, parsed.name) == (pace, name)


@pytest.mark.parametrize(
    "text", ["", "fast", "recorded*", "recorded*-1", "recorded*1e3", "recorded *2", "None"]
)
def test_an_unknown_pace_is_answered_with_the_known_ones(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"use none, recorded, recorded\*FACTOR or hosted, hosted-slow, local"
    ):
        parse_pace(text)


# Delivery ------------------------------------------------------------------------------------------


def response(*times_s: float, failure: TransportFailure | None = None) -> ScheduledResponse:
    blocks = due(*times_s, blocks=BLOCKS[: len(times_s)])
    return ScheduledResponse(
        status=200, reason="OK", headers=(), head_due_s=0.125, blocks=blocks, failure=failure
    )


class Broken(Exception):
    """What these clients raise where a connection fails."""


Arrivals = list[tuple[float, bytes]]


def received(
    clock: VirtualClock, sent: ScheduledResponse, gaps: list[float], *, busy_s: float = 0.0
) -> Arrivals:
    """When each block arrived at a blocking consumer that is busy after each, and a failure at last."""
    arrivals = []
    try:
        for data in deliver(sent, clock, sent_ns=0, on_gap=gaps.append, error_of=Broken):
            arrivals.append((clock.now_ns() / 1e9, data))
            clock.sleep(busy_s)
    except Broken as error:
        arrivals.append((clock.now_ns() / 1e9, error.args[0].kind.encode()))
    return arrivals


def areceived(
    clock: VirtualClock, sent: ScheduledResponse, gaps: list[float], *, busy_s: float = 0.0
) -> Arrivals:
    """The same for asyncio."""

    async def on_gap(wait_s: float) -> None:
        gaps.append(wait_s)

    async def main() -> Arrivals:
        arrivals = []
        try:
            async for data in adeliver(sent, clock, sent_ns=0, on_gap=on_gap, error_of=Broken):
                arrivals.append((clock.now_ns() / 1e9, data))
                await clock.asleep(busy_s)
        except Broken as error:
            arrivals.append((clock.now_ns() / 1e9, error.args[0].kind.encode()))
        return arrivals

    return clock.run(main())


both_faces = pytest.mark.parametrize("consume", [received, areceived], ids=["blocking", "asyncio"])


@both_faces
def test_blocks_arrive_when_they_are_due(consume: Callable[..., Arrivals]) -> None:
    """And each wait is announced first; a block that is due already has none."""
    gaps: list[float] = []

    arrivals = consume(VirtualClock(), response(0.25, 0.25, 1.0), gaps)

    assert arrivals == [(0.25, b"one"), (0.25, b"two"), (1.0, b"three")]
    assert gaps == [0.25, 0.75]


@both_faces
def test_a_late_consumer_does_not_make_the_rest_later(consume: Callable[..., Arrivals]) -> None:
    """The schedule is absolute: after a delay the next blocks are there at once, until they are not due."""
    gaps: list[float] = []

    arrivals = consume(VirtualClock(), response(0.25, 0.5, 1.75), gaps, busy_s=0.625)

    assert arrivals == [(0.25, b"one"), (0.875, b"two"), (1.75, b"three")]
    assert gaps == [0.25, 0.25]


def head(clock: VirtualClock, sent: ScheduledResponse, gaps: list[float]) -> None:
    deliver_head(sent, clock, sent_ns=0, on_gap=gaps.append, error_of=Broken)


def ahead(clock: VirtualClock, sent: ScheduledResponse, gaps: list[float]) -> None:
    async def on_gap(wait_s: float) -> None:
        gaps.append(wait_s)

    clock.run(adeliver_head(sent, clock, sent_ns=0, on_gap=on_gap, error_of=Broken))


both_heads = pytest.mark.parametrize("consume", [head, ahead], ids=["blocking", "asyncio"])


@both_heads
def test_a_head_comes_when_it_is_due(consume: Callable[..., None]) -> None:
    """Also that of a response whose connection fails later."""
    for failure in (None, TransportFailure(kind="reset", at_s=9.0, has_head=True)):
        clock, gaps = VirtualClock(), list[float]()

        consume(clock, response(1.0, failure=failure), gaps)

        assert (clock.now_ns(), gaps) == (125_000_000, [0.125])


@both_heads
@pytest.mark.parametrize("at_s", [0.0, 0.5])
def test_a_failure_comes_in_place_of_the_head(consume: Callable[..., None], at_s: float) -> None:
    """When it is due, whenever the head would have been."""
    clock, gaps = VirtualClock(), list[float]()
    failure = TransportFailure(kind="refused", at_s=at_s)

    with pytest.raises(Broken) as raised:
        consume(clock, response(failure=failure), gaps)

    assert raised.value.args == (failure,)
    assert (clock.now_ns() / 1e9, gaps) == (at_s, [at_s] if at_s else [])


@both_faces
@pytest.mark.parametrize("at_s", [0.0, 0.75, 4.0])
def test_a_failure_comes_after_the_last_block(consume: Callable[..., Arrivals], at_s: float) -> None:
    """When it is due, or at once if that has passed; the silence before it is announced."""
    gaps: list[float] = []
    failure = TransportFailure(kind="disconnect", at_s=at_s, has_head=True)

    arrivals = consume(VirtualClock(), response(0.25, 0.75, failure=failure), gaps)

    assert arrivals == [(0.25, b"one"), (0.75, b"two"), (max(0.75, at_s), b"disconnect")]
    assert gaps == [0.25, 0.5, *([at_s - 0.75] if at_s > 0.75 else [])]


class TooLong(Exception):
    pass


def test_who_hears_of_a_wait_may_refuse_it() -> None:
    """Before any time has passed, on both faces."""
    clock = VirtualClock()

    def refuse(wait_s: float) -> None:
        raise TooLong

    async def arefuse(wait_s: float) -> None:
        raise TooLong

    with pytest.raises(TooLong):
        next(deliver(response(1, 1, 1), clock, sent_ns=0, on_gap=refuse, error_of=Broken))
    with pytest.raises(TooLong):
        clock.run(anext(adeliver(response(1, 1, 1), clock, sent_ns=0, on_gap=arefuse, error_of=Broken)))

    assert clock.now_ns() == 0


def test_streams_at_once_do_not_wait_for_each_other() -> None:
    """A hundred of them are as long as one."""
    clock = VirtualClock()

    async def silent(_: float) -> None:
        return

    async def read() -> float:
        async for _ in adeliver(response(0.5, 0.75, 1.0), clock, sent_ns=0, on_gap=silent, error_of=Broken):
            pass
        return clock.now_ns() / 1e9

    async def main() -> list[float]:
        return await asyncio.gather(*(read() for _ in range(100)))

    assert clock.run(main()) == [1.0] * 100


def test_what_is_left_counts_from_when_the_request_was_sent() -> None:
    """Exact, and negative once it has passed."""
    clock = VirtualClock()
    clock.sleep(0.3)
    sent_ns = clock.now_ns()
    clock.sleep(0.1)

    assert [left_s(clock, sent_ns, due_s) for due_s in (0.25, 0.1, 0.0)] == [0.15, 0.0, -0.1]
