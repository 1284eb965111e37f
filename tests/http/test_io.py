"""The seam between the core and the network: driving coroutines without a loop, bodies, many jobs."""

from __future__ import annotations

import asyncio
import gzip
import threading
import zlib
from collections.abc import AsyncGenerator, Iterator
from functools import partial
from typing import Any

import httpx2
import pytest

from tapeline.clock import SystemClock, VirtualClock
from tapeline.errors import ErrorCode, LLMError
from tapeline.http.deadline import Deadline
from tapeline.http.io import AsyncIo, BlockingIo, Io, Received, run_blocking
from tapeline.types import HttpRequest

# Without an event loop ------------------------------------------------------------------------------


async def twice(value: int) -> int:
    return value * 2


async def failing() -> None:
    raise LookupError("inside")


async def suspending(log: list[str]) -> None:
    try:
        await asyncio.sleep(0)
    finally:
        log.append("closed")


def test_a_coroutine_that_never_suspends_is_a_function() -> None:
    """Its result and its error come out; inside a running loop too."""

    async def inside_a_loop() -> int:
        return run_blocking(twice(4))

    assert run_blocking(twice(2)) == 4
    assert asyncio.run(inside_a_loop()) == 8
    with pytest.raises(LookupError, match="inside"):
        run_blocking(failing())


def test_one_that_suspends_is_a_mistake_of_ours() -> None:
    """Said, not swallowed; and the coroutine is closed."""
    log: list[str] = []

    with pytest.raises(RuntimeError, match="awaited something that suspends") as raised:
        run_blocking(suspending(log))

    assert (log, raised.type) == (["closed"], RuntimeError)


# Bodies -----------------------------------------------------------------------------------------------


class Waiting(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body whose blocks each take a second."""

    def __init__(self, clock: VirtualClock, blocks: list[bytes]) -> None:
        self._clock = clock
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self._clock.sleep(1.0)
            yield block

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        for block in self._blocks:
            await self._clock.asleep(1.0)
            yield block


class OneResponse:
    """A carrier that always has the same response, whatever the deadline."""

    base_url = "http://host.test"

    def __init__(self, clock: VirtualClock, blocks: list[bytes], **headers: str) -> None:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self._response = httpx2.Response(200, headers=sent, stream=Waiting(clock, blocks))

    def send(self, *_: Any, **__: Any) -> httpx2.Response:
        return self._response

    async def asend(self, *_: Any, **__: Any) -> httpx2.Response:
        return self._response

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


async def drained(received: Received) -> bytes:
    blocks = []
    while (block := await received.next_block()) is not None:
        blocks.append(block)
    return b"".join(blocks)


REQUEST = HttpRequest(method="POST", path="/", headers={}, body=b"{}")
JSON = b'{"text": "' + b"a" * 100_000 + b'"}'
ENCODINGS = {
    "plain": (JSON, {}),
    "gzip": (gzip.compress(JSON), {"content_encoding": "gzip"}),
    "deflate": (zlib.compress(JSON), {"content_encoding": "deflate"}),
    "unknown to us": (JSON, {"content_encoding": "identity"}),
}


@pytest.mark.parametrize(("body", "headers"), ENCODINGS.values(), ids=ENCODINGS.keys())
def test_a_body_is_read_whole_or_block_by_block(body: bytes, headers: dict[str, str]) -> None:
    """On both faces, whatever it was packed in, and cut anywhere."""
    clock = VirtualClock()
    blocks = [body[:1], body[1:20], body[20:]]

    async def read(io: Io) -> tuple[bytes, bytes]:
        whole = await io.send(OneResponse(clock, blocks, **headers), REQUEST, is_stream=False, deadline=None)
        parts = await io.send(OneResponse(clock, blocks, **headers), REQUEST, is_stream=True, deadline=None)
        return await whole.read(), await drained(parts)

    assert run_blocking(read(BlockingIo(clock))) == (JSON, JSON)
    assert clock.run(read(AsyncIo(clock))) == (JSON, JSON)


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "asyncio"])
def test_a_body_that_drips_ends_with_the_deadline(is_async: bool) -> None:
    """Each byte resets a read timeout; only the deadline ends it, in both ways to read."""
    clock = VirtualClock()
    io: Io = AsyncIo(clock) if is_async else BlockingIo(clock)
    codes = []

    async def read() -> None:
        for is_stream in (False, True):
            deadline = Deadline.after(2.5, clock)
            carrier = OneResponse(clock, [b"x"] * 100)
            received = await io.send(carrier, REQUEST, is_stream=is_stream, deadline=deadline)
            with pytest.raises(LLMError) as raised:
                await (drained(received) if is_stream else received.read())
            codes.append((raised.value.code, deadline.left_s()))

    if is_async:
        clock.run(read())
    else:
        run_blocking(read())

    assert codes == [(ErrorCode.TIMEOUT, 0.0), (ErrorCode.STREAM_TIMEOUT, 0.0)]


# Many jobs --------------------------------------------------------------------------------------------


def test_jobs_run_side_by_side_up_to_a_limit() -> None:
    """Six waits of a second, two at a time, take three seconds; results keep their order."""
    clock = VirtualClock()
    io = AsyncIo(clock)

    async def job(number: int) -> int:
        await io.sleep(1.0)
        return number

    results = clock.run(io.gather([partial(job, n) for n in range(6)], max_concurrency=2))

    assert (results, clock.now_ns()) == ([0, 1, 2, 3, 4, 5], 3_000_000_000)


def test_blocking_jobs_run_in_threads() -> None:
    """Two jobs that wait for each other could not end one after the other."""
    meeting = threading.Barrier(2, timeout=5.0)

    async def job(number: int) -> int:
        meeting.wait()
        return number

    gathered = BlockingIo(SystemClock()).gather([partial(job, n) for n in range(2)], max_concurrency=2)

    assert run_blocking(gathered) == [0, 1]


def test_blocking_jobs_on_a_virtual_clock_run_in_turn() -> None:
    clock = VirtualClock()
    io = BlockingIo(clock)

    async def job(number: int) -> float:
        await io.sleep(1.0)
        return clock.now_ns() / 1e9

    assert run_blocking(io.gather([partial(job, n) for n in range(3)], max_concurrency=3)) == [1.0, 2.0, 3.0]
