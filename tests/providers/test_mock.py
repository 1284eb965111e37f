"""The mock: it says what it was told, fails when it was told to, and takes the time it was told to take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from pydantic import BaseModel

import tapeline
from tapeline.client import ProviderModel
from tapeline.clock import NS_PER_S, VirtualClock
from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.http.transport import HandlerTransport
from tapeline.latency.pacing import IncomingRequest, Recorded, Simulated
from tapeline.latency.profile import Constant, LatencyProfile
from tapeline.providers.errors import status_of_code
from tapeline.providers.mock import Mock
from tapeline.providers.mock.faults import BODY_OF_CODE, SAID_BY_STATUS
from tapeline.types import ChatRequest, Message, Refusal, Reply, Text, Thinking, Tool, ToolCall, Usage

EVEN = LatencyProfile(name="even", ttft=Constant(1.0), gap=Constant(0.25))
WEATHER = Tool(
    name="get_weather",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
        "required": ["city"],
    },
)
CALL = ToolCall(id="call-1", name="get_weather", raw_arguments='{"city": "Paris"}')


def model_of(mock: Mock, clock: VirtualClock | None = None, **settings: Any) -> ProviderModel:
    return tapeline.chat_model(
        "mock:any", client=mock, clock=clock or VirtualClock(), **{"max_retries": 0} | settings
    )


def ask(model: ProviderModel, prompt: Any = "?", **fields: Any) -> Reply:
    """Send a request with tools, which a model takes as options of its own kind."""
    messages = (tapeline.user(prompt),) if isinstance(prompt, str) else prompt
    return model.answer(ChatRequest(model="any", messages=messages, **fields))


def outcome(ask: Callable[[], Reply]) -> str:
    """The text of an answer, or the code of the error that came in its place."""
    try:
        return ask().text
    except LLMError as error:
        return error.code.value


# What it says ---------------------------------------------------------------------------------------


def test_it_echoes_the_last_message() -> None:
    reply = model_of(Mock()).generate([tapeline.system("Be brief."), tapeline.user("Say it back.")])

    assert (reply.text, reply.finish_reason, reply.model) == ("Say it back.", "stop", "any")
    assert reply.usage == Usage(input_tokens=5, output_tokens=3, cached_input_tokens=0)


def test_it_echoes_the_result_of_a_tool() -> None:
    asked = (tapeline.user("Weather?"), tapeline.assistant(CALL), tapeline.tool_result("call-1", "Sunny."))

    assert ask(model_of(Mock()), asked).text == "Sunny."


def test_it_is_there_without_being_made() -> None:
    assert tapeline.chat_model("mock:any", clock=VirtualClock()).generate("Hello!").text == "Hello!"


def test_replies_are_said_in_turn_and_the_last_for_ever() -> None:
    model = model_of(Mock(replies=["one", "two"]))

    assert [model.generate("?").text for _ in range(4)] == ["one", "two", "two", "two"]


LINES: dict[str, tuple[Any, Message, str]] = {
    "text": ("Hi there.", tapeline.assistant("Hi there."), "stop"),
    "a part": (Text("Hi."), tapeline.assistant("Hi."), "stop"),
    "no text": ("", Message("assistant", ()), "stop"),
    "a mapping, as JSON": ({"a": [1, "b"]}, tapeline.assistant('{"a": [1, "b"]}'), "stop"),
    "a tool call": (CALL, tapeline.assistant(CALL), "tool_calls"),
    "a message": (
        tapeline.assistant(Thinking(text="Hm."), "I look.", CALL),
        tapeline.assistant(Thinking(text="Hm."), "I look.", CALL),
        "tool_calls",
    ),
    "a refusal": (Refusal("I will not."), tapeline.assistant(Refusal("I will not.")), "stop"),
    "a function": (
        lambda request: f"You said {request.messages[-1].text}",
        tapeline.assistant("You said ?"),
        "stop",
    ),
}


@pytest.mark.parametrize(("line", "message", "finish_reason"), LINES.values(), ids=LINES.keys())
def test_a_reply_is_what_it_is_written_as(line: Any, message: Message, finish_reason: str) -> None:
    """Alone or in a list, plain or streamed."""
    plain = model_of(Mock(replies=line)).generate("?")
    with model_of(Mock(replies=[line])).stream("?") as stream:
        list(stream)

    assert plain.message == stream.reply.message == message
    assert plain.finish_reason == stream.reply.finish_reason == finish_reason
    assert plain.usage == stream.reply.usage


def test_several_tool_calls_are_told_apart_in_a_stream() -> None:
    calls = (CALL, ToolCall(id="call-2", name="get_time"))

    with model_of(Mock(replies=tapeline.assistant(*calls))).stream("?") as stream:
        list(stream)

    assert stream.reply.tool_calls == calls


def test_a_reply_is_given_as_it_is() -> None:
    """Only what it does not say is filled in."""
    written = Reply(
        message=tapeline.assistant("one two three"),
        finish_reason="content_filter",
        usage=Usage(output_tokens=99),
        model="other",
        id="r-1",
    )

    reply = model_of(Mock(replies=written, thinking="Hm.")).generate("?", max_tokens=1)

    assert (reply.text, reply.thinking, reply.finish_reason) == ("one two three", "", "content_filter")
    assert (reply.model, reply.id) == ("other", "r-1")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (1, 99)


@pytest.mark.parametrize("text", ["one two three", "  spaced   out ", "", "one\ntwo\n"])
def test_a_stream_says_word_by_word_what_a_plain_answer_says_at_once(text: str) -> None:
    with model_of(Mock(replies=text)).stream("?") as stream:
        chunks = [chunk.text for chunk in stream if chunk.text]

    assert "".join(chunks) == stream.reply.text == model_of(Mock(replies=text)).generate("?").text
    assert stream.reply.usage.output_tokens == len(chunks)


LIMITS = {
    "too long": ({"max_tokens": 2}, "one two ", "length"),
    "just long enough": ({"max_tokens": 4}, "one two three four", "stop"),
    "a stop word": ({"stop": ["three"]}, "one two ", "stop"),
    "the first of several": ({"stop": ["four", "two"]}, "one ", "stop"),
    "both": ({"stop": "three", "max_tokens": 1}, "one ", "length"),
}


@pytest.mark.parametrize(("options", "text", "finish_reason"), LIMITS.values(), ids=LIMITS.keys())
def test_the_limits_of_a_request_hold(options: dict[str, Any], text: str, finish_reason: str) -> None:
    reply = model_of(Mock(replies="one two three four")).generate("?", **options)

    assert (reply.text, reply.finish_reason) == (text, finish_reason)


def test_it_thinks_before_it_speaks() -> None:
    reply = model_of(Mock(thinking="Let me see.")).generate("Hi.")

    assert (reply.thinking, reply.text) == ("Let me see.", "Hi.")
    assert (reply.usage.output_tokens, reply.usage.reasoning_tokens) == (4, 3)


def test_figures_of_usage_can_be_set() -> None:
    mock = Mock(usage=Usage(input_tokens=1000, cached_input_tokens=900))

    assert model_of(mock).generate("Hi there.").usage == Usage(
        input_tokens=1000, output_tokens=2, cached_input_tokens=900
    )


# What it makes up -----------------------------------------------------------------------------------


def test_made_up_answers_have_the_length_asked_for() -> None:
    model = model_of(Mock(words=(3, 5)))

    lengths = {len(model.generate(f"Question {n}").text.split()) for n in range(40)}

    assert lengths == {3, 4, 5}
    assert len(model_of(Mock(words=7)).generate("?").text.split()) == 7


def test_a_made_up_answer_belongs_to_its_request_and_the_seed() -> None:
    """Pinned: the same on every machine."""
    mock = Mock(words=(4, 8))

    with model_of(mock).stream("Why?") as stream:
        list(stream)

    again = model_of(mock).generate("Why?", max_tokens=100).text
    elsewhere = model_of(Mock(words=(4, 8))).generate("Why?").text
    assert stream.reply.text == again == elsewhere == "At this place these not small."
    assert model_of(mock).generate("How?").text != again
    assert model_of(Mock(words=(4, 8), seed=1)).generate("Why?").text != again


def test_variability_lets_the_length_of_repeats_differ() -> None:
    model = model_of(Mock(words=100, variability=0.2))

    lengths = [len(model.generate("?").text.split()) for _ in range(30)]

    assert len(set(lengths)) > 10
    assert 80 <= min(lengths) < 90 < 110 < max(lengths) <= 120


class Person(BaseModel):
    name: str
    age: int


def test_without_a_script_a_schema_gets_an_instance() -> None:
    assert model_of(Mock(words=5)).generate("Who?", schema=Person).parsed == Person(name="text", age=0)


def test_a_mapping_is_a_structured_answer() -> None:
    mock = Mock(replies={"name": "Ada", "age": 36})

    assert model_of(mock).generate("Who?", schema=Person).parsed == Person(name="Ada", age=36)


FORCED = {
    "required": ("required", ['{"city": "text"}']),
    "by name": ("get_weather", ['{"city": "text"}']),
    "auto": ("auto", []),
    "none": ("none", []),
    "unsaid": (None, []),
}


@pytest.mark.parametrize(("tool_choice", "arguments"), FORCED.values(), ids=FORCED.keys())
def test_a_tool_that_must_be_called_is_called(tool_choice: str | None, arguments: list[str]) -> None:
    reply = ask(model_of(Mock()), tools=(WEATHER,), tool_choice=tool_choice)

    assert [call.raw_arguments for call in reply.tool_calls] == arguments
    assert [call.name for call in reply.tool_calls] == ["get_weather"] * len(arguments)


def test_a_tool_that_is_not_offered_cannot_be_called() -> None:
    with pytest.raises(LLMError, match="no such tool is offered") as caught:
        ask(model_of(Mock()), tools=(WEATHER,), tool_choice="get_time")

    assert (caught.value.code, caught.value.status) == (ErrorCode.INVALID_REQUEST, 400)


def test_tool_calls_come_before_the_answer() -> None:
    """Until a tool has answered, and only where tools are offered."""
    model = model_of(Mock(tool_calls=[CALL], replies="Sunny."))
    question = tapeline.user("Weather?")
    result = tapeline.tool_result("call-1", "20 degrees")

    first = ask(model, (question,), tools=(WEATHER,))
    second = ask(model, (question, first.message, result), tools=(WEATHER,))
    third = ask(model, (question, first.message, result, second.message, question), tools=(WEATHER,))

    assert first.tool_calls == third.tool_calls == (CALL,)
    assert (second.text, second.tool_calls) == ("Sunny.", ())
    assert ask(model).text == ask(model, tools=(WEATHER,), tool_choice="none").text == "Sunny."


# What goes wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted({*SAID_BY_STATUS, *BODY_OF_CODE}), ids=str)
@pytest.mark.parametrize("verb", ["generate", "stream"])
def test_an_error_takes_the_real_way(code: ErrorCode, verb: str) -> None:
    """From a status and a body back to the code."""
    model = model_of(Mock(replies=code))

    with pytest.raises(LLMError) as caught:
        list(getattr(model, verb)("?"))

    status = status_of_code(code) if code in SAID_BY_STATUS else None
    assert (caught.value.code, caught.value.status) == (code, status)


def test_an_error_says_what_a_server_would() -> None:
    written = LLMError(
        "Slow down.", code=ErrorCode.RATE_LIMIT, status=429, request_id="req-1", retry_after_s=1.25
    )

    with pytest.raises(LLMError, match=r"Slow down\.") as caught:
        model_of(Mock(replies=written)).generate("?")

    assert (caught.value.request_id, caught.value.retry_after_s) == ("req-1", 1.25)


def test_a_retry_gets_the_answer_that_the_error_came_before() -> None:
    """Errors by number leave the script where it was."""
    mock = Mock(replies=["one", "two"], errors={1: ErrorCode.OVERLOADED, 3: LLMError("Later.")})

    model = model_of(mock, max_retries=1)

    assert [model.generate("?").text for _ in range(2)] == ["one", "two"]
    assert len(mock.calls) == 4


def test_errors_at_a_rate() -> None:
    """About as many as said, the same ones each time, and whatever the order of the requests."""

    def said(numbers: Iterable[int]) -> list[str]:
        model = model_of(Mock(error_rate=0.1, error_code=ErrorCode.OVERLOADED, replies="ok"))
        return [outcome(partial(model.generate, f"Question {number}")) for number in numbers]

    forwards, backwards = said(range(400)), said(reversed(range(400)))

    assert 25 <= forwards.count("overloaded") <= 55
    assert forwards.count("ok") + forwards.count("overloaded") == 400
    assert forwards == backwards[::-1]


def test_a_repeat_draws_anew() -> None:
    model = model_of(Mock(error_rate=0.5, replies="ok"))

    assert {outcome(lambda: model.generate("?")) for _ in range(20)} == {"ok", "internal_error"}


def test_a_stream_breaks_off_after_some_chunks() -> None:
    stream = model_of(Mock(replies="one two three", cut_after_chunks=2)).stream("?")

    with pytest.raises(LLMError) as caught:
        list(stream)

    assert caught.value.code == ErrorCode.STREAM_CLOSED
    assert caught.value.partial is not None
    assert caught.value.partial.text == "one two "


def test_one_answer_breaks_off_halfway() -> None:
    """A stream after half of its chunks, a plain answer inside its JSON."""
    mock = Mock(replies="one two three four", errors=dict.fromkeys((1, 2), ErrorCode.STREAM_CLOSED))

    with pytest.raises(LLMError) as streamed:
        list(model_of(mock).stream("?"))
    with pytest.raises(LLMError) as plain:
        model_of(mock).generate("?")

    assert streamed.value.code == ErrorCode.STREAM_CLOSED
    assert streamed.value.partial is not None
    assert streamed.value.partial.text == "one two "
    assert plain.value.code == ErrorCode.MALFORMED_RESPONSE
    assert model_of(mock).generate("?").text == "one two three four"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model": "m", "messages": []}', b"\xff"], ids=repr)
def test_what_is_no_chat_request_is_refused(body: bytes) -> None:
    mock = Mock()
    request = IncomingRequest(method="POST", url="http://mock.test/chat/completions", headers={}, body=body)

    response = mock.on(VirtualClock())(request)

    assert response.status == 400
    assert b"not a chat request" in response.blocks[0].data
    assert mock.calls == ()


def test_a_function_may_raise_the_error_that_its_caller_shall_get() -> None:
    def overloaded(request: ChatRequest) -> str:
        raise LLMError("Too much of it all.", code=ErrorCode.OVERLOADED)

    assert outcome(lambda: model_of(Mock(replies=overloaded)).generate("?")) == "overloaded"


def test_an_error_that_no_server_sends_is_a_mistake_in_the_function() -> None:
    def unplugged(request: ChatRequest) -> str:
        raise LLMError("No network.", code=ErrorCode.NETWORK_ERROR)

    with pytest.raises(ConfigError, match="no answer of a server says network_error"):
        model_of(Mock(replies=unplugged)).generate("?")


def test_a_failing_function_is_the_failure_of_its_writer() -> None:
    """Not an answer of the server."""

    def confused(request: ChatRequest) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model_of(Mock(replies=confused)).generate("?")
    with pytest.raises(ConfigError, match="'bytes' is no reply"):
        model_of(Mock(replies=lambda request: b"bytes")).generate("?")  # type: ignore[arg-type, return-value]


# When -----------------------------------------------------------------------------------------------

TEMPI: dict[str, tuple[dict[str, Any], tuple[float, ...], float]] = {
    "at once": ({}, (0.0, 0.0, 0.0), 0.0),
    "a profile": ({"profile": EVEN}, (1.0, 1.25, 1.5), 1.75),
    "a pace": ({"profile": Simulated(EVEN)}, (1.0, 1.25, 1.5), 1.75),
    "tokens a second": ({"tokens_per_s": 2.0}, (0.0, 0.5, 1.0), 1.5),
    "both": ({"profile": EVEN, "tokens_per_s": 2.0}, (1.0, 1.5, 2.0), 2.5),
}


@pytest.mark.parametrize(("settings", "chunk_at_s", "total_s"), TEMPI.values(), ids=TEMPI.keys())
def test_answers_take_their_time(
    settings: dict[str, Any], chunk_at_s: tuple[float, ...], total_s: float
) -> None:
    """A plain answer as long as its stream."""
    with model_of(Mock(replies="a b c", **settings)).stream("?") as stream:
        list(stream)
    plain = model_of(Mock(replies="a b c", **settings)).generate("?")

    assert stream.reply.timing.chunk_at_s == chunk_at_s
    assert stream.reply.timing.total_s == plain.timing.total_s == total_s


def test_a_named_profile_is_drawn_by_seed() -> None:
    def total_s(**settings: Any) -> float:
        return model_of(Mock(profile="hosted", **settings)).generate("Hello there.").timing.total_s

    assert total_s() == total_s() != total_s(seed=1)


def test_variability_lets_the_speed_of_repeats_differ() -> None:
    model = model_of(Mock(replies="a b c d", tokens_per_s=4.0, variability=0.5))

    totals_s = [model.generate("?").timing.total_s for _ in range(30)]

    assert len(set(totals_s)) == 30
    assert 0.5 <= min(totals_s) < 0.8 < 1.2 < max(totals_s) <= 1.5


# How much -------------------------------------------------------------------------------------------


def at_once(mock: Mock, calls: int, clock: VirtualClock | None = None, **settings: Any) -> list[Any]:
    """Make calls side by side; return what each came to, and when."""
    clock = clock or VirtualClock()
    model = model_of(mock, clock, **settings)

    async def call(number: int) -> tuple[str, float]:
        try:
            said = (await model.agenerate(f"Question {number}")).text
        except LLMError as error:
            said = error.code.value
        return said, clock.now_ns() / NS_PER_S

    async def main() -> list[tuple[str, float]]:
        return await asyncio.gather(*(call(number) for number in range(calls)))

    return clock.run(main())


def test_calls_too_many_are_rejected_at_once() -> None:
    mock = Mock(replies="a b", profile=EVEN, max_concurrency=2)

    assert at_once(mock, 3) == [("a b", 1.5), ("a b", 1.5), ("rate_limit", 0.0)]
    assert mock.peak_concurrency == 2


def test_a_rejected_call_hears_when_to_come_back() -> None:
    """And gets its answer then."""
    mock = Mock(replies="a b", profile=EVEN, max_concurrency=2)

    assert at_once(mock, 3, max_retries=1) == [("a b", 1.5), ("a b", 1.5), ("a b", 3.0)]


def test_calls_too_many_can_queue() -> None:
    """First come, first served."""
    mock = Mock(replies="a b", profile=EVEN, max_concurrency=2, when_full="queue")

    assert [at_s for _, at_s in at_once(mock, 5)] == [1.5, 1.5, 3.0, 3.0, 4.5]
    assert mock.peak_concurrency == 5


def test_calls_one_after_the_other_are_never_too_many() -> None:
    model = model_of(Mock(profile=EVEN, max_concurrency=1))

    assert [model.generate("Hi.").text for _ in range(3)] == ["Hi."] * 3


def test_a_limit_of_calls_a_minute() -> None:
    """The third comes 5 s after the first, and so 55 s too early."""
    clock = VirtualClock()
    mock = Mock(replies="ok", requests_per_minute=2)
    model = model_of(mock, clock)

    said = [model.generate("?").text]
    clock.sleep(5)
    said.append(model.generate("?").text)
    with pytest.raises(LLMError) as caught:
        model.generate("?")
    clock.sleep(55)
    said.append(model.generate("?").text)

    assert said == ["ok"] * 3
    assert (caught.value.code, caught.value.retry_after_s) == (ErrorCode.RATE_LIMIT, 55.0)


def test_memory_is_held_while_an_answer_is_in_flight() -> None:
    """A token of prompt, three of answer: 40 bytes for each call."""
    clock = VirtualClock()
    mock = Mock(replies="a b c", profile=EVEN, memory_bytes_per_token=10)
    model = model_of(mock, clock)

    with model.stream("?") as stream:
        next(stream)
        held_bytes = mock.memory_bytes
        list(stream)

    assert (held_bytes, mock.memory_bytes, mock.peak_memory_bytes) == (40, 0, 40)


def test_memory_of_calls_side_by_side_adds_up() -> None:
    mock = Mock(replies="a b", profile=EVEN, memory_bytes_per_token=10)

    at_once(mock, 3)

    assert (mock.memory_bytes, mock.peak_memory_bytes, mock.peak_concurrency) == (0, 120, 3)


def test_what_was_in_flight_on_another_clock_is_in_nobodys_way() -> None:
    mock = Mock(replies="a b", profile=EVEN, max_concurrency=1)

    first, second = (at_once(mock, 1) for _ in range(2))

    assert first == second == [("a b", 1.5)]


# What it remembers ----------------------------------------------------------------------------------


def test_it_remembers_what_it_was_asked() -> None:
    mock = Mock(errors={2: ErrorCode.RATE_LIMIT})
    model = model_of(mock)

    for prompt in ("one", "two"):
        outcome(lambda prompt=prompt: model.generate(prompt, temperature=0.5))

    assert [call.messages[-1].text for call in mock.calls] == ["one", "two"]
    assert [call.temperature for call in mock.calls] == [0.5, 0.5]


def test_it_can_be_told_to_remember_less() -> None:
    mock = Mock(calls_kept=1)
    model = model_of(mock)

    model.generate("one")
    model.generate("two")

    assert [call.messages[-1].text for call in mock.calls] == ["two"]


def test_after_a_reset_it_is_as_new() -> None:
    mock = Mock(
        replies=["one", "two"],
        errors={2: ErrorCode.OVERLOADED},
        tokens_per_s=10,
        variability=0.5,
        memory_bytes_per_token=1,
    )

    def run() -> list[Any]:
        model = model_of(mock)
        said = [outcome(lambda: model.generate("?")) for _ in range(3)]
        return [*said, model.generate("?").timing.total_s, mock.calls, mock.peak_memory_bytes]

    first = run()
    mock.reset()

    assert (mock.calls, mock.peak_memory_bytes, mock.peak_concurrency) == ((), 0, 0)
    assert run() == first


def test_threads_may_share_it() -> None:
    """Each reply is said once, each call counted."""
    mock = Mock(replies=[str(number) for number in range(200)])
    model = model_of(mock)
    said: list[str] = []

    def talk() -> None:
        said.extend(model.generate("?").text for _ in range(25))

    threads = [threading.Thread(target=talk) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(int, said)) == list(range(200))
    assert len(mock.calls) == 200


def test_a_function_may_ask_the_same_mock() -> None:
    mock = Mock(replies=[lambda request: model.generate("inner").text.upper(), "answer"])
    model = model_of(mock)

    assert model.generate("outer").text == "ANSWER"


def test_other_clients_of_the_format_can_talk_to_it() -> None:
    """Here the vendor's own."""
    clock = VirtualClock()
    http_client = httpx2.Client(transport=HandlerTransport(Mock(replies=[CALL]).on(clock), clock))
    client = OpenAI(api_key="k", base_url="http://mock.test/v1", http_client=http_client)

    answer = client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Weather?"}])

    [call] = answer.choices[0].message.tool_calls or []
    assert (call.id, call.type, answer.choices[0].finish_reason) == ("call-1", "function", "tool_calls")


# Settings -------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no words": ({"words": 0}, "words is how many"),
    "words reversed": ({"words": (5, 3)}, "words is how many"),
    "a rate above 1": ({"error_rate": 1.5}, "error_rate is a share from 0 to 1"),
    "call 0": ({"errors": {0: ErrorCode.TIMEOUT}}, "numbered from 1"),
    "a code's name": ({"errors": {1: "overloaded"}}, "an ErrorCode or an LLMError, not 'overloaded'"),
    "an error no server sends": ({"errors": {1: ErrorCode.CASSETTE_MISS}}, "no answer of a server says"),
    "a reply no server sends": ({"replies": [ErrorCode.STREAM_CLOSED]}, "no answer of a server says"),
    "too variable": ({"variability": 1.0}, "variability is a share"),
    "an unknown profile": ({"profile": "hostde"}, "use hosted, hosted-slow, local or a LatencyProfile"),
    "no speed": ({"tokens_per_s": 0.0}, "tokens_per_s is more than 0"),
    "two speeds": ({"profile": Recorded(), "tokens_per_s": 5.0}, "leave tokens_per_s out"),
    "no concurrency": ({"max_concurrency": 0}, "max_concurrency is at least 1"),
    "no calls a minute": ({"requests_per_minute": 0}, "requests_per_minute is at least 1"),
    "neither reject nor queue": ({"when_full": "wait"}, "when_full is reject or queue"),
    "less than no memory": ({"memory_bytes_per_token": -1}, "memory_bytes_per_token is 0 or more"),
    "less than no chunks": ({"cut_after_chunks": -1}, "cut_after_chunks is 0 or more"),
}


@pytest.mark.parametrize(("settings", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Mock(**settings)


def test_another_client_is_no_mock() -> None:
    with pytest.raises(ConfigError, match=r"must be a tapeline\.Mock, not 'object'"):
        tapeline.chat_model("mock:any", client=object())
