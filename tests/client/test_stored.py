"""The response cache in a call: what a hit saves, and what is never kept."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import httpx2
import pytest
from exchanges import BLOCKING, MOCK, QUESTION, TEXT, answer, both_faces, failure, said, stream_of
from msgspec import structs
from wires import FACES, GAP_S, HEAD_S, WIRES, Face, Server, plain, streamed, words

from tapeline.clock import VirtualClock
from tapeline.errors import LLMError
from tapeline.latency.pacing import ScheduledResponse
from tapeline.policies.cache import MemoryCache
from tapeline.types import ChatRequest, Timing, user

OPENAI = WIRES["openai"]


@both_faces
def test_a_hit_costs_nothing_and_sends_nothing(face: Face, clock: VirtualClock) -> None:
    """It is the same answer, in no time, and says where it came from."""
    server = Server(clock, answer(OPENAI, due_s=0.75))
    model = face.model(server, OPENAI, cache=MemoryCache())

    first, second = (face.generate(model, clock, QUESTION) for _ in range(2))

    assert len(server.requests) == 1
    assert first.cost_usd is not None
    assert first.cost_usd > 0
    assert second == replace(first, is_cached=True, cost_usd=Decimal(0), timing=Timing(total_s=0.0))


@both_faces
def test_a_stream_is_a_hit_too(face: Face, clock: VirtualClock) -> None:
    """The same chunks, all at once."""
    server = Server(clock, stream_of(OPENAI, head_s=HEAD_S, gap_s=GAP_S))
    model = face.model(server, OPENAI, cache=MemoryCache())

    (chunks, first), (again, second) = (face.stream(model, clock, QUESTION) for _ in range(2))

    assert len(server.requests) == 1
    assert [structs.replace(chunk, at_s=0.0) for chunk in chunks] == [
        structs.replace(chunk, at_s=0.0) for chunk in again
    ]
    assert (second.is_cached, second.cost_usd, second.wire) == (True, Decimal(0), first.wire)
    assert second.timing == Timing(total_s=0.0, ttft_s=0.0, chunk_at_s=(0.0,) * 3)


def test_what_was_asked_in_another_way_is_another_answer(clock: VirtualClock) -> None:
    """Plain or streamed, with other options, of another model, elsewhere; but not on another face."""
    cache, server = MemoryCache(), Server(clock, answer(), stream_of(), answer())
    model = BLOCKING.model(server, cache=cache)
    twin = FACES["asyncio"].model(server, cache=cache, api_key="another")
    elsewhere = BLOCKING.model(server, cache=cache, base_url="http://other.test/v1")

    model.generate(QUESTION)
    list(model.stream(QUESTION))
    model.generate(QUESTION, temperature=0.5)
    model.answer(ChatRequest(model="other", messages=(user(QUESTION),)))
    elsewhere.generate(QUESTION)
    hit = clock.run(twin.agenerate(QUESTION))

    assert (len(server.requests), len(cache), hit.is_cached) == (5, 5, True)


EVENTS = MOCK.blocks(words(MOCK.reply()))
FILTERED = replace(MOCK.reply(), finish_reason="content_filter")
BROKEN: dict[str, ScheduledResponse] = {
    "an error": failure(500),
    "a filtered answer": plain(MOCK.codec.encode_response(FILTERED)),
    "no JSON": plain(b"<html>"),
    "no answer": plain(b"{}"),
    "cut off": streamed(EVENTS[:2]),
    "reset": streamed(EVENTS[:2], error=httpx2.ReadError("reset")),
    "an error in its middle": streamed([*EVENTS[:2], b'data: {"error": {"message": "no"}}\n\n']),
}


@both_faces
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_is_never_kept(broken: ScheduledResponse, face: Face, clock: VirtualClock) -> None:
    """Neither in a plain call nor in a stream: the next one asks again."""
    cache = MemoryCache()
    model = face.model(Server(clock, broken), cache=cache, max_retries=0)

    for call in (face.generate, face.stream):
        with suppress(LLMError):
            call(model, clock, QUESTION)

    assert len(cache) == 0


@both_faces
def test_an_answer_that_does_not_fit_its_schema_is_not_kept(face: Face, clock: VirtualClock) -> None:
    """Only the corrected one is, under the question that led to it."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    cache, server = MemoryCache(), Server(clock, said("Sorry."), said('{"name": "Paris"}'))
    model = face.model(server, cache=cache)

    first, second = (face.generate(model, clock, QUESTION, schema=schema) for _ in range(2))

    assert (first.parsed, second.parsed) == ({"name": "Paris"},) * 2
    assert (len(server.requests), len(cache)) == (3, 2)


def test_a_stream_that_was_left_is_not_kept(clock: VirtualClock) -> None:
    cache = MemoryCache()

    with BLOCKING.model(Server(clock, stream_of()), cache=cache).stream(QUESTION) as stream:
        next(stream)

    assert len(cache) == 0


def test_a_stream_that_is_replayed_may_be_left(clock: VirtualClock) -> None:
    """Its reply is what was read of it."""
    model = BLOCKING.model(Server(clock, stream_of()), cache=MemoryCache())
    list(model.stream(QUESTION))

    with model.stream(QUESTION) as stream:
        first = next(stream)

    assert first.text == "Paris, "
    assert TEXT.startswith(stream.reply.text)


@both_faces
def test_an_answer_ages_on_the_clock_of_the_model(face: Face, clock: VirtualClock) -> None:
    """A minute: at 59 s it is still given, at 60 s it is asked for again."""
    server = Server(clock, answer())
    model = face.model(server, cache=MemoryCache(ttl_s=60.0))

    cached = []
    for wait_s in (0.0, 59.0, 1.0):
        clock.sleep(wait_s)
        cached.append(face.generate(model, clock, QUESTION).is_cached)

    assert (cached, server.asked_at_s) == ([False, True, False], [0.0, 60.0])


def test_the_answer_of_a_fallback_does_not_stand_in_for_the_first(clock: VirtualClock) -> None:
    """When the first is well again, it is asked."""
    server = Server(clock, failure(500), answer())
    other = BLOCKING.model(Server(clock, said("Lyon?")), base_url="http://other.test/v1")
    model = BLOCKING.model(server, max_retries=0, cache=MemoryCache(), fallback=other)

    texts = [model.generate(QUESTION).text for _ in range(3)]

    assert (texts, len(server.requests)) == (["Lyon?", TEXT, TEXT], 2)


@both_faces
def test_an_entry_that_cannot_be_read_is_a_miss(face: Face, clock: VirtualClock) -> None:
    """A cache may never be worse than none: a damaged entry is let go, and the model is asked."""
    cache = MemoryCache()
    server = Server(clock, answer(OPENAI), stream_of(OPENAI), answer(OPENAI), stream_of(OPENAI))
    model = face.model(server, OPENAI, cache=cache)
    face.generate(model, clock, QUESTION)
    face.stream(model, clock, QUESTION)
    for entry in cache._entries.values():
        object.__setattr__(entry, "body", b"{")

    texts = [face.generate(model, clock, QUESTION).text, face.stream(model, clock, QUESTION)[1].text]

    assert texts == [TEXT, TEXT]
    assert len(server.requests) == 4
    assert face.generate(model, clock, QUESTION).is_cached


@both_faces
def test_the_body_of_a_failed_try_is_not_kept(face: Face, clock: VirtualClock) -> None:
    """Nor joined to that of the next one, which came whole though a stream was asked for."""
    events = OPENAI.blocks([])
    broken = streamed([b'data: {"error": {"message": "busy", "code": "rate_limit_exceeded"}}\n\n', *events])
    whole = answer(OPENAI, headers={"content-type": "application/json"})
    server = Server(clock, broken, whole, stream_of(OPENAI))
    model = face.model(server, OPENAI, cache=MemoryCache())

    texts = [face.stream(model, clock, QUESTION)[1].text for _ in range(2)]

    assert texts == [TEXT, TEXT]
    assert len(server.requests) == 3
