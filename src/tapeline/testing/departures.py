"""Checks of callers that leave early: the response is closed, no task stays behind, nothing is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tapeline.client import ProviderModel
from tapeline.testing.prompts import QUESTION
from tapeline.testing.stand_in import GAP_S, HEAD_S, StandIn
from tapeline.testing.subject import Subject
from tapeline.testing.verdicts import require

LONG = "a long answer of which hardly anybody reads more than the first few words"
SOON_S = HEAD_S + GAP_S
"""When some of it has come, and not all."""


async def read_all(model: ProviderModel) -> None:
    """Read a stream to its end."""
    async with model.astream(QUESTION) as stream:
        async for _ in stream:
            pass


async def cancelled(task: asyncio.Task[object], after_s: float) -> bool:
    """Cancel a task after a while, and return whether it ended as cancelled tasks do."""
    await asyncio.sleep(after_s)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return task.cancelled()


class DepartureChecks(Subject):
    """What is left of a call that its caller no longer wants."""

    def test_a_stream_can_be_left(self) -> None:
        """At any chunk; the response is closed at once."""
        server = self.stand_in(LONG)

        with server.model().stream(QUESTION) as stream:
            next(stream)
            require(server.open_responses == 1, "an open response while it is read", server.open_responses)

        require(server.open_responses == 0, "no open response afterwards", server.open_responses)

    def test_what_had_come_is_kept(self) -> None:
        """The reply of a stream that was left is as far as it was read."""
        with self.stand_in(LONG).model().stream(QUESTION) as stream:
            first = next(chunk.text for chunk in stream if chunk.text)

        text = stream.reply.text
        require(text.startswith(first) and text != LONG, f"the first words, {first!r}", text)

    def test_an_exception_closes_the_stream(self) -> None:
        """The caller's own goes through, as it is."""
        server = self.stand_in(LONG)

        with suppress(ZeroDivisionError), server.model().stream(QUESTION) as stream:
            next(stream)
            1 / 0  # noqa: B018 - a caller's mistake

        require(server.open_responses == 0, "no open response afterwards", server.open_responses)

    def test_a_plain_answer_leaves_nothing_open(self) -> None:
        """Nor does one that failed, nor a whole stream."""
        server = self.stand_in(LONG)
        model = server.model()

        model.generate(QUESTION)
        with model.stream(QUESTION) as stream:
            list(stream)

        require(server.open_responses == 0, "no open response afterwards", server.open_responses)

    def test_an_asyncio_stream_can_be_left(self) -> None:
        """As one of a thread can."""
        server = self.stand_in(LONG)

        async def leave() -> int:
            async with server.async_model().astream(QUESTION) as stream:
                await anext(stream)
            return server.open_responses

        still_open = server.run(leave())
        require(still_open == 0, "no open response once it is left", still_open)

    def test_a_cancelled_stream_is_closed(self) -> None:
        """CancelledError goes through; no response stays open and no task stays behind."""
        self._cancel(read_all)

    def test_a_cancelled_call_is_closed(self) -> None:
        """The same for a plain one, whether it has been answered or not."""
        self._cancel(lambda model: model.agenerate(QUESTION), after_s=HEAD_S / 2)

    def _cancel(self, ask: Callable[[ProviderModel], Awaitable[object]], *, after_s: float = SOON_S) -> None:
        server = self.stand_in(LONG)

        async def ask_and_cancel() -> tuple[bool, int, set[str]]:
            async def call() -> object:
                return await ask(server.async_model())

            is_cancelled = await cancelled(asyncio.ensure_future(call()), after_s)
            left = asyncio.all_tasks() - {task for task in [asyncio.current_task()] if task}
            return is_cancelled, server.open_responses, {task.get_name() for task in left}

        is_cancelled, still_open, tasks = server.run(ask_and_cancel())
        require(is_cancelled, "CancelledError to go through", "a call that went on")
        require(still_open == 0, "no open response afterwards", still_open)
        require(not tasks, "no task that stays behind", tasks)

    def test_a_finished_call_leaves_no_task(self) -> None:
        """What was started for it has ended with it."""
        server = self.stand_in(LONG)

        async def ask_and_look() -> set[str]:
            model = server.async_model()
            await model.agenerate(QUESTION)
            await read_all(model)
            left = asyncio.all_tasks() - {task for task in [asyncio.current_task()] if task}
            return {task.get_name() for task in left}

        tasks = server.run(ask_and_look())
        require(not tasks, "no task that stays behind", tasks)

    def test_a_timeout_of_the_caller_is_kept(self) -> None:
        """asyncio.timeout around a call ends it in time, as a TimeoutError."""
        server = self.stand_in(LONG)

        is_late = server.run(_within(server, SOON_S))

        require(is_late, "a TimeoutError", "an answer")
        require(server.now_s == SOON_S, f"it after {SOON_S} s", server.now_s)
        require(server.open_responses == 0, "no open response afterwards", server.open_responses)


async def _within(server: StandIn, limit_s: float) -> bool:
    """Read a stream under a limit, and return whether that ended it."""
    try:
        async with asyncio.timeout(limit_s):
            await read_all(server.async_model())
    except TimeoutError:
        return True
    return False
