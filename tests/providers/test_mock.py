"""The mock: answers from the request alone, in OpenAI's wire format."""

from __future__ import annotations

import httpx2
import pytest

import tapeline
from tapeline.client import ProviderModel
from tapeline.clock import VirtualClock
from tapeline.http.transport import HandlerTransport
from tapeline.latency.pacing import Simulated
from tapeline.latency.profile import Constant, LatencyProfile
from tapeline.providers.mock import MockHandler
from tapeline.types import Usage


def model_over(handler: MockHandler, clock: VirtualClock | None = None) -> ProviderModel:
    clock = clock or VirtualClock()
    client = httpx2.Client(transport=HandlerTransport(handler, clock))
    return tapeline.chat_model("mock:any", http_client=client, clock=clock)


def test_it_echoes_the_last_message() -> None:
    reply = model_over(MockHandler()).generate([tapeline.system("Be brief."), tapeline.user("Say it back.")])

    assert (reply.text, reply.finish_reason) == ("Say it back.", "stop")
    assert reply.usage == Usage(input_tokens=5, output_tokens=3)


def test_replies_are_said_in_turn_and_the_last_for_ever() -> None:
    model = model_over(MockHandler(["one", "two"]))

    assert [model.generate("?").text for _ in range(4)] == ["one", "two", "two", "two"]


@pytest.mark.parametrize("text", ["one two three", "  spaced   out ", "", "one\ntwo\n"])
def test_a_stream_says_word_by_word_what_a_plain_answer_says_at_once(text: str) -> None:
    with model_over(MockHandler([text])).stream("?") as stream:
        chunks = [chunk.text for chunk in stream if chunk.text]

    assert "".join(chunks) == stream.reply.text == model_over(MockHandler([text])).generate("?").text
    assert stream.reply.usage.output_tokens == len(chunks)


def test_max_tokens_cuts_the_answer() -> None:
    reply = model_over(MockHandler(["one two three"])).generate("?", max_tokens=2)

    assert (reply.text, reply.finish_reason) == ("one two ", "length")


def test_a_pace_lets_it_take_its_time() -> None:
    clock = VirtualClock()
    profile = LatencyProfile(name="even", ttft=Constant(1.0), gap=Constant(0.25))

    with model_over(MockHandler(["a b c"], pace=Simulated(profile)), clock).stream("?") as stream:
        list(stream)

    assert stream.reply.timing.chunk_at_s == (1.0, 1.25, 1.5)
