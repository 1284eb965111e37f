"""Planned faults, of every provider and on both faces: what a model makes of them, and when."""

from __future__ import annotations

from typing import Any

import pytest
from bottled_calls import Ended, both_faces, events_of, every_wire, text_in
from wires import WIRES, Face, Server, Wire, plain, streamed

from tapeline.clock import VirtualClock
from tapeline.errors import ErrorCode, LLMError
from tapeline.latency.faults import parse_faults, with_faults
from tapeline.latency.pacing import IncomingRequest, ScheduledResponse

GAP_S = 0.125
OPENAI = WIRES["openai"]
TIMEOUT_S = 8.0


class FaultyServer(Server):
    """Answers every call, unless a fault is planned for it."""

    def __init__(self, clock: VirtualClock, faults: list[dict[str, Any]], answer: ScheduledResponse) -> None:
        super().__init__(clock, answer)
        self._faulty = with_faults(super()._answer, parse_faults(faults))
        self.calls = 0

    def _answer(self, request: IncomingRequest) -> ScheduledResponse:
        self.calls += 1
        return self._faulty(request)


def ended(face: Face, wire: Wire, faults: list[dict[str, Any]], *, is_stream: bool) -> tuple[Ended, float]:
    """How a call ends on a server that is planned to go wrong, and when, in seconds."""
    clock = VirtualClock()
    server = FaultyServer(clock, faults, answer_of(wire, is_stream=is_stream))
    model = face.model(server, wire, timeout_s=TIMEOUT_S)
    ended = Ended()
    try:
        if is_stream:
            ended.reply = face.read_into(ended.chunks, model, clock, "Hello")
        else:
            ended.reply = face.generate(model, clock, "Hello")
    except LLMError as error:
        ended.error = error
    ended.attempts = server.calls
    assert server.open_responses == 0
    return ended, clock.now_ns() / 1e9


def answer_of(wire: Wire, *, is_stream: bool) -> ScheduledResponse:
    if not is_stream:
        return plain(wire.codec.encode_response(wire.reply()), headers={"content-type": "application/json"})
    return streamed(events_of(wire), gap_s=GAP_S, headers={"content-type": wire.codec.stream_media_type})


both_ways = pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])


# Before the answer ------------------------------------------------------------------------------------

PASSING: dict[str, list[dict[str, Any]]] = {
    "429 twice": [{"status": 429, "times": 2, "headers": {"retry-after": 2}}],
    "503 and refused": [{"status": 503}, {"refused": True}],
    "cut": [{"reset": True}, {"disconnect": True}],
}


@both_faces
@both_ways
@every_wire
@pytest.mark.parametrize("faults", PASSING.values(), ids=PASSING.keys())
def test_a_fault_before_the_answer_is_got_over(
    faults: list[dict[str, Any]], wire: Wire, is_stream: bool, face: Face
) -> None:
    """By trying again: the answer is the one there would have been."""
    call, _ = ended(face, wire, faults, is_stream=is_stream)

    assert (call.error, call.attempts) == (None, 3)
    assert call.reply is not None
    assert call.reply.message == wire.reply().message


@both_faces
@both_ways
def test_back_off_takes_the_time_the_server_asks_for(is_stream: bool, face: Face) -> None:
    """On the virtual clock, twice two seconds."""
    _, at_s = ended(face, OPENAI, PASSING["429 twice"], is_stream=is_stream)
    _, undisturbed_s = ended(face, OPENAI, [], is_stream=is_stream)

    assert at_s - undisturbed_s == 4.0


@both_faces
@both_ways
@pytest.mark.parametrize(("silence_s", "at_s"), [(0, 0.0), (3, 3.0), (60, TIMEOUT_S)])
def test_silence_before_the_answer_ends_when_the_client_gives_up(
    silence_s: float, at_s: float, is_stream: bool, face: Face
) -> None:
    """Or sooner, if the plan says so. A local server is not asked again: it may be at work still."""
    faults = [{"read_timeout": {"silence_s": silence_s}}]

    call, ended_s = ended(face, WIRES["ollama"], faults, is_stream=is_stream)

    assert (call.code, call.attempts, ended_s) == (ErrorCode.TIMEOUT, 1, at_s)


# Within the answer ------------------------------------------------------------------------------------

CODES = {
    "reset": ErrorCode.NETWORK_ERROR,
    "disconnect": ErrorCode.NETWORK_ERROR,
    "read_timeout": ErrorCode.STREAM_TIMEOUT,
}


@both_faces
@every_wire
@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_a_stream_that_breaks_keeps_what_has_come(kind: str, code: ErrorCode, wire: Wire, face: Face) -> None:
    """On the error, and delivered before; it is too late for another try."""
    events = events_of(wire)
    kept = next(number for number in range(len(events)) if text_in(wire, b"".join(events[:number])))

    call, at_s = ended(face, wire, [{kind: {"after_events": kept}}], is_stream=True)

    assert (call.code, call.attempts, at_s) == (code, 1, (kept - 1) * GAP_S)
    assert call.partial_text == call.text == "Paris, "


@both_faces
def test_silence_within_a_stream_lasts_as_long_as_the_clients_patience(face: Face) -> None:
    call, at_s = ended(face, OPENAI, [{"read_timeout": {"after_events": 2, "silence_s": 60}}], is_stream=True)

    assert (call.code, call.text, at_s) == (ErrorCode.STREAM_TIMEOUT, "Paris, of ", GAP_S + TIMEOUT_S)


@both_faces
@every_wire
def test_a_plain_answer_that_breaks_is_asked_for_again(wire: Wire, face: Face) -> None:
    """Nobody has seen a part of it."""
    call, _ = ended(face, wire, [{"reset": {"after_bytes": 9}}], is_stream=False)

    assert (call.error, call.attempts) == (None, 2)


@both_faces
@both_ways
@every_wire
def test_malformed_json_is_told_from_a_broken_stream(wire: Wire, is_stream: bool, face: Face) -> None:
    """It is framed well, whatever the framing."""
    call, _ = ended(face, wire, [{"malformed_json": 2}], is_stream=is_stream)

    assert (call.code, call.attempts) == (ErrorCode.MALFORMED_RESPONSE, 1)


# Another way ------------------------------------------------------------------------------------------

BENDING: dict[str, dict[str, Any]] = {
    "split": {"split_chunk": 2},
    "byte by byte": {"rechunk": 1},
    "merged": {"rechunk": "merged"},
    "slowly": {"slow_drip": {"bytes": 50, "every_ms": 250}},
}


@both_faces
@both_ways
@every_wire
@pytest.mark.parametrize("fault", BENDING.values(), ids=BENDING.keys())
def test_an_answer_is_the_same_however_it_comes(
    fault: dict[str, Any], wire: Wire, is_stream: bool, face: Face
) -> None:
    call, at_s = ended(face, wire, [fault], is_stream=is_stream)
    undisturbed, soonest_s = ended(face, wire, [], is_stream=is_stream)

    assert call.error is None
    assert (call.text, call.reply and call.reply.message) == (undisturbed.text, wire.reply().message)
    assert (at_s > soonest_s) == ("slow_drip" in fault)


@both_faces
def test_an_event_that_comes_twice_says_it_twice(face: Face) -> None:
    """Nothing tells a client that it is no news."""
    call, _ = ended(face, OPENAI, [{"duplicate_chunk": 1}], is_stream=True)

    assert call.text == "Paris, Paris, of course."
