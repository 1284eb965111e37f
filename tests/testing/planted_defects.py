"""Providers with one defect each, and the check of the contract that has to see it.

Not collected from here: tests/test_testing.py runs it in a pytest of its own.
"""

# ruff: noqa: N801 - what is spoilt is a class in place of an attribute

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import httpx2
import schoolchild

import tapeline
from tapeline.client import ProviderModel
from tapeline.clock import Clock
from tapeline.config import Settings
from tapeline.errors import ErrorCode, LLMError
from tapeline.http.carriers import Carrier
from tapeline.providers.mock import MockCodec
from tapeline.registry import Clients, Provider, find_provider
from tapeline.testing import ProviderContract
from tapeline.types import ChatRequest, Chunk, HttpRequest, Message, Reply, Text, ToolCall, Usage


class TestSound(ProviderContract):
    """No defect: what all the others are but for one thing. It passes the checks that they fail."""

    name = "mock:schoolchild"
    has_keys = False
    has_models = False
    codec: ClassVar[type[MockCodec]] = MockCodec
    model_class: ClassVar[type[ProviderModel]] = ProviderModel
    caught_by: ClassVar[str] = ""

    @staticmethod
    def carrier(sound: Carrier) -> Any:
        return sound

    def provider(self, settings: Settings, clients: Clients, clock: Clock) -> Provider:
        mock = tapeline.Mock(replies=schoolchild.answer)
        sound = find_provider("mock")(settings, replace(clients, client=mock), clock)
        return replace(sound, codec=self.codec(), carrier=self.carrier(sound.carrier))

    def chat_model(self, name: str | None = None, **settings: Any) -> ProviderModel:
        tapeline.register_provider("planted", self.provider)
        model = tapeline.chat_model("planted:schoolchild", **settings)
        model.__class__ = self.model_class
        return model


# In the codec -----------------------------------------------------------------------------------------


class Decoder:
    """A sound decoder, to be spoilt."""

    def __init__(self) -> None:
        self.sound = MockCodec().stream_decoder()

    def feed(self, block: bytes) -> list[Chunk]:
        return self.spoilt(self.sound.feed(block))

    def finish(self) -> list[Chunk]:
        return self.spoilt(self.sound.finish())

    def spoilt(self, chunks: list[Chunk]) -> list[Chunk]:
        return chunks


class TestLosesAChunk(TestSound):
    caught_by = "test_a_stream_says_what_a_plain_answer_says"

    class codec(MockCodec):
        class stream_decoder(Decoder):
            def spoilt(self, chunks: list[Chunk]) -> list[Chunk]:
                return [chunk for chunk in chunks if chunk.text.strip() != "of"]


class TestWaitsForTheEnd(TestSound):
    caught_by = "test_the_first_piece_does_not_wait_for_the_last"

    class codec(MockCodec):
        class stream_decoder(Decoder):
            def __init__(self) -> None:
                super().__init__()
                self.held: list[Chunk] = []

            def feed(self, block: bytes) -> list[Chunk]:
                self.held += super().feed(block)
                return []

            def finish(self) -> list[Chunk]:
                return self.held + super().finish()


class TestSaysAllAtOnce(TestSound):
    caught_by = "test_an_answer_comes_in_pieces"

    class codec(TestWaitsForTheEnd.codec):
        class stream_decoder(TestWaitsForTheEnd.codec.stream_decoder):
            def finish(self) -> list[Chunk]:
                *chunks, end = super().finish()
                return [Chunk(text="".join(chunk.text for chunk in chunks)), end]


class TestReadsBlocksAsEvents(TestSound):
    caught_by = "test_it_does_not_matter_how_bytes_are_cut[7]"

    class codec(MockCodec):
        class stream_decoder(Decoder):
            def feed(self, block: bytes) -> list[Chunk]:
                return [*self.sound.feed(block), *self.sound.feed(b"\n\n")]


class TestTakesHalfForWhole(TestSound):
    caught_by = "test_a_stream_that_breaks_off_is_an_error"

    class codec(MockCodec):
        class stream_decoder(Decoder):
            def finish(self) -> list[Chunk]:
                try:
                    return self.sound.finish()
                except LLMError:
                    return [Chunk(finish_reason="stop")]


class TestForgetsTheUsageOfStreams(TestSound):
    caught_by = "test_the_usage_of_a_stream_is_counted"

    class codec(MockCodec):
        class stream_decoder(Decoder):
            def spoilt(self, chunks: list[Chunk]) -> list[Chunk]:
                for chunk in chunks:
                    chunk.usage = None
                return chunks


class SpoiltAnswers(MockCodec):
    """A sound codec, to be spoilt."""

    def decode_response(self, body: bytes) -> Reply:  # type: ignore[override]
        return self.spoilt(MockCodec.decode_response(body))

    def spoilt(self, reply: Reply) -> Reply:
        return reply


class TestInventsUsage(TestSound):
    caught_by = "test_usage_grows_with_the_prompt"

    class codec(SpoiltAnswers):
        def spoilt(self, reply: Reply) -> Reply:
            return replace(reply, usage=Usage(input_tokens=100, output_tokens=100))


class TestCountsCharacters(TestSound):
    caught_by = "test_the_usage_of_a_stream_is_counted"

    class codec(SpoiltAnswers):
        def spoilt(self, reply: Reply) -> Reply:
            return replace(reply, usage=replace(reply.usage, output_tokens=len(reply.text)))


class TestAlwaysStops(TestSound):
    caught_by = "test_an_answer_can_be_cut_short"

    class codec(SpoiltAnswers):
        def spoilt(self, reply: Reply) -> Reply:
            return replace(reply, finish_reason="stop")


class TestHidesWhatWasSent(TestSound):
    caught_by = "test_what_the_provider_sent_is_there"

    class codec(SpoiltAnswers):
        def spoilt(self, reply: Reply) -> Reply:
            return replace(reply, wire=b"")


class TestSaysNothing(TestSound):
    caught_by = "test_an_answer_has_text"

    class codec(SpoiltAnswers):
        def spoilt(self, reply: Reply) -> Reply:
            kept = [part for part in reply.message.content if not isinstance(part, Text)]
            return replace(reply, message=Message("assistant", tuple(kept)))


class SpoiltCalls(SpoiltAnswers):
    """Each tool call a little wrong."""

    changes: ClassVar[Mapping[str, str]]

    def spoilt(self, reply: Reply) -> Reply:
        parts = [
            replace(part, **self.changes) if isinstance(part, ToolCall) else part
            for part in reply.message.content
        ]
        return replace(reply, message=Message("assistant", tuple(parts)))


class TestLosesArguments(TestSound):
    caught_by = "test_arguments_are_a_dict"

    class codec(SpoiltCalls):
        changes: ClassVar = {"raw_arguments": "{}"}


class TestGivesAllCallsOneId(TestSound):
    caught_by = "test_several_calls_can_be_told_apart"

    class codec(SpoiltCalls):
        changes: ClassVar = {"id": "call"}


class TestDropsTheToolChoice(TestSound):
    caught_by = "test_the_choice_none_calls_nothing"

    class codec(MockCodec):
        def encode_request(self, request: ChatRequest) -> HttpRequest:  # type: ignore[override]
            return MockCodec.encode_request(replace(request, tool_choice=None))


class TestCallsEveryErrorInternal(TestSound):
    caught_by = "test_a_status_has_its_meaning[401]"

    class codec(MockCodec):
        def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:  # type: ignore[override]
            return LLMError("it failed", code=ErrorCode.INTERNAL_ERROR, status=status)


class TestForgetsWhenToComeBack(TestSound):
    caught_by = "test_a_server_says_when_to_come_back"

    class codec(MockCodec):
        def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:  # type: ignore[override]
            return MockCodec.decode_error(status, {}, body)


class TestRaisesWhatItLikes(TestSound):
    caught_by = "test_an_answer_that_is_none_is_an_error[half of it]"

    class codec(MockCodec):
        def decode_response(self, body: bytes) -> Reply:  # type: ignore[override]
            try:
                return MockCodec.decode_response(body)
            except LLMError as error:
                raise KeyError("choices") from error


# In the model -----------------------------------------------------------------------------------------


class TestSwallowsErrors(TestSound):
    caught_by = "test_a_request_that_is_wrong_is_not_sent_again[401]"

    class model_class(ProviderModel):
        def generate(self, prompt: Any, **options: Any) -> Reply:
            try:
                return super().generate(prompt, **options)
            except LLMError:
                return Reply(message=tapeline.assistant(""), finish_reason="error")


class TestTriesBehindOurBack(TestSound):
    caught_by = "test_tries_are_bounded_and_counted"

    class model_class(ProviderModel):
        def generate(self, prompt: Any, **options: Any) -> Reply:
            try:
                return super().generate(prompt, **options)
            except LLMError:
                return super().generate(prompt, **options)


class TestMutatesOnBind(TestSound):
    caught_by = "test_bind_leaves_the_model_as_it_was"

    class model_class(ProviderModel):
        def bind(self, **options: Any) -> ProviderModel:
            self._defaults = super().bind(**options)._defaults
            return self


class TestRemembersOptions(TestSound):
    caught_by = "test_an_option_of_a_call_is_of_that_call"

    class model_class(ProviderModel):
        def generate(self, prompt: Any, *, schema: Any = None, **options: Any) -> Reply:
            self._defaults = self._with(options)
            return super().generate(prompt, schema=schema)


class TestTakesUnknownOptions(TestSound):
    caught_by = "test_a_mistake_is_told_before_anything_is_sent[an unknown option]"

    class model_class(ProviderModel):
        def generate(self, prompt: Any, **options: Any) -> Reply:
            options.pop("temprature", None)
            return super().generate(prompt, **options)


class TestLeaksATask(TestSound):
    caught_by = "test_a_finished_call_leaves_no_task"

    class model_class(ProviderModel):
        async def agenerate(self, prompt: Any, **options: Any) -> Reply:
            self.watch = asyncio.ensure_future(asyncio.sleep(3600))
            return await super().agenerate(prompt, **options)


class TestSwallowsCancellation(TestSound):
    caught_by = "test_a_cancelled_call_is_closed"

    class model_class(ProviderModel):
        async def agenerate(self, prompt: Any, **options: Any) -> Reply:
            try:
                return await super().agenerate(prompt, **options)
            except asyncio.CancelledError:
                return Reply(message=tapeline.assistant(""), finish_reason="error")


class TestLeavesResponsesOpen(TestSound):
    caught_by = "test_a_stream_can_be_left"

    class carrier:
        def __init__(self, sound: Carrier) -> None:
            self.sound = sound
            self.base_url = sound.base_url

        def send(self, *request: Any, **options: Any) -> httpx2.Response:
            response = self.sound.send(*request, **options)
            response.close = lambda: None  # type: ignore[method-assign]
            return response


class TestMixesUpBatches(TestSound):
    caught_by = "test_a_batch_keeps_its_order"

    class model_class(ProviderModel):
        def batch(self, prompts: Iterable[Any], **options: Any) -> list[Reply | LLMError]:
            return super().batch(list(prompts), **options)[::-1]


class TestAnswersOnePromptForAll(TestSound):
    caught_by = "test_threads_share_a_model"

    class model_class(ProviderModel):
        def generate(self, prompt: Any, **options: Any) -> Reply:
            self.__dict__.setdefault("first", prompt)
            return super().generate(self.__dict__["first"], **options)


class TestParsesNothing(TestSound):
    caught_by = "test_a_schema_gets_its_value[pydantic]"

    class model_class(ProviderModel):
        def generate(self, prompt: Any, *, schema: Any = None, **options: Any) -> Reply:
            return super().generate(prompt, **options)


class TestRaisesItsHealth(TestSound):
    caught_by = "test_health_tells_of_a_wrong_key"

    class model_class(ProviderModel):
        def check_health(self) -> tapeline.Health:
            health = super().check_health()
            if not health.is_healthy:
                raise LLMError(health.detail)
            return health


class TestShowsItsKey(TestSound):
    caught_by = "test_a_key_is_not_shown"

    class model_class(ProviderModel):
        def __repr__(self) -> str:
            return f"chat_model({self.targets[0].secrets})"


class TestAnswersOtherwiseOnAsyncio(TestSound):
    caught_by = "test_asyncio_answers_as_threads_do"

    class model_class(ProviderModel):
        async def agenerate(self, prompt: Any, **options: Any) -> Reply:
            reply = await super().agenerate(prompt, **options)
            return replace(reply, message=tapeline.assistant(reply.text.lower()))
