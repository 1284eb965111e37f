"""Deadlines: a call ends in time, whatever keeps it from its end, with all its tries and waits."""

from __future__ import annotations

from typing import Any

import pytest
from bottled_calls import FRAMES, NDJSON, QUESTION, SSE, body_of, both_faces, events_of, every_wire
from wires import WIRES, Face, Server, Wire, plain, streamed

from tapeline.clock import VirtualClock
from tapeline.errors import ErrorCode, LLMError
from tapeline.latency.pacing import ScheduledResponse
from tapeline.providers.eventstream import encode_event
from tapeline.types import Chunk

DEADLINE_S = 4.0
GAP_S = 0.5
MOCK = WIRES["mock"]
KEEP_ALIVE = {SSE: b": ping\n\n", NDJSON: b"\n", FRAMES: encode_event("ping", b"{}")}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def failure(face: Face, server: Server, wire: Wire = MOCK, **settings: Any) -> tuple[LLMError, float]:
    """The error of a plain call with a deadline, and when it came."""
    model = face.model(server, wire, deadline_s=DEADLINE_S, **settings)
    with pytest.raises(LLMError) as raised:
        face.generate(model, server.clock, QUESTION)
    assert server.open_responses == 0
    return raised.value, server.clock.now_ns() / 1e9


@every_wire
@both_faces
def test_a_stream_kept_alive_without_a_word_ends_at_the_deadline(
    wire: Wire, face: Face, clock: VirtualClock
) -> None:
    """Every half second a sign of life, so that no silence is too long. What had come is on the error."""
    begun = events_of(wire)[:-1]
    pings = [KEEP_ALIVE[wire.codec.stream_media_type]] * 1000
    server, seen = Server(clock, streamed([b"".join(begun), *pings], gap_s=GAP_S)), list[Chunk]()
    model = face.model(server, wire, deadline_s=DEADLINE_S)

    with pytest.raises(LLMError) as raised:
        face.read_into(seen, model, clock, QUESTION)

    error = raised.value
    assert (error.code, error.retryable, error.attempts) == (ErrorCode.STREAM_TIMEOUT, False, 1)
    assert error.partial is not None
    assert error.partial.text == "".join(chunk.text for chunk in seen) != ""
    assert (clock.now_ns() / 1e9, server.open_responses) == (DEADLINE_S, 0)


@every_wire
@both_faces
def test_a_body_that_drips_ends_at_the_deadline(wire: Wire, face: Face, clock: VirtualClock) -> None:
    body = body_of(wire)
    server = Server(clock, streamed([body[at : at + 1] for at in range(len(body))], gap_s=GAP_S))

    error, ended_at_s = failure(face, server, wire)

    assert (error.code, error.retryable, error.attempts) == (ErrorCode.TIMEOUT, True, 1)
    assert ended_at_s == DEADLINE_S


@every_wire
@both_faces
def test_a_server_that_hangs_is_left_at_the_deadline(wire: Wire, face: Face, clock: VirtualClock) -> None:
    """Though its timeout would wait longer."""
    error, ended_at_s = failure(face, Server(clock, plain(b"", due_s=60.0)), wire, timeout_s=30.0)

    assert (error.code, error.retryable, error.attempts) == (ErrorCode.TIMEOUT, True, 1)
    assert ended_at_s == DEADLINE_S


def busy(retry_after_s: float, **options: Any) -> ScheduledResponse:
    return plain(b"", status=503, headers={"retry-after": f"{retry_after_s:g}"}, **options)


RETRIES = {
    "no wait beyond it": (busy(10.0), [0.0], 0.0),
    "no wait up to it": (busy(4.0), [0.0], 0.0),
    "as many tries as fit": (busy(1.0, due_s=0.5), [0.0, 1.5, 3.0], 3.5),
}


@both_faces
@pytest.mark.parametrize(("answer", "asked_at_s", "ended_at_s"), RETRIES.values(), ids=RETRIES.keys())
def test_no_retry_sleeps_into_the_deadline(
    answer: ScheduledResponse, asked_at_s: list[float], ended_at_s: float, face: Face, clock: VirtualClock
) -> None:
    """The last error comes at once, as it was, where another try could not end in time."""
    server = Server(clock, answer)

    error, at_s = failure(face, server, max_retries=9)

    assert (error.code, error.attempts) == (ErrorCode.OVERLOADED, len(asked_at_s))
    assert (server.asked_at_s, at_s) == (asked_at_s, ended_at_s)


@both_faces
def test_each_call_has_a_deadline_of_its_own(face: Face, clock: VirtualClock) -> None:
    """Three calls of three seconds each are all in time."""
    server = Server(clock, plain(body_of(MOCK), due_s=3.0))
    model = face.model(server, deadline_s=DEADLINE_S)

    texts = [face.generate(model, clock, QUESTION).text for _ in range(3)]

    assert (texts, clock.now_ns() / 1e9) == ([MOCK.reply().text] * 3, 9.0)
