"""Leaving a call: closed, cancelled, interrupted or dropped in any state, it leaves nothing open behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bottled_calls import QUESTION, body_of, events_of, every_format
from wires import FACES, WIRES, Server, Wire, plain, streamed

from tapeline.client import ProviderModel
from tapeline.clock import VirtualClock
from tapeline.latency.pacing import ScheduledResponse
from tapeline.policies.ratelimit import RateLimit

MOCK = WIRES["mock"]
LATE_S = 10.0
both_forms = pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def good(wire: Wire, *, is_stream: bool, **options: Any) -> ScheduledResponse:
    """An answer in several blocks, in both forms."""
    body = body_of(wire)
    return streamed(events_of(wire) if is_stream else [body[:9], body[9:20], body[20:]], **options)


# Cancelled --------------------------------------------------------------------------------------------

AnswerOf = Callable[[Wire, bool], ScheduledResponse]
STATES: dict[str, tuple[float, AnswerOf]] = {
    "before it is sent": (0.0, lambda wire, is_stream: good(wire, is_stream=is_stream)),
    "before the head": (1.0, lambda wire, is_stream: good(wire, is_stream=is_stream, head_s=LATE_S)),
    "before the body": (
        1.0,
        lambda wire, is_stream: replace(good(wire, is_stream=is_stream, head_s=LATE_S), head_due_s=0.0),
    ),
    "in the body": (15.0, lambda wire, is_stream: good(wire, is_stream=is_stream, gap_s=LATE_S)),
    "between two tries": (1.0, lambda *_: plain(b"", status=503, headers={"retry-after": "10"})),
}
"""State -> when it is cancelled, and the answer that keeps it there."""


async def consume(model: ProviderModel, *, is_stream: bool) -> None:
    if is_stream:
        async for _ in model.astream(QUESTION):
            pass
    else:
        await model.agenerate(QUESTION)


async def cancel_at(at_s: float, model: ProviderModel, *, is_stream: bool) -> None:
    """Start a call, cancel it at that time, and see that it ends as cancelled, with no task left."""
    task = asyncio.create_task(consume(model, is_stream=is_stream))
    if at_s:
        await asyncio.sleep(at_s)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


@every_format
@both_forms
@pytest.mark.parametrize(("at_s", "answer"), STATES.values(), ids=STATES.keys())
def test_a_call_cancelled_in_any_state_leaves_nothing_open(
    at_s: float, answer: AnswerOf, is_stream: bool, wire: Wire, clock: VirtualClock
) -> None:
    """It ends at once, and the next call on the same model goes well."""
    server = Server(clock, answer(wire, is_stream), good(wire, is_stream=is_stream))
    model = FACES["asyncio"].model(server, wire)

    async def main() -> tuple[int, float]:
        await cancel_at(at_s, model, is_stream=is_stream)
        left = server.open_responses, clock.now_ns() / 1e9
        await consume(model, is_stream=is_stream)
        return left

    assert clock.run(main()) == (0, at_s)
    assert server.open_responses == 0


@both_forms
def test_a_call_cancelled_in_the_rate_limiter_gives_its_place_back(
    is_stream: bool, clock: VirtualClock
) -> None:
    """One a minute: the second call is cancelled while it waits, and the third goes when it would have."""
    server = Server(clock, plain(body_of(MOCK)))
    model = FACES["asyncio"].model(server, rate_limit=RateLimit(requests_per_minute=1))

    async def main() -> None:
        await model.agenerate(QUESTION)
        await cancel_at(1.0, model, is_stream=is_stream)
        await model.agenerate(QUESTION)

    clock.run(main())

    assert server.asked_at_s == [0.0, 60.0]


def test_a_group_of_calls_fails_as_one(clock: VirtualClock) -> None:
    """The first to fail takes the others along, wherever they are."""
    server = Server(clock, plain(b"", status=401, due_s=1.0), good(MOCK, is_stream=True, gap_s=LATE_S))
    model = FACES["asyncio"].model(server)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(consume(model, is_stream=True))

    with pytest.raises(ExceptionGroup) as raised:
        clock.run(main())

    assert len(raised.value.exceptions) == 1
    assert (server.open_responses, clock.now_ns()) == (0, 1_000_000_000)


# Closed, interrupted, dropped -------------------------------------------------------------------------


@every_format
def test_closing_is_good_in_every_state(wire: Wire, clock: VirtualClock) -> None:
    """Before it was sent, in its middle, at its end, and once more."""
    server = Server(clock, good(wire, is_stream=True))
    model = FACES["blocking"].model(server, wire)

    unsent, begun, ended = (model.stream(QUESTION) for _ in range(3))
    next(begun)
    list(ended)
    for stream in (unsent, begun, ended) * 2:
        stream.close()

    assert (len(server.requests), server.open_responses) == (2, 0)


@every_format
def test_an_error_of_the_caller_closes_the_stream(wire: Wire, clock: VirtualClock) -> None:
    server = Server(clock, good(wire, is_stream=True))

    with pytest.raises(LookupError):
        fail_at_first_chunk(FACES["blocking"].model(server, wire))

    assert server.open_responses == 0


def fail_at_first_chunk(model: ProviderModel) -> None:
    with model.stream(QUESTION) as stream:
        for _ in stream:
            raise LookupError


@every_format
@both_forms
def test_an_interrupt_from_the_keyboard_closes_the_response(
    is_stream: bool, wire: Wire, clock: VirtualClock
) -> None:
    """It comes while the next block is awaited, and goes out as it is."""
    begun = good(wire, is_stream=is_stream).blocks[0].data
    server = Server(clock, streamed([begun], error=KeyboardInterrupt()))  # type: ignore[arg-type]
    model = FACES["blocking"].model(server, wire)

    with pytest.raises(KeyboardInterrupt):
        list(model.stream(QUESTION)) if is_stream else model.generate(QUESTION)

    assert (len(server.requests), server.open_responses) == (1, 0)


@every_format
def test_a_dropped_stream_is_closed_with_a_warning(wire: Wire, clock: VirtualClock) -> None:
    """As a file is: the connection is not lost, but nobody decided to close it."""
    server = Server(clock, good(wire, is_stream=True))
    model = FACES["blocking"].model(server, wire)

    with pytest.warns(ResourceWarning, match="left open"):
        next(model.stream(QUESTION))

    assert server.open_responses == 0


@every_format
def test_a_dropped_asyncio_stream_is_closed_with_a_warning(wire: Wire, clock: VirtualClock) -> None:
    """At the next turns of the event loop."""
    server = Server(clock, good(wire, is_stream=True))
    model = FACES["asyncio"].model(server, wire)

    async def read_one_chunk() -> int:
        await anext(model.astream(QUESTION))
        await asyncio.sleep(0.001)
        return server.open_responses

    with pytest.warns(ResourceWarning, match="left open"):
        open_responses = clock.run(read_one_chunk())

    assert open_responses == 0


def test_a_stream_that_was_never_read_has_nothing_to_close(clock: VirtualClock) -> None:
    """It was not even sent: to drop it is no fault."""
    server = Server(clock, good(MOCK, is_stream=True))

    FACES["blocking"].model(server).stream(QUESTION)
    FACES["asyncio"].model(server).astream(QUESTION)
    gc.collect()

    assert server.requests == []
