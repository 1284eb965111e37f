"""How an answer is asked for and what is made of it: schemas, prices, routes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from exchanges import (
    BLOCKING,
    MOCK,
    NOVA,
    QUESTION,
    R1,
    answer,
    both_faces,
    causes,
    failure,
    reply_of,
    said,
    stream_of,
)
from pydantic import BaseModel
from wires import WIRES, Face, Server, Wire, plain, streamed, words

from tapeline.clock import VirtualClock
from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.media import Image
from tapeline.policies.cache import MemoryCache
from tapeline.policies.routing import CapabilityRoute, LatencyRoute, RouteTarget
from tapeline.providers.assembly import chunks_of
from tapeline.types import ChatRequest, Chunk, Tool, ToolCall, Usage, assistant, user

# Structured output ---------------------------------------------------------------------------------


LOOK_UP = Tool(name="look_up", description="Look up", parameters={"type": "object", "properties": {}})
SEEN_AT = [user("What is it?", Image(media_type="image/png", url="https://example.org/it.png"))]


class City(BaseModel):
    name: str
    people: int


@dataclass
class Place:
    name: str
    people: int


CITY_JSON = '{"name": "Paris", "people": 2102650}'
CITY_SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "people": {"type": "integer"}}}
SCHEMAS: dict[str, tuple[Any, Any, str]] = {
    "pydantic": (City, City(name="Paris", people=2102650), "City"),
    "dataclass": (Place, Place(name="Paris", people=2102650), "Place"),
    "JSON schema": (CITY_SCHEMA, {"name": "Paris", "people": 2102650}, "answer"),
    "generic": (dict[str, str | int], {"name": "Paris", "people": 2102650}, "dict"),
}


@both_faces
@pytest.mark.parametrize(("schema", "value", "name"), SCHEMAS.values(), ids=SCHEMAS.keys())
def test_a_schema_is_sent_and_the_answer_is_parsed(
    schema: Any, value: Any, name: str, face: Face, clock: VirtualClock
) -> None:
    """Plain and streamed."""
    reply = replace(MOCK.reply(), message=assistant(CITY_JSON))
    server = Server(
        clock,
        plain(MOCK.codec.encode_response(reply)),
        streamed(MOCK.blocks([Chunk(text=CITY_JSON), *end()])),
    )
    model = face.model(server)

    plain_reply = face.generate(model, clock, QUESTION, schema=schema)
    _, streamed_reply = face.stream(model, clock, QUESTION, schema=schema)

    sent = [json.loads(request.body)["response_format"]["json_schema"] for request in server.requests]
    assert (plain_reply.parsed, streamed_reply.parsed) == (value, value)
    assert [entry["name"] for entry in sent] == [name] * 2
    assert all(entry["schema"]["type"] == "object" for entry in sent)


def end() -> list[Chunk]:
    return words(MOCK.reply())[-1:]


@both_faces
@pytest.mark.parametrize("text", ["Sorry.", '{"name": "Paris"}', '{"name": "Paris", "people": "many"}'])
def test_an_answer_that_does_not_fit_is_an_invalid_response(
    text: str, face: Face, clock: VirtualClock
) -> None:
    """The answer was paid for: it is on the error, beside where the call was made.

    A plain call tells the model once what was wrong; of a stream the caller has read what came.
    """
    reply = replace(MOCK.reply(), message=assistant(text))
    body = MOCK.codec.encode_response(reply)
    server = Server(clock, plain(body), plain(body), streamed(MOCK.blocks([Chunk(text=text), *end()])))
    model = face.model(server)

    with pytest.raises(LLMError) as of_plain:
        face.generate(model, clock, QUESTION, schema=City)
    with pytest.raises(LLMError) as of_stream:
        face.stream(model, clock, QUESTION, schema=City)

    for error, op, answers in ((of_plain.value, "mock.generate", 2), (of_stream.value, "mock.stream", 1)):
        assert (error.code, error.op, error.model) == (ErrorCode.INVALID_RESPONSE, op, "echo-1")
        assert error.partial is not None
        assert (error.partial.text, error.partial.usage.output_tokens) == (text, 5 * answers)
        assert not error.retryable
    assert len(server.requests) == 3


CITY = City(name="Paris", people=2102650)
CITY_CALL = ToolCall(id="1", name="City", raw_arguments=CITY_JSON)
FENCED = f"Here it is:\n```json\n{CITY_JSON}\n```"
WAYS: dict[str, tuple[Wire, str | ToolCall, bytes]] = {
    "by the API": (MOCK, CITY_JSON, b'"response_format"'),
    "by a tool it must call": (NOVA, CITY_CALL, b'"toolChoice":{"tool":{"name":"City"}}'),
    "by being told": (R1, FENCED, b"Answer with one JSON object"),
}


@both_faces
@pytest.mark.parametrize(("wire", "content", "asked"), WAYS.values(), ids=WAYS.keys())
def test_a_model_is_asked_in_the_way_it_knows(
    wire: Wire, content: str | ToolCall, asked: bytes, face: Face, clock: VirtualClock
) -> None:
    """Its capabilities say which: the caller sees a value in any case, plain or streamed."""
    reply = reply_of(content, wire=wire)
    server = Server(clock, said(content, wire=wire), streamed(wire.blocks(chunks_of(reply))))
    model = face.model(server, wire)

    plain_reply = face.generate(model, clock, QUESTION, schema=City)
    _, streamed_reply = face.stream(model, clock, QUESTION, schema=City)

    assert (plain_reply.parsed, streamed_reply.parsed) == (CITY, CITY)
    assert [asked in request.body for request in server.requests] == [True, True]


@both_faces
def test_a_fallback_is_asked_in_its_own_way(face: Face, clock: VirtualClock) -> None:
    """What the first was asked with is no matter; its misfit is an error of its own."""
    server = Server(clock, said(FENCED, wire=R1), said("Sorry.", wire=R1))
    model = face.model(Server(clock, failure(500)), max_retries=0, fallback=face.model(server, R1))

    reply = face.generate(model, clock, QUESTION, schema=City)
    with pytest.raises(LLMError) as raised:
        face.generate(model, clock, QUESTION, schema=City)

    assert (reply.parsed, raised.value.op, raised.value.model) == (CITY, "bedrock.generate", R1.model)


# Told what was wrong -------------------------------------------------------------------------------

OPENAI = WIRES["openai"]
MISFIT = '{"name": "Paris", "people": "many"}'


@both_faces
def test_a_model_is_told_once_what_was_wrong(face: Face, clock: VirtualClock) -> None:
    """The second answer counts; the tokens, the cost and the time of both were spent."""
    first, second = (said(text, wire=OPENAI, due_s=1.0) for text in (MISFIT, CITY_JSON))
    server = Server(clock, first, second, second)
    model = face.model(server, OPENAI)

    reply = face.generate(model, clock, QUESTION, schema=City)
    alone = face.generate(model, clock, QUESTION, schema=City)

    assert (reply.parsed, reply.text) == (CITY, CITY_JSON)
    assert reply.usage == Usage(input_tokens=24, output_tokens=10)
    assert alone.cost_usd is not None
    assert (reply.cost_usd, reply.timing.total_s) == (2 * alone.cost_usd, 2.0)
    asked, answered, told = json.loads(server.requests[1].body)["messages"]
    assert (asked["content"], answered["content"]) == (QUESTION, MISFIT)
    assert "people" in told["content"]
    assert "Give the whole answer again, corrected" in told["content"]


@both_faces
def test_an_answer_is_not_lost_because_its_correction_failed(face: Face, clock: VirtualClock) -> None:
    """The error is that of the answer, which it holds; that of the correction is below it."""
    server = Server(clock, said(MISFIT), failure(401))
    model = face.model(server)

    with pytest.raises(LLMError) as raised:
        face.generate(model, clock, QUESTION, schema=City)

    error = raised.value
    assert (error.code, error.partial and error.partial.text) == (ErrorCode.INVALID_RESPONSE, MISFIT)
    assert ErrorCode.AUTHENTICATION_ERROR in [getattr(cause, "code", None) for cause in causes(error)]


@both_faces
def test_a_correction_is_in_time_or_not_at_all(face: Face, clock: VirtualClock) -> None:
    """One deadline holds for both calls."""
    server = Server(clock, said(MISFIT, due_s=3.0))
    model = face.model(server, deadline_s=4.0)

    with pytest.raises(LLMError, match="does not fit the schema"):
        face.generate(model, clock, QUESTION, schema=City)

    assert (server.asked_at_s, clock.now_ns()) == ([0.0, 3.0], 4_000_000_000)


@both_faces
def test_a_reply_that_asks_for_a_tool_has_no_value_yet(face: Face, clock: VirtualClock) -> None:
    """Plain and streamed."""
    asking = reply_of(ToolCall(id="1", name="look_up", raw_arguments="{}"))
    body, chunks = MOCK.codec.encode_response(asking), chunks_of(asking)
    model = face.model(Server(clock, plain(body), streamed(MOCK.blocks(chunks))))
    options = {"schema": City, "tools": [LOOK_UP]}

    plain_reply = face.generate(model, clock, QUESTION, **options)
    _, streamed_reply = face.stream(model, clock, QUESTION, **options)

    for reply in (plain_reply, streamed_reply):
        assert (reply.parsed, [call.name for call in reply.tool_calls]) == (None, ["look_up"])


# Routes --------------------------------------------------------------------------------------------


def test_a_route_knows_of_the_schema(clock: VirtualClock) -> None:
    """A model whose API keeps to it is asked before one that is only made to."""
    unasked, server = Server(clock, answer(NOVA)), Server(clock, said(CITY_JSON))
    model = BLOCKING.model(unasked, NOVA, fallback=BLOCKING.model(server), route=CapabilityRoute())

    assert model.generate(QUESTION, schema=City).parsed == CITY
    assert unasked.requests == []


@both_faces
def test_a_route_sends_a_request_to_whom_can_be_asked_it(face: Face, clock: VirtualClock) -> None:
    for call, response in ((face.generate, answer()), (face.stream, stream_of())):
        unasked, server = Server(clock), Server(clock, response)
        other = face.model(server)
        model = face.model(unasked, R1, fallback=other, route=CapabilityRoute(), cache=MemoryCache())

        call(model, clock, QUESTION, tools=[LOOK_UP])

        assert (len(unasked.requests), len(server.requests)) == (0, 1)


@both_faces
def test_what_no_target_can_be_asked_is_told_of_the_first(face: Face, clock: VirtualClock) -> None:
    server = Server(clock, answer(R1))
    model = face.model(server, R1, fallback=face.model(server, R1), route=CapabilityRoute())

    with pytest.raises(ConfigError, match=f"{R1.name} knows no tools"):
        face.generate(model, clock, QUESTION, tools=[LOOK_UP])

    assert server.requests == []


@both_faces
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_a_fallback_that_cannot_be_asked_is_passed_over(
    is_stream: bool, face: Face, clock: VirtualClock
) -> None:
    """Whether its model is known not to take tools, or its codec cannot say where a picture is."""
    unasked, server = Server(clock), Server(clock, stream_of() if is_stream else answer())
    refusing = [face.model(unasked, R1), face.model(unasked, NOVA)]
    others = [*refusing, face.model(server)]
    call = face.stream if is_stream else face.generate

    call(
        face.model(Server(clock, failure(500)), max_retries=0, fallback=others),
        clock,
        SEEN_AT,
        tools=[LOOK_UP],
    )
    with pytest.raises(LLMError) as raised:
        call(
            face.model(Server(clock, failure(500)), max_retries=0, fallback=refusing),
            clock,
            SEEN_AT,
            tools=[LOOK_UP],
        )

    assert (len(unasked.requests), len(server.requests)) == (0, 1)
    assert (raised.value.code, raised.value.provider) == (ErrorCode.INTERNAL_ERROR, "mock")


@both_faces
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_a_route_learns_how_long_each_target_takes(is_stream: bool, face: Face, clock: VirtualClock) -> None:
    """Of its own tries: here the first is the quicker one, though it made the call wait for 10 s."""
    respond = stream_of if is_stream else answer
    busy = failure(503, headers={"retry-after": "10"})
    quick = Server(clock, busy, replace(respond(), head_due_s=1.0))
    slow = Server(clock, replace(respond(OPENAI), head_due_s=2.0))
    model = face.model(quick, fallback=face.model(slow, OPENAI), route=LatencyRoute())

    for _ in range(3):
        (face.stream if is_stream else face.generate)(model, clock, QUESTION)

    assert (quick.asked_at_s, slow.asked_at_s) == ([0.0, 10.0, 13.0], [11.0])


class Nowhere:
    """A route on which no target can serve."""

    def order(self, request: ChatRequest, targets: Sequence[RouteTarget]) -> list[int]:
        return []


@both_faces
def test_a_request_that_no_target_can_serve_is_not_sent(face: Face, clock: VirtualClock) -> None:
    server = Server(clock, answer())
    model = face.model(server, fallback=face.model(server), route=Nowhere())

    for call in (face.generate, face.stream):
        with pytest.raises(LLMError, match="none of the targets") as raised:
            call(model, clock, QUESTION)
        assert (raised.value.code, raised.value.provider) == (ErrorCode.INVALID_REQUEST, "mock")

    assert server.requests == []
