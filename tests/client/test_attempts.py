"""The tries of one call: retries, fallbacks, rate limits, breakers and the deadline over them all."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from itertools import accumulate
from random import Random
from typing import Any

import httpx2
import pytest
from exchanges import (
    BLOCKING,
    MOCK,
    QUESTION,
    RATE_LIMITED,
    TEXT,
    answer,
    both_faces,
    failure,
    stream_of,
    two_carriers,
)
from wires import FACES, WIRES, Face, Server, Wire, plain, streamed, words

from tapeline.client import ProviderModel
from tapeline.client.core import Core
from tapeline.client.target import Target
from tapeline.clock import VirtualClock
from tapeline.config import load_settings
from tapeline.errors import ErrorCode, LLMError
from tapeline.latency.pacing import ScheduledResponse
from tapeline.policies.breaker import CircuitBreaker
from tapeline.policies.ratelimit import RateLimit
from tapeline.policies.retry import RetryPolicy
from tapeline.registry import Clients, find_provider
from tapeline.types import ChatRequest, Chunk, Reply, Tool, Usage

# Retries -------------------------------------------------------------------------------------------


@both_faces
@two_carriers
def test_the_wait_a_server_asks_for_is_kept_to_the_nanosecond(
    face: Face, wire: Wire, clock: VirtualClock
) -> None:
    """Two 429 with retry-after 1.5, then the answer: asked at 0, 1.5 and 3 s, in both forms of a call."""
    for is_stream in (False, True):
        start_s = clock.now_ns() / 1e9
        server = Server(
            clock, RATE_LIMITED, RATE_LIMITED, stream_of(wire) if is_stream else answer(wire, due_s=0.5)
        )
        model = face.model(server, wire)

        if is_stream:
            _, reply = face.stream(model, clock, QUESTION)
        else:
            reply = face.generate(model, clock, QUESTION)

        assert [at_s - start_s for at_s in server.asked_at_s] == [0.0, 1.5, 3.0]
        assert (reply.text, reply.timing.total_s) == ("Paris, of course.", 3.0 if is_stream else 3.5)


@both_faces
def test_retries_end_with_the_last_error(face: Face, clock: VirtualClock) -> None:
    """max_retries=2 is three tries; the error counts them, and still says that a later call may succeed."""
    server = Server(clock, RATE_LIMITED)

    with pytest.raises(LLMError) as raised:
        face.generate(face.model(server, max_retries=2), clock, QUESTION)

    error = raised.value
    assert (error.code, error.attempts, error.retryable, error.status) == (
        ErrorCode.RATE_LIMIT,
        3,
        True,
        429,
    )
    assert (error.op, error.provider, error.model) == ("mock.generate", "mock", "echo-1")
    assert server.asked_at_s == [0.0, 1.5, 3.0]


def test_without_a_wish_of_the_server_the_wait_is_jittered(clock: VirtualClock) -> None:
    """Full jitter up to 0.5 s, and where the server is busy up to 2 and 4 s, from the generator passed in."""
    server = Server(clock, failure(500), failure(503), failure(529), answer())
    clients = Clients(http_client=httpx2.Client(transport=server))
    provider = find_provider("mock")(load_settings("mock", {}), clients, clock)
    target = Target(provider=provider, model="m", retry=RetryPolicy(attempts=4))
    core = Core(targets=(target,), random=Random(7))

    ProviderModel(core, clock, ChatRequest(model="m", messages=())).generate(QUESTION)

    draws = Random(7)
    waits_ns = [round(draws.uniform(0, cap_s) * 1e9) for cap_s in (0.5, 2.0, 4.0)]
    assert [round(at_s * 1e9) for at_s in server.asked_at_s] == [0, *accumulate(waits_ns)]


NOT_RETRIED = {
    "a spent quota": (failure(429, code="insufficient_quota"), ErrorCode.QUOTA_EXCEEDED),
    "a bad key": (failure(401), ErrorCode.AUTHENTICATION_ERROR),
    "a bad request": (failure(400), ErrorCode.INVALID_REQUEST),
    "an unknown model": (failure(404, code="model_not_found"), ErrorCode.MODEL_NOT_AVAILABLE),
    "an hour to wait": (failure(429, headers={"retry-after": "3600"}), ErrorCode.RATE_LIMIT),
    "no answer in the answer": (plain(b"{}"), ErrorCode.EMPTY_RESPONSE),
    "HTML": (plain(b"<html>Sign in</html>"), ErrorCode.MALFORMED_RESPONSE),
}


@both_faces
@pytest.mark.parametrize(("response", "code"), NOT_RETRIED.values(), ids=NOT_RETRIED.keys())
def test_what_no_second_try_can_mend_is_raised_at_once(
    response: ScheduledResponse, code: ErrorCode, face: Face, clock: VirtualClock
) -> None:
    server = Server(clock, response)

    with pytest.raises(LLMError) as raised:
        face.generate(face.model(server, max_retries=5), clock, QUESTION)

    assert (raised.value.code, raised.value.attempts, clock.now_ns()) == (code, 1, 0)
    assert (len(server.requests), server.open_responses) == (1, 0)


OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'


@both_faces
def test_a_stream_that_breaks_before_its_first_content_is_tried_again(
    face: Face, clock: VirtualClock
) -> None:
    """Overloaded, or reset, after the head and the opening event: the caller sees one whole answer."""
    wire = WIRES["anthropic"]
    opening = wire.blocks(words(wire.reply()))[0]
    server = Server(
        clock,
        streamed([opening, OVERLOADED]),
        streamed([opening], error=httpx2.ReadError("reset")),
        stream_of(wire),
    )

    chunks, reply = face.stream(face.model(server, wire), clock, QUESTION)

    assert "".join(chunk.text for chunk in chunks) == reply.text == "Paris, of course."
    assert reply.wire == tuple(chunk.raw for chunk in chunks)  # nothing of the first two is left
    assert reply.usage == wire.reply().usage
    assert (len(server.requests), server.open_responses) == (3, 0)


BROKEN_STREAMS: dict[str, tuple[dict[str, Any], ErrorCode]] = {
    "overloaded": ({"more": OVERLOADED}, ErrorCode.OVERLOADED),
    "reset": ({"error": httpx2.ReadError("reset")}, ErrorCode.NETWORK_ERROR),
    "stalled": ({"more": b"late", "gap_s": 9.0}, ErrorCode.STREAM_TIMEOUT),
    "cut": ({}, ErrorCode.STREAM_CLOSED),
    "garbled": ({"more": b"data: {\n\n"}, ErrorCode.MALFORMED_RESPONSE),
}


@both_faces
@pytest.mark.parametrize(("end", "code"), BROKEN_STREAMS.values(), ids=BROKEN_STREAMS.keys())
def test_a_stream_that_breaks_later_is_never_tried_again(
    end: dict[str, Any], code: ErrorCode, face: Face, clock: VirtualClock
) -> None:
    """A caller must not read the same words twice: the error holds what had come.

    Only of a stream that was merely cut does it say that another call may go well.
    """
    wire = WIRES["anthropic"]
    events = wire.blocks(words(wire.reply()))
    start = b"".join(events[: next(i for i, event in enumerate(events) if b"of " in event) + 1])
    blocks = [start, end["more"]] if "more" in end else [start]
    server = Server(clock, streamed(blocks, gap_s=end.get("gap_s", 0.0), error=end.get("error")))
    model = face.model(server, wire, timeout_s=5.0)
    seen: list[Chunk] = []

    with pytest.raises(LLMError) as raised:
        face.read_into(seen, model, clock, QUESTION)

    error = raised.value
    assert (error.code, error.retryable, error.attempts) == (code, code is ErrorCode.STREAM_CLOSED, 1)
    assert error.partial is not None
    assert "".join(chunk.text for chunk in seen) == error.partial.text == "Paris, of "
    assert (error.op, len(server.requests), server.open_responses) == ("anthropic.stream", 1, 0)
    assert clock.now_ns() == (5_000_000_000 if code is ErrorCode.STREAM_TIMEOUT else 0)


# Rate limits ---------------------------------------------------------------------------------------


@both_faces
def test_calls_keep_below_a_rate_limit(face: Face, clock: VirtualClock) -> None:
    """One a second, of both forms of a call: each waits its time to the nanosecond."""
    server = Server(clock, answer(), stream_of(), answer())
    model = face.model(server, rate_limit=RateLimit(requests_per_minute=60, burst_s=0))

    face.generate(model, clock, QUESTION)
    _, streamed_reply = face.stream(model, clock, QUESTION)
    third = face.generate(model.bind(temperature=0.5), clock, QUESTION)

    assert server.asked_at_s == [0.0, 1.0, 2.0]
    assert (streamed_reply.timing.ttft_s, third.timing.total_s) == (1.0, 1.0)


def test_a_429_holds_back_everybody(clock: VirtualClock) -> None:
    """A call that comes later does not run into the same wall."""
    server = Server(clock, failure(429, headers={"retry-after": "5"}), answer())
    model = FACES["asyncio"].model(server, rate_limit=RateLimit(requests_per_minute=6000))

    async def late() -> Reply:
        await clock.asleep(1.0)
        return await model.agenerate(QUESTION)

    async def main() -> None:
        await asyncio.gather(model.agenerate(QUESTION), late())

    clock.run(main())

    assert server.asked_at_s == [0.0, 5.0, 5.0]


TOKENS_USED = {"less than was reserved": (17, 0.0), "all of a minute": (1200, 5.4)}


@pytest.mark.parametrize(("used", "asked_at_s"), TOKENS_USED.values(), ids=TOKENS_USED.keys())
def test_a_reservation_is_settled_by_what_was_used(used: int, asked_at_s: float, clock: VirtualClock) -> None:
    """1200 tokens a minute: 1000 are reserved for the first answer, 108 for the second call."""
    usage = Usage(input_tokens=8, output_tokens=used - 8)
    first = plain(MOCK.codec.encode_response(replace(MOCK.reply(), usage=usage)))
    server = Server(clock, first, answer())
    model = BLOCKING.model(server, rate_limit=RateLimit(tokens_per_minute=1200))

    model.generate(QUESTION, max_tokens=1000)
    model.generate(QUESTION, max_tokens=100)

    assert server.asked_at_s == [0.0, asked_at_s]


# Breakers ------------------------------------------------------------------------------------------

BROKEN = failure(500)


def refused(face: Face, model: ProviderModel, clock: VirtualClock) -> LLMError:
    with pytest.raises(LLMError) as raised:
        face.generate(model, clock, QUESTION)
    return raised.value


@both_faces
def test_a_breaker_stops_the_calls_to_a_service_that_fails(face: Face, clock: VirtualClock) -> None:
    """Two failures open it; a call is then refused unsent, until the probe after the cooldown succeeds."""
    server = Server(clock, BROKEN, BROKEN, answer())
    model = face.model(server, max_retries=0, breaker=CircuitBreaker(failures=2, cooldown_s=30.0))

    sent = [refused(face, model, clock) for _ in range(2)]
    unsent = refused(face, model, clock)
    clock.sleep(30.0)
    texts = [face.generate(model, clock, QUESTION).text for _ in range(2)]

    assert [error.code for error in sent] == [ErrorCode.INTERNAL_ERROR] * 2
    assert (unsent.code, unsent.attempts, unsent.status) == (ErrorCode.OVERLOADED, 0, None)
    assert (unsent.op, unsent.provider, unsent.model) == ("mock.generate", "mock", "echo-1")
    assert (texts, server.asked_at_s) == ([TEXT] * 2, [0.0, 0.0, 30.0, 30.0])


def test_a_breaker_that_opens_ends_the_retries(clock: VirtualClock) -> None:
    """The tries of one call count, too."""
    server = Server(clock, BROKEN)
    model = BLOCKING.model(server, max_retries=9, breaker=CircuitBreaker(failures=2))

    error = refused(BLOCKING, model, clock)

    assert (error.code, error.attempts, len(server.requests)) == (ErrorCode.INTERNAL_ERROR, 2, 2)


def test_a_stream_that_breaks_counts_as_a_failure(clock: VirtualClock) -> None:
    """Its first words do not make the service well."""
    begun = MOCK.blocks(words(MOCK.reply()))[:1]
    server = Server(clock, streamed(begun, error=httpx2.ReadError("reset")))
    model = BLOCKING.model(server, breaker=CircuitBreaker(failures=1))

    with pytest.raises(LLMError, match="reset"):
        list(model.stream(QUESTION))

    assert refused(BLOCKING, model, clock).code is ErrorCode.OVERLOADED
    assert len(server.requests) == 1


def test_one_call_makes_the_probe_and_may_leave(clock: VirtualClock) -> None:
    """While it waits, nobody else gets through; cancelled, it leaves the probe to the next."""
    server = Server(clock, BROKEN, answer(due_s=60.0), answer())
    model = FACES["asyncio"].model(server, max_retries=0, breaker=CircuitBreaker(failures=1, cooldown_s=10.0))

    async def main() -> tuple[Any, ...]:
        [broken] = await model.abatch([QUESTION])
        await clock.asleep(10.0)
        probe = asyncio.create_task(model.agenerate(QUESTION))
        await clock.asleep(1.0)
        [second] = await model.abatch([QUESTION])
        probe.cancel()
        await asyncio.wait([probe])
        return broken.code, second.code, (await model.agenerate(QUESTION)).text

    outcomes = clock.run(main())

    assert outcomes == (ErrorCode.INTERNAL_ERROR, ErrorCode.OVERLOADED, TEXT)
    assert server.asked_at_s == [0.0, 10.0, 11.0]


# Fallbacks -----------------------------------------------------------------------------------------

ANTHROPIC, OLLAMA = WIRES["anthropic"], WIRES["ollama"]


@both_faces
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_others_step_in_one_after_the_other(
    is_stream: bool, face: Face, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Each with the tries it has; the reply and the log say who answered."""
    good = stream_of(OLLAMA) if is_stream else answer(OLLAMA)
    servers = [Server(clock, RATE_LIMITED), Server(clock, failure(401)), Server(clock, good)]
    first, *others = [
        face.model(server, wire, max_retries=1)
        for server, wire in zip(servers, (MOCK, ANTHROPIC, OLLAMA), strict=True)
    ]
    model = first.with_(fallback=others)

    reply = face.stream(model, clock, QUESTION)[1] if is_stream else face.generate(model, clock, QUESTION)

    assert (reply.text, reply.model) == (TEXT, OLLAMA.model)
    assert [server.asked_at_s for server in servers] == [[0.0, 1.5], [1.5], [1.5]]
    rerouted = [(r.target, r.code) for r in caplog.records if r.message == "rerouted"]
    assert rerouted == [(ANTHROPIC.name, "rate_limit"), (OLLAMA.name, "authentication_error")]


@both_faces
def test_the_last_error_is_raised_where_it_happened(face: Face, clock: VirtualClock) -> None:
    """With all the tries of the call."""
    model = face.model(Server(clock, BROKEN), max_retries=0)
    other = face.model(Server(clock, failure(401)), ANTHROPIC)

    error = refused(face, model.with_(fallback=other), clock)

    assert (error.code, error.op, error.model, error.attempts) == (
        ErrorCode.AUTHENTICATION_ERROR,
        "anthropic.generate",
        ANTHROPIC.model,
        2,
    )


def test_an_error_that_is_the_same_everywhere_ends_the_call(clock: VirtualClock) -> None:
    """A request that is wrong is wrong for all."""
    unasked = Server(clock, answer())
    model = BLOCKING.model(Server(clock, failure(400))).with_(fallback=BLOCKING.model(unasked))

    error = refused(BLOCKING, model, clock)

    assert (error.code, unasked.requests) == (ErrorCode.INVALID_REQUEST, [])


def test_a_target_behind_an_open_breaker_is_passed_over(clock: VirtualClock) -> None:
    """At once, and without a request."""
    server = Server(clock, BROKEN)
    other = BLOCKING.model(Server(clock, answer()))
    model = BLOCKING.model(server, max_retries=0, fallback=[other], breaker=CircuitBreaker(failures=1))

    texts = [model.generate(QUESTION).text for _ in range(3)]

    assert (texts, len(server.requests)) == ([TEXT] * 3, 1)


NOT_OURS = replace(ANTHROPIC, name="anthropic:mine")
NEVER_FORCED = replace(ANTHROPIC, name="anthropic:claude-opus-5-5")
SAME_NAME = replace(WIRES["openai"], name="openai:echo-1")
FORCED: dict[str, Any] = {"tools": [Tool(name="look")], "tool_choice": "required"}
FITTED: dict[str, tuple[Wire, dict[str, Any], dict[str, Any]]] = {
    "refused": (ANTHROPIC, {"temperature": 0.5, "top_k": 5, "stop": "END"}, {"stop_sequences": ["END"]}),
    "out of range": (NOT_OURS, {"temperature": 1.5, "top_p": 0.5}, {"top_p": 0.5}),
    "of a model of the same name": (SAME_NAME, {"top_k": 5, "seed": 3}, {"seed": 3}),
    "a call that cannot be forced": (NEVER_FORCED, FORCED, {}),
}


@pytest.mark.parametrize(("wire", "options", "kept"), FITTED.values(), ids=FITTED.keys())
def test_options_a_fallback_does_not_take_are_left_out(
    wire: Wire, options: dict[str, Any], kept: dict[str, Any], clock: VirtualClock
) -> None:
    """For want of them the call would fail there; the model that was asked is held to what it takes."""
    server = Server(clock, answer(wire))
    model = BLOCKING.model(Server(clock, BROKEN), max_retries=0, fallback=[BLOCKING.model(server, wire)])

    model.generate(QUESTION, **options)

    body = json.loads(server.requests[0].body)
    always = {"model", "messages", "max_tokens", "tools"}
    assert {name: value for name, value in body.items() if name not in always} == kept


# The deadline --------------------------------------------------------------------------------------


@both_faces
def test_a_call_that_the_rate_limit_holds_back_too_long_is_not_made(face: Face, clock: VirtualClock) -> None:
    """It is told so at once, and its place is the next one's."""
    server = Server(clock, answer())
    patient = face.model(server, rate_limit=RateLimit(requests_per_minute=10, burst_s=0))
    hasty = patient.with_(deadline_s=6.0)

    face.generate(patient, clock, QUESTION)
    error = refused(face, hasty, clock)
    gave_up_ns = clock.now_ns()
    face.generate(patient, clock, QUESTION)

    assert (error.code, error.attempts, error.op) == (ErrorCode.DEADLINE_EXCEEDED, 0, "mock.generate")
    assert (gave_up_ns, server.asked_at_s) == (0, [0.0, 6.0])


@both_faces
def test_a_retry_that_the_rate_limit_holds_back_too_long_tells_of_the_first_try(
    face: Face, clock: VirtualClock
) -> None:
    """Two targets, one failure, and room in neither: the last error leads back to the first."""
    limit = RateLimit(requests_per_minute=10, burst_s=0)
    other = face.model(Server(clock, answer()), rate_limit=limit)
    face.generate(other, clock, QUESTION)
    model = face.model(Server(clock, BROKEN), rate_limit=limit, deadline_s=4.0, fallback=other)

    error = refused(face, model, clock)

    no_room = ErrorCode.DEADLINE_EXCEEDED
    assert codes_down_to_the_cause(error) == [no_room, no_room, ErrorCode.INTERNAL_ERROR]
    assert error.message.endswith("; before that, internal_error: no")
    assert error.attempts == 1


def codes_down_to_the_cause(error: BaseException | None) -> list[ErrorCode]:
    return [error.code, *codes_down_to_the_cause(error.__cause__)] if isinstance(error, LLMError) else []


@both_faces
def test_another_target_answers_where_the_rate_limit_has_no_room_in_time(
    face: Face, clock: VirtualClock
) -> None:
    server, other = Server(clock, answer()), Server(clock, answer())
    limited = face.model(server, rate_limit=RateLimit(requests_per_minute=10, burst_s=0))
    model = limited.with_(deadline_s=4.0, fallback=face.model(other))

    for _ in range(2):
        face.generate(model, clock, QUESTION)

    assert (server.asked_at_s, other.asked_at_s) == ([0.0], [0.0])


ALIVE = [MOCK.blocks(words(MOCK.reply()))[0], *[b": ping\n\n"] * 99]
ENDS: dict[str, tuple[ScheduledResponse, bool, ErrorCode]] = {
    "the wait for an answer": (answer(due_s=60.0), False, ErrorCode.TIMEOUT),
    "a body that drips": (streamed([b" "] * 99, gap_s=1.0), False, ErrorCode.TIMEOUT),
    "a stream kept alive": (streamed(ALIVE, gap_s=1.0), True, ErrorCode.STREAM_TIMEOUT),
}


@both_faces
@pytest.mark.parametrize(("slow", "is_stream", "code"), ENDS.values(), ids=ENDS.keys())
def test_a_deadline_covers_everything_from_the_rate_limit_on(
    slow: ScheduledResponse, is_stream: bool, code: ErrorCode, face: Face, clock: VirtualClock
) -> None:
    """Two seconds in the limiter leave two of four for all the rest; no other target is begun after it."""
    server, unasked = Server(clock, answer(), slow), Server(clock, answer())
    limited = face.model(server, rate_limit=RateLimit(requests_per_minute=30, burst_s=0))
    model = limited.with_(deadline_s=4.0, fallback=face.model(unasked))
    face.generate(model, clock, QUESTION)

    with pytest.raises(LLMError) as raised:
        (face.stream if is_stream else face.generate)(model, clock, QUESTION)

    assert (raised.value.code, clock.now_ns() / 1e9) == (code, 4.0)
    assert (server.asked_at_s[1], server.open_responses, unasked.requests) == (2.0, 0, [])
