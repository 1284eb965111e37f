"""Calling a model until it wants no more tools: rounds, failures of tools, the end."""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest
from exchanges import BLOCKING, MOCK, NOVA, QUESTION, TEXT, answer, both_faces, called, said
from pydantic import BaseModel
from wires import FACES, WIRES, Face, Server, Wire

from tapeline.clock import SystemClock, VirtualClock
from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.tools import as_tool
from tapeline.types import ToolCall, Usage, assistant, tool_result, user

LOOK = ToolCall(id="1", name="look_up", raw_arguments='{"city": "Paris"}')


def look_up(city: str) -> str:
    """Return what is known of a city."""
    return f"{city} is in France."


def results_in(request: Any) -> list[str]:
    """What the tools said, as a request tells it."""
    return [
        message["content"] for message in json.loads(request.body)["messages"] if message["role"] == "tool"
    ]


@both_faces
def test_a_model_is_called_until_it_wants_no_more_tools(face: Face, clock: VirtualClock) -> None:
    """Two rounds; each request holds all that was said before, and the run holds all of it at the end."""
    other = ToolCall(id="2", name="look_up", raw_arguments='{"city": "Lyon"}')
    server = Server(clock, called(LOOK), called(other), answer())
    model = face.model(server).bind_tools([look_up])

    run = face.ask("run_tools", model, clock, QUESTION)

    assert (run.text, run.rounds, len(server.requests)) == (TEXT, 2, 3)
    assert run.messages == (
        user(QUESTION),
        assistant(LOOK),
        tool_result("1", "Paris is in France."),
        assistant(other),
        tool_result("2", "Lyon is in France."),
        assistant(TEXT),
    )
    assert results_in(server.requests[2]) == ["Paris is in France.", "Lyon is in France."]
    assert run.reply is run.replies[-1]


def test_a_run_can_be_gone_on_from(clock: VirtualClock) -> None:
    """Its messages are the prompt of the next."""
    server = Server(clock, called(LOOK), answer())
    model = BLOCKING.model(server).bind_tools([look_up])

    run = model.run_tools(QUESTION)
    again = model.run_tools([*run.messages, user("And of Italy?")])

    assert again.rounds == 0
    assert len(json.loads(server.requests[2].body)["messages"]) == 5


@both_faces
def test_tokens_and_costs_are_summed(face: Face, clock: VirtualClock) -> None:
    """Where one answer has no price, the whole has none."""
    wire = WIRES["openai"]
    server = Server(clock, called(LOOK, wire=wire), answer(wire))
    model = face.model(server, wire).bind_tools([look_up])

    run = face.ask("run_tools", model, clock, QUESTION)

    costs = [reply.cost_usd for reply in run.replies]
    assert None not in costs
    assert run.cost_usd == sum(costs)
    assert run.usage == Usage(input_tokens=24, output_tokens=10)
    assert replace(run, replies=(*run.replies, MOCK.reply())).cost_usd is None


def test_the_tools_of_a_round_run_side_by_side(clock: VirtualClock) -> None:
    """Three calls of a second each take a second; their results keep the order of the calls."""
    calls = [ToolCall(id=str(n), name="wait", raw_arguments=f'{{"number": {n}}}') for n in range(3)]
    server = Server(clock, called(*calls), answer())

    async def wait(number: int) -> int:
        await clock.asleep(1.0 + number / 8)
        return number

    clock.run(FACES["asyncio"].model(server).arun_tools(QUESTION, tools=[wait]))

    assert results_in(server.requests[1]) == ["0", "1", "2"]
    assert clock.now_ns() == 1_250_000_000


def fail(reason: str) -> None:
    raise LookupError(reason)


MISTAKES = {
    "no such tool": (ToolCall(id="1", name="lookup"), "lookup"),
    "arguments that do not fit": (replace(LOOK, raw_arguments='{"town": "Paris"}'), "city"),
    "arguments that are no JSON": (replace(LOOK, raw_arguments='{"city": "Par'), "look_up"),
    "an exception": (ToolCall(id="1", name="fail", raw_arguments='{"reason": "gone"}'), "LookupError: gone"),
}


@both_faces
@pytest.mark.parametrize(("call", "said_of_it"), MISTAKES.values(), ids=MISTAKES.keys())
def test_what_goes_wrong_is_told_to_the_model(
    call: ToolCall, said_of_it: str, face: Face, clock: VirtualClock
) -> None:
    """Which may do better the next time: here it looks up Paris."""
    server = Server(clock, called(call), called(LOOK), answer())
    model = face.model(server).bind_tools([look_up, fail])

    run = face.ask("run_tools", model, clock, QUESTION)

    [mistake] = results_in(server.requests[1])
    assert said_of_it in mistake
    assert results_in(server.requests[2])[1:] == ["Paris is in France."]
    assert run.messages[2].content[0].is_error
    assert run.text == TEXT


@both_faces
def test_a_model_that_never_stops_is_stopped(face: Face, clock: VirtualClock) -> None:
    """After as many rounds as were allowed; the last answer is on the error."""
    server = Server(clock, called(LOOK))
    model = face.model(server).bind_tools([look_up])

    with pytest.raises(LLMError, match="after 3 rounds; raise max_rounds") as raised:
        face.ask("run_tools", model, clock, QUESTION, max_rounds=3)

    error = raised.value
    assert (error.code, error.op, error.retryable) == (ErrorCode.TOOL_CALL_ERROR, "mock.run_tools", False)
    assert error.partial is not None
    assert error.partial.tool_calls == (LOOK,)
    assert len(server.requests) == 4


@both_faces
def test_a_call_that_is_forced_is_forced_once(face: Face, clock: VirtualClock) -> None:
    """Or the model could never give its answer."""
    server = Server(clock, called(LOOK), answer())
    model = face.model(server).bind_tools([look_up], tool_choice="required")

    run = face.ask("run_tools", model, clock, QUESTION)

    choices = [json.loads(request.body).get("tool_choice") for request in server.requests]
    assert (choices, run.rounds) == (["required", None], 1)


@both_faces
def test_a_call_that_was_cut_off_is_not_made(face: Face, clock: VirtualClock) -> None:
    """Its arguments may be a part of what was meant: the run ends, as an answer cut off does."""
    server = Server(clock, called(replace(LOOK, raw_arguments='{"city": "Par"}'), finish_reason="length"))
    model = face.model(server).bind_tools([look_up])

    run = face.ask("run_tools", model, clock, QUESTION)

    assert (run.rounds, run.reply.finish_reason, len(server.requests)) == (0, "length", 1)


class City(BaseModel):
    name: str


@both_faces
@pytest.mark.parametrize("wire", [MOCK, NOVA], ids=["native", "tool"])
def test_the_answer_may_be_a_value(wire: Wire, face: Face, clock: VirtualClock) -> None:
    """Whichever way the model gives it, also by a tool of its own beside those that are run."""
    value = ToolCall(id="9", name="City", raw_arguments='{"name": "Paris"}')
    last = said('{"name": "Paris"}', wire=wire) if wire is MOCK else called(value, wire=wire)
    server = Server(clock, called(LOOK, wire=wire), last)
    model = face.model(server, wire)

    run = face.ask("run_tools", model.bind_tools([look_up]), clock, QUESTION, schema=City)

    assert (run.parsed, run.rounds) == (City(name="Paris"), 1)


@both_faces
def test_a_tool_that_nothing_runs_is_refused_before_anything_is_sent(face: Face, clock: VirtualClock) -> None:
    server = Server(clock, answer())
    model = face.model(server).bind_tools([look_up, {"name": "elsewhere"}])

    with pytest.raises(ConfigError, match="nothing runs the tools elsewhere: give them a function"):
        face.ask("run_tools", model, clock, QUESTION)

    assert server.requests == []


def test_a_mistake_of_the_program_is_raised_as_it_is(clock: VirtualClock) -> None:
    """On either face alike, and not wrapped into a group."""

    class OutOfOrder(BaseException):
        pass

    def interrupt(city: str) -> None:
        raise OutOfOrder(city)

    for face in FACES.values():
        model = face.model(Server(clock, called(LOOK, replace(LOOK, id="2"))))
        with pytest.raises(OutOfOrder):
            face.ask("run_tools", model, clock, QUESTION, tools=[as_tool(interrupt, name="look_up")])


TENANT = ContextVar("tenant", default="nobody")


def test_tools_run_in_the_context_of_the_caller() -> None:
    """In other threads, too: what is current for the caller, such as a span, is current for them."""
    server = Server(SystemClock(), called(LOOK, replace(LOOK, id="2")), answer())
    model = BLOCKING.model(server)

    def tenant(city: str) -> str:
        return TENANT.get()

    token = TENANT.set("red")
    model.run_tools(QUESTION, tools=[as_tool(tenant, name="look_up")])
    TENANT.reset(token)

    assert results_in(server.requests[1]) == ["red", "red"]
