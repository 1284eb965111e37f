"""The two ways to do I/O, behind one face: what the client's core awaits.

`BlockingIo` never suspends, so `run_blocking` can drive the core without an event loop; `AsyncIo` is
asyncio. Transport failures are translated here, once, into LLMError.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import httpx2

from tapeline.clock import Clock
from tapeline.errors import ErrorCode, LLMError
from tapeline.http.carriers import Carrier
from tapeline.types import HttpRequest

T = TypeVar("T")


class Received(Protocol):
    """A response whose body is still to come. Header names are lower case."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    async def read(self) -> bytes: ...

    def blocks(self) -> AsyncIterator[bytes]: ...

    async def close(self) -> None: ...


class Io(Protocol):
    """Everything the core may wait for."""

    clock: Clock

    async def send(self, request: HttpRequest, *, is_stream: bool) -> Received: ...

    async def sleep(self, delay_s: float) -> None: ...


class BlockingIo:
    """Blocks the thread. Its coroutines never suspend."""

    def __init__(self, carrier: Carrier, clock: Clock) -> None:
        self._carrier = carrier
        self.clock = clock

    async def send(self, request: HttpRequest, *, is_stream: bool) -> Received:
        with translated():
            return _BlockingReceived(self._carrier.send(request, is_stream=is_stream))

    async def sleep(self, delay_s: float) -> None:
        self.clock.sleep(delay_s)


class AsyncIo:
    """Runs on asyncio."""

    def __init__(self, carrier: Carrier, clock: Clock) -> None:
        self._carrier = carrier
        self.clock = clock

    async def send(self, request: HttpRequest, *, is_stream: bool) -> Received:
        with translated():
            return _AsyncReceived(await self._carrier.asend(request, is_stream=is_stream))

    async def sleep(self, delay_s: float) -> None:
        await self.clock.asleep(delay_s)


class _BlockingReceived:
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers = response.headers  # httpx2 compares header names without case

    async def read(self) -> bytes:
        with translated():
            return self._response.read()

    async def blocks(self) -> AsyncIterator[bytes]:
        response = self._response
        source = response.iter_bytes() if "content-encoding" in self.headers else response.iter_raw()
        with translated(in_stream=True):
            for block in source:
                yield block

    async def close(self) -> None:
        self._response.close()


class _AsyncReceived:
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers = response.headers

    async def read(self) -> bytes:
        with translated():
            return await self._response.aread()

    async def blocks(self) -> AsyncIterator[bytes]:
        response = self._response
        source = response.aiter_bytes() if "content-encoding" in self.headers else response.aiter_raw()
        with translated(in_stream=True):
            async for block in source:
                yield block

    async def close(self) -> None:
        await self._response.aclose()


# Driving the core without an event loop -------------------------------------------------------------


def run_blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, and return its result. Works inside a running loop too."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("the blocking face awaited something that suspends")


def iterate_blocking(generator: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Iterate an async generator that never suspends; closing this closes that."""
    try:
        while True:
            try:
                yield run_blocking(generator.__anext__())
            except StopAsyncIteration:
                return
    finally:
        run_blocking(generator.aclose())


# Failures -------------------------------------------------------------------------------------------


@contextmanager
def translated(*, in_stream: bool = False) -> Generator[None, None, None]:
    """Turn what a transport or an SDK raises into LLMError, its cause kept."""
    try:
        yield
    except LLMError:
        raise
    except Exception as error:
        failure = root_failure(error)
        if isinstance(failure, LLMError):
            raise failure from None  # a tape's own error, wrapped by an SDK on the way
        code = code_of_failure(failure, in_stream=in_stream)
        if code is None:
            raise
        raise LLMError(f"{type(failure).__name__}: {failure}", code=code) from error


def root_failure(error: Exception) -> Exception:
    """Return the transport's own exception below what an SDK wrapped around it."""
    cause = error.__cause__
    module = type(error).__module__.partition(".")[0]
    return cause if module in {"openai", "anthropic"} and isinstance(cause, Exception) else error


def code_of_failure(error: Exception, *, in_stream: bool) -> ErrorCode | None:
    """Return the code of a transport's exception; None if it is not one."""
    if isinstance(error, (httpx2.InvalidURL, httpx2.UnsupportedProtocol)):
        return ErrorCode.INVALID_CONFIG  # first: one of them passes for a TransportError
    if isinstance(error, httpx2.TimeoutException):
        return ErrorCode.STREAM_TIMEOUT if in_stream else ErrorCode.TIMEOUT
    if isinstance(error, httpx2.DecodingError):
        return ErrorCode.MALFORMED_RESPONSE
    if isinstance(error, (httpx2.TransportError, ssl.SSLError)):
        return ErrorCode.NETWORK_ERROR
    return None
