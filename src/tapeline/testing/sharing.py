"""Checks of many callers at once: threads, tasks, batches and event loops that share one model."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tapeline.errors import ErrorCode, LLMError
from tapeline.testing.prompts import QUESTION
from tapeline.testing.stand_in import HEAD_S, Answer
from tapeline.testing.streams import read
from tapeline.testing.subject import Subject
from tapeline.testing.verdicts import require
from tapeline.types import ChatRequest, Reply

THREADS = 16
TASKS = 50


def echo(request: ChatRequest) -> str:
    """Say what was asked, so that mixed-up answers are seen."""
    return f"you said {request.messages[-1].text}"


def wanted(count: int) -> list[str]:
    return [f"you said number {number}" for number in range(count)]


def texts(replies: Any) -> list[str]:
    return [reply.text if isinstance(reply, Reply) else repr(reply) for reply in replies]


class SharingChecks(Subject):
    """What a model does for many at once: to each his own answer."""

    def test_threads_share_a_model(self) -> None:
        """Sixteen of them, and none gets the answer of another."""
        model = self.stand_in(echo).model()
        prompts = [f"number {number}" for number in range(THREADS)]

        with ThreadPoolExecutor(THREADS) as pool:
            came = texts(pool.map(model.generate, prompts))

        require(came == wanted(THREADS), "to each thread its own answer", came)

    def test_threads_share_a_model_for_streams(self) -> None:
        """The same for streams."""
        model = self.stand_in(echo).model()
        prompts = [f"number {number}" for number in range(THREADS)]

        with ThreadPoolExecutor(THREADS) as pool:
            came = texts(pool.map(lambda prompt: read(model.stream(prompt))[1], prompts))

        require(came == wanted(THREADS), "to each thread its own answer", came)

    def test_tasks_share_a_model(self) -> None:
        """Fifty of them, at the same time: together they take as long as one."""
        server = self.stand_in(echo)

        async def ask() -> list[Reply]:
            model = server.async_model()
            return await asyncio.gather(*(model.agenerate(f"number {number}") for number in range(TASKS)))

        came = texts(server.run(ask()))
        require(came == wanted(TASKS), "to each task its own answer", came)
        require(server.now_s == HEAD_S, f"all of them after {HEAD_S} s", server.now_s)

    def test_streams_of_tasks_do_not_mix(self) -> None:
        """Their chunks come in turn, and each goes to its own stream."""
        server = self.stand_in(echo)

        async def ask() -> list[str]:
            model = server.async_model()

            async def one(number: int) -> str:
                async with model.astream(f"number {number}") as stream:
                    return "".join([chunk.text async for chunk in stream])

            return await asyncio.gather(*(one(number) for number in range(TASKS)))

        came = server.run(ask())
        require(came == wanted(TASKS), "to each task its own stream", came)

    def test_a_batch_keeps_its_order(self) -> None:
        """The results are in the order of the prompts."""
        model = self.stand_in(echo).model()

        came = texts(model.batch([f"number {number}" for number in range(20)]))

        require(came == wanted(20), "results in the order of the prompts", came)

    def test_a_batch_on_asyncio_keeps_its_order_and_its_bound(self) -> None:
        """No more calls at a time than max_concurrency."""
        server = self.stand_in(echo)
        prompts = [f"number {number}" for number in range(6)]

        async def ask() -> list[Reply | LLMError]:
            return await server.async_model().abatch(prompts, max_concurrency=2)

        came = texts(server.run(ask()))
        require(came == wanted(6), "results in the order of the prompts", came)
        require(server.now_s == 3 * HEAD_S, f"six calls, two at a time, in {3 * HEAD_S} s", server.now_s)

    def test_a_failure_spares_the_rest_of_a_batch(self) -> None:
        """Its error stands where its answer would; the others have theirs."""

        def second_fails(request: ChatRequest) -> Answer:
            error = LLMError("no", code=ErrorCode.INVALID_REQUEST)
            return error if "number 1" in request.messages[-1].text else echo(request)

        came = self.stand_in(second_fails).model().batch([f"number {number}" for number in range(3)])

        kinds = [type(result).__name__ for result in came]
        require([isinstance(result, LLMError) for result in came] == [False, True, False], "one error", kinds)
        require(texts(came)[::2] == wanted(3)[::2], "the other two answers", texts(came))

    def test_an_empty_batch_is_empty(self) -> None:
        """And sends nothing."""
        server = self.stand_in(echo)

        came = server.model().batch([])

        require(came == [] and not server.incoming, "no results and no requests", came)

    def test_a_model_outlives_its_event_loop(self) -> None:
        """One after the other may use it, as with asyncio.run in a script."""
        server = self.stand_in(echo)
        model = server.async_model()

        came = texts([server.run(model.agenerate(f"number {number}")) for number in range(3)])

        require(came == wanted(3), "an answer on each of three event loops", came)

    def test_a_blocking_call_works_inside_an_event_loop(self) -> None:
        """As in a notebook."""
        server = self.stand_in(echo)

        async def ask() -> str:
            return server.model().generate("number 0").text

        came = server.run(ask())
        require([came] == wanted(1), f"{wanted(1)}", came)

    def test_different_options_do_not_mix(self) -> None:
        """Models made from one another at work at the same time keep their own."""
        server = self.stand_in("fine")
        model = server.model()

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda n: model.bind(max_tokens=100 + n).generate(QUESTION), range(THREADS)))

        came = sorted(request.max_tokens or 0 for request in server.asked)
        require(came == list(range(100, 100 + THREADS)), "each call with its own max_tokens", came)
