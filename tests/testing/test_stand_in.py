"""A server that stands in: what it says in every format, when, and what it remembers."""

from __future__ import annotations

from typing import Any

import pytest

import tapeline
from tapeline.errors import ErrorCode, LLMError
from tapeline.testing import StandIn
from tapeline.testing.stand_in import GAP_S, HEAD_S, USAGE
from tapeline.types import ChatRequest, Reply, Thinking, ToolCall, assistant

NAMES = [
    "openai:gpt-5.4-mini",
    "openai-responses:gpt-5.4-mini",
    "anthropic:claude-haiku-5-5",
    "bedrock:us.anthropic.claude-haiku-5-5-v1:0",
    "ollama:qwen3:0.6b",
    "mock:any",
]


def server_for(name: str, *answers: Any) -> StandIn:
    def build(**settings: Any) -> Any:
        given = {"base_url": "http://provider.test", "api_key": "k", **settings}
        return tapeline.chat_model(name, **given)

    return StandIn(build, build().codec, *answers)


@pytest.mark.parametrize("name", NAMES)
def test_it_speaks_every_format(name: str) -> None:
    """Plain and streamed, blocking and on asyncio."""
    server = server_for(name, "two words")

    with server.model().stream("hi") as stream:
        chunks = [chunk.text for chunk in stream if chunk.text]
    plain = server.model().generate("hi")
    other = server.run(server.async_model().agenerate("hi"))

    assert chunks == ["two ", "words"]
    assert stream.reply.text == plain.text == other.text == "two words"
    assert plain.usage.output_tokens == USAGE.output_tokens
    assert [request.is_stream for request in server.asked] == [True, False, False]


def test_its_words_take_their_time() -> None:
    server = server_for("mock:any", "a b c")

    with server.model().stream("hi") as stream:
        times = [chunk.at_s for chunk in stream if chunk.text]

    assert times == [HEAD_S, HEAD_S + GAP_S, HEAD_S + 2 * GAP_S]


def test_answers_come_in_turn_and_the_last_for_ever() -> None:
    server = server_for("mock:any", "one", "two")
    model = server.model()

    assert [model.generate("hi").text for _ in range(3)] == ["one", "two", "two"]


def test_an_answer_may_depend_on_the_request() -> None:
    def said(request: ChatRequest) -> str:
        return request.messages[-1].text.upper()

    assert server_for("mock:any", said).model().generate("hi").text == "HI"


def test_a_reply_is_given_as_it_is() -> None:
    """With thinking and tool calls, streamed too."""
    call = ToolCall(id="call_1", name="get_time", raw_arguments='{"zone": "CET"}')
    message = assistant(Thinking(text="hm, hm"), "one moment", call)
    reply = Reply(message=message, finish_reason="tool_calls", usage=USAGE, model="any", id="1")

    with server_for("mock:any", reply).model().stream("hi") as stream:
        list(stream)

    assert stream.reply.message == message


def test_a_failure_has_the_usual_status() -> None:
    server = server_for("mock:any", LLMError("later", code=ErrorCode.RATE_LIMIT))

    with pytest.raises(LLMError, match="later") as raised:
        server.model(max_retries=0).generate("hi")

    assert (raised.value.code, raised.value.status) == (ErrorCode.RATE_LIMIT, 429)


def test_it_counts_what_is_open() -> None:
    server = server_for("mock:any", "a b c")

    with server.model().stream("hi") as stream:
        next(stream)
        assert server.open_responses == 1

    assert server.open_responses == 0
