"""What a caller holds: names, clients, the small interface, several calls, others like it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module

import httpx2
import pytest
from exchanges import BLOCKING, QUESTION, answer, both_faces, every_wire, failure, said, stream_of
from pydantic import BaseModel
from wires import FACES, WIRES, Face, Server, Wire

import tapeline
from tapeline.capabilities import ModelInfo
from tapeline.client import LLM, chat_model
from tapeline.clock import VirtualClock
from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.types import ChatModel, ChatRequest, HealthChecker, Tool, system, user


@pytest.mark.parametrize("name", ["gpt-5.4-mini", "openai:", ":", ""])
def test_a_name_has_a_provider_and_a_model(name: str) -> None:
    with pytest.raises(ConfigError, match="provider:model"):
        chat_model(name)


@every_wire
def test_a_client_for_the_other_face_is_refused(wire: Wire, clock: VirtualClock) -> None:
    """Before anything is sent, and with the class that is needed."""
    server = Server(clock, answer(wire))
    blocking, asyncio_model = FACES["blocking"].model(server, wire), FACES["asyncio"].model(server, wire)

    with pytest.raises(ConfigError, match=r"needs a httpx2\.\S*AsyncClient"):
        clock.run(blocking.agenerate(QUESTION))
    with pytest.raises(
        ConfigError, match=r"http_client is a httpx2\.\S*AsyncClient, but .* httpx2\.\S*Client"
    ):
        asyncio_model.generate(QUESTION)
    with pytest.raises(ConfigError):
        next(asyncio_model.stream(QUESTION))

    assert server.requests == []


SDK_CLIENTS = {"openai": ("OpenAI", "AsyncOpenAI"), "anthropic": ("Anthropic", "AsyncAnthropic")}


@pytest.mark.parametrize("name", SDK_CLIENTS)
def test_an_sdk_client_of_your_own_carries_the_call(name: str, clock: VirtualClock) -> None:
    """With its key, URL and headers, but without its retries: those are ours, or tries would multiply."""
    blocking, asyncio_class = SDK_CLIENTS[name]
    wire, sdk = WIRES[name], import_module(name)
    server = Server(clock, failure(500), failure(500), answer(wire))
    options = {"api_key": "sk-own", "base_url": "http://own.test/api", "max_retries": 5}
    headers = {"x-team": "red"}
    client = getattr(sdk, blocking)(
        **options, default_headers=headers, http_client=httpx2.Client(transport=server)
    )
    model = chat_model(wire.name, client=client, clock=clock, max_retries=0)

    with pytest.raises(LLMError) as raised:
        model.generate(QUESTION)
    with pytest.raises(
        ConfigError, match=f"client is a .*{blocking}, but this call needs a .*{asyncio_class}"
    ):
        clock.run(model.agenerate(QUESTION))

    [sent] = server.requests
    assert (raised.value.status, raised.value.attempts) == (500, 1)
    assert sent.url.startswith("http://own.test/api/")
    assert "sk-own" in (sent.headers.get("authorization") or sent.headers["x-api-key"])
    assert sent.headers["x-team"] == "red"
    model.close()
    assert not client.is_closed()


def test_only_clients_of_our_own_are_closed(clock: VirtualClock) -> None:
    """A client you brought stays open. A model whose own was closed opens another for the next call."""
    own = httpx2.Client(transport=Server(clock, answer()))
    texts = []

    for model in (chat_model("mock:m", http_client=own, clock=clock), chat_model("mock:m", clock=clock)):
        with model:
            model.generate(QUESTION)
        texts.append(model.generate("Again?").text)

    assert not own.is_closed
    assert texts == ["Paris, of course.", "Again?"]


def test_closing_before_the_first_call_opens_nothing(clock: VirtualClock) -> None:
    """For either face, over an SDK or bare."""
    for name in ("openai:m", "ollama:m"):
        model = chat_model(name, api_key="k", clock=clock)
        model.close()
        clock.run(model.aclose())


def test_the_asyncio_face_closes_its_own_client(clock: VirtualClock) -> None:
    async def main() -> None:
        async with chat_model("mock:m", clock=clock) as model:
            await model.agenerate(QUESTION)
        assert (await model.agenerate("Again?")).text == "Again?"

    clock.run(main())


# The small interface -------------------------------------------------------------------------------


def test_text_in_text_out(clock: VirtualClock) -> None:
    llm = tapeline.LLM("mock:echo", max_tokens=2, clock=clock)

    assert isinstance(llm, LLM)
    assert llm.invoke("one two three") == "one two "
    assert clock.run(llm.ainvoke("four")) == "four"


def test_a_prompt_may_be_a_message_or_several(clock: VirtualClock) -> None:
    """And a request may be answered as it is, by a server that has one already."""
    model = chat_model("mock:echo", clock=clock)
    request = ChatRequest(model="other", messages=(user("five six"),), is_stream=True)

    said = [model.generate(prompt).text for prompt in ("a", user("b"), [system("x"), user("c")])]
    with model.answer_stream(replace(request, is_stream=False)) as stream:
        streamed_text = "".join(chunk.text for chunk in stream)

    assert said == ["a", "b", "c"]
    assert (model.answer(request).text, streamed_text, stream.reply.model) == (
        "five six",
        "five six",
        "other",
    )


# Others like it ------------------------------------------------------------------------------------


def look_up(city: str) -> str:
    """Return what is known of a city."""
    return city


class Country(BaseModel):
    """A country of the world."""

    name: str


def test_tools_are_made_of_what_people_have(clock: VirtualClock) -> None:
    """Those of a call go over those of the model; the model that was bound from has none."""
    server = Server(clock, answer())
    model = BLOCKING.model(server)

    bound = model.bind_tools([look_up, Country, {"name": "elsewhere"}], tool_choice="auto")
    bound.generate(QUESTION)
    bound.generate(QUESTION, tools=[Tool(name="only")])
    bound.generate(QUESTION, tools=[], tool_choice=None)
    model.generate(QUESTION)

    bodies = [json.loads(request.body) for request in server.requests]
    names = [[tool["function"]["name"] for tool in body.get("tools", [])] for body in bodies]
    assert names == [["look_up", "Country", "elsewhere"], ["only"], [], []]
    with pytest.raises(ConfigError, match="3 is no tool"):
        model.bind_tools([3])


def test_a_model_says_what_it_is() -> None:
    """And is what the protocols ask for."""
    model = chat_model("anthropic:claude-haiku-5-5", api_key="k")

    assert isinstance(model, ChatModel)
    assert isinstance(model, HealthChecker)
    assert (model.name, model.provider) == ("claude-haiku-5-5", "anthropic")
    assert model.info == ModelInfo(
        name="claude-haiku-5-5",
        provider="anthropic",
        capabilities=model.codec.capabilities("claude-haiku-5-5"),
    )


def test_a_request_is_answered_as_it_is(clock: VirtualClock) -> None:
    """Whoever has one already, such as a server, is not told what may be in it: the provider is."""
    wire = WIRES["anthropic"]
    server = Server(clock, answer(wire), stream_of(wire))
    model = BLOCKING.model(server, wire, max_tokens=9)
    request = ChatRequest(model="other", messages=(user(QUESTION),), temperature=0.5)

    model.answer(replace(request, is_stream=True))
    list(model.answer_stream(request))

    bodies = [json.loads(request.body) for request in server.requests]
    assert [(body["model"], body["temperature"], body.get("stream", False)) for body in bodies] == [
        ("other", 0.5, False),
        ("other", 0.5, True),
    ]


# Several calls -------------------------------------------------------------------------------------


@both_faces
def test_a_batch_keeps_the_order_of_its_prompts(face: Face, clock: VirtualClock) -> None:
    """A prompt may be anything that generate takes; none is a batch too."""
    model = chat_model("mock:echo", clock=clock)
    prompts = ["a", user("b"), [system("Be brief."), user("c")]]

    replies = face.ask("batch", model, clock, prompts, max_tokens=9)

    assert [reply.text for reply in replies] == ["a", "b", "c"]
    assert face.ask("batch", model, clock, []) == []


@both_faces
def test_a_call_that_failed_is_an_error_in_its_place(face: Face, clock: VirtualClock) -> None:
    """The others are answered all the same; an answer that does not fit its schema counts as failed."""
    misfit = said("Sorry.")
    server = Server(clock, said("{}"), failure(401), misfit, misfit, said("{}"))
    model = face.model(server)

    results = face.ask("batch", model, clock, [QUESTION] * 4, max_concurrency=1, schema={"type": "object"})

    parsed = [result.code if isinstance(result, LLMError) else result.parsed for result in results]
    assert parsed == [{}, ErrorCode.AUTHENTICATION_ERROR, ErrorCode.INVALID_RESPONSE, {}]


def test_a_batch_runs_so_many_calls_at_a_time(clock: VirtualClock) -> None:
    """Six calls of a second, two at a time, take three seconds: in parallel, and no more than that."""
    server = Server(clock, answer(due_s=1.0))

    clock.run(FACES["asyncio"].model(server).abatch([QUESTION] * 6, max_concurrency=2))

    assert server.asked_at_s == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]


@both_faces
def test_a_batch_with_a_mistake_in_it_is_not_begun(face: Face, clock: VirtualClock) -> None:
    server = Server(clock, answer())
    model = face.model(server)

    with pytest.raises(ConfigError, match="max_concurrency=0"):
        face.ask("batch", model, clock, [QUESTION], max_concurrency=0)
    with pytest.raises(ConfigError, match="unknown option temprature"):
        face.ask("batch", model, clock, [QUESTION], temprature=1)
    with pytest.raises(TypeError, match="put the one you have into a list"):
        face.ask("batch", model, clock, "one prompt, not one for each letter")

    assert server.requests == []
