"""The two ways to do I/O, behind one face: what the client's core awaits.

`BlockingIo` never suspends, so `run_blocking` can drive the core without an event loop; `AsyncIo` is
asyncio. Both keep a call's deadline, and read no body beyond what a client can bear.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import copy_context
from itertools import chain
from typing import Any, Protocol, TypeAlias, TypeVar

import httpx2

from tapeline.clock import Clock, VirtualClock
from tapeline.http.carriers import Carrier
from tapeline.http.deadline import Deadline
from tapeline.http.decoding import INFLATED, BoundedBody, inflater
from tapeline.http.failures import translated
from tapeline.http.transport import REPLAY_EXTENSION
from tapeline.types import HttpRequest

T = TypeVar("T")


class Received(Protocol):
    """A response whose body is still to come, whole by `read` or block by block.

    blocks: what is left of the body, once: to iterate over on the blocking face, `async for` on the other.
    Header names are compared without case.
    """

    blocks: Any

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def is_replay(self) -> bool: ...

    async def read(self) -> bytes: ...

    async def next_block(self) -> bytes | None: ...

    async def close(self) -> None: ...


Job: TypeAlias = Callable[[], Coroutine[Any, Any, T]]


class Io(Protocol):
    """Everything the core may wait for."""

    clock: Clock

    async def send(
        self, carrier: Carrier, request: HttpRequest, *, is_stream: bool, deadline: Deadline | None
    ) -> Received: ...

    async def sleep(self, delay_s: float) -> None: ...

    async def gather(self, jobs: Sequence[Job[T]], *, max_concurrency: int) -> list[T]: ...


# Blocking ---------------------------------------------------------------------------------------------


class BlockingIo:
    """Blocks the thread. Its coroutines never suspend."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    async def send(
        self, carrier: Carrier, request: HttpRequest, *, is_stream: bool, deadline: Deadline | None
    ) -> Received:
        with translated():
            response = carrier.send(request, is_stream=is_stream, deadline=deadline)
        return _BlockingReceived(response, deadline)

    async def sleep(self, delay_s: float) -> None:
        self.clock.sleep(delay_s)

    async def gather(self, jobs: Sequence[Job[T]], *, max_concurrency: int) -> list[T]:
        """Run the jobs in threads and return their results in order.

        On a virtual clock they run one after another: it is moved by whoever sleeps, and threads that
        sleep at the same time would add up their waits in an order nobody can foresee.
        """
        if isinstance(self.clock, VirtualClock) or max_concurrency == 1 or len(jobs) < 2:
            return [await job() for job in jobs]
        contexts = [copy_context() for _ in jobs]  # so that a span of the caller's is the parent there too
        with ThreadPoolExecutor(min(max_concurrency, len(jobs)), "tapeline") as pool:
            return list(pool.map(lambda context, job: context.run(_run_job, job), contexts, jobs))


class _BlockingReceived:
    def __init__(self, response: httpx2.Response, deadline: Deadline | None) -> None:
        self._response = response
        self._deadline = deadline
        self.status = response.status_code
        self.headers = response.headers
        self.is_replay: bool = response.extensions.get(REPLAY_EXTENSION, False)
        self.blocks = self._blocks()

    async def read(self) -> bytes:
        body = BoundedBody()
        with translated():
            for block in self._decoded():
                body.add(block)
        return body.whole()

    async def next_block(self) -> bytes | None:
        return next(self.blocks, None)

    def _blocks(self) -> Generator[bytes, None, None]:
        with translated(in_stream=True):
            yield from self._decoded()

    def _decoded(self) -> Iterator[bytes]:
        is_left_to_client = _is_left_to_client(self._response)
        blocks = self._response.iter_bytes() if is_left_to_client else iter(_raw(self._response))
        if self._deadline is not None:
            blocks = self._in_time(blocks, self._deadline)
        if is_left_to_client or "content-encoding" not in self.headers:
            return blocks
        return chain.from_iterable(map(inflater(), blocks))

    @staticmethod
    def _in_time(blocks: Iterator[bytes], deadline: Deadline) -> Iterator[bytes]:
        """Look at the clock between blocks too, for transports that do not know of deadlines."""
        for block in blocks:
            yield block
            if deadline.left_s() <= 0:
                raise TimeoutError("the deadline of the call has passed")

    async def close(self) -> None:
        self.blocks.close()
        self._response.close()


def _run_job(job: Job[T]) -> T:
    return run_blocking(job())


def run_blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, and return its result. Works inside a running loop too."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("the blocking face awaited something that suspends")


# Asyncio ----------------------------------------------------------------------------------------------


class AsyncIo:
    """Runs on asyncio."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    async def send(
        self, carrier: Carrier, request: HttpRequest, *, is_stream: bool, deadline: Deadline | None
    ) -> Received:
        with translated():
            async with _until(deadline):
                response = await carrier.asend(request, is_stream=is_stream, deadline=deadline)
        return _AsyncReceived(response, deadline)

    async def sleep(self, delay_s: float) -> None:
        await self.clock.asleep(delay_s)

    async def gather(self, jobs: Sequence[Job[T]], *, max_concurrency: int) -> list[T]:
        """Run the jobs as tasks and return their results in order.

        If one fails, the others are cancelled, and its error is raised as it is.
        """
        places = asyncio.Semaphore(max_concurrency)

        async def in_place(job: Job[T]) -> T:
            async with places:
                return await job()

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(in_place(job)) for job in jobs]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]


class _AsyncReceived:
    def __init__(self, response: httpx2.Response, deadline: Deadline | None) -> None:
        self._response = response
        self._deadline = deadline
        self.status = response.status_code
        self.headers = response.headers
        self.is_replay: bool = response.extensions.get(REPLAY_EXTENSION, False)
        self.blocks = self._blocks()

    async def read(self) -> bytes:
        body = BoundedBody()
        with translated():
            async for block in self._decoded():
                body.add(block)
        return body.whole()

    async def next_block(self) -> bytes | None:
        return await anext(self.blocks, None)

    async def _blocks(self) -> AsyncGenerator[bytes, None]:
        with translated(in_stream=True):
            async for block in self._decoded():
                yield block

    def _decoded(self) -> AsyncIterator[bytes]:
        is_left_to_client = _is_left_to_client(self._response)
        blocks: AsyncIterator[bytes] = (
            self._response.aiter_bytes() if is_left_to_client else aiter(_raw(self._response))
        )
        if self._deadline is not None:
            blocks = self._in_time(blocks, self._deadline)
        if is_left_to_client or "content-encoding" not in self.headers:
            return blocks
        return self._inflated(blocks)

    @staticmethod
    async def _in_time(blocks: AsyncIterator[bytes], deadline: Deadline) -> AsyncIterator[bytes]:
        while True:
            async with asyncio.timeout(deadline.left_s()):
                block = await anext(blocks, None)
            if block is None:
                return
            yield block

    @staticmethod
    async def _inflated(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        inflate = inflater()
        async for block in blocks:
            for piece in inflate(block):
                yield piece

    async def close(self) -> None:
        await self.blocks.aclose()
        await self._response.aclose()


def _raw(response: httpx2.Response) -> Any:
    """Return the stream of a body's bytes: `iter_raw` is this, and as much work again for each block."""
    return response.stream


def _is_left_to_client(response: httpx2.Response) -> bool:
    """Whether the HTTP client unpacks the body: an encoding not known here, or an SDK has read it all."""
    encoding = response.headers.get("content-encoding")
    return response.is_stream_consumed or (encoding is not None and encoding not in INFLATED)


def _until(deadline: Deadline | None) -> AbstractAsyncContextManager[Any]:
    """Return the context in which a wait ends with the deadline, if there is one."""
    return _FOREVER if deadline is None else asyncio.timeout(deadline.left_s())


_FOREVER = nullcontext()
