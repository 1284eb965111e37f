"""The seam between the core and the network: driving coroutines without a loop, translating failures."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator

import httpx2
import pytest

from tapeline.errors import CassetteMissError, ConfigError, ErrorCode, LLMError
from tapeline.http.io import iterate_blocking, run_blocking, translated

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


async def numbers(log: list[str], *, broken: bool = False) -> AsyncGenerator[int, None]:
    try:
        yield 1
        yield await twice(1)
        if broken:
            raise LookupError("inside")
    finally:
        log.append(f"closed {await twice(1)}")


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


def test_an_async_generator_is_a_generator() -> None:
    """Its cleanup, which may await, runs at the end, at a close and after an error."""
    log: list[str] = []

    assert list(iterate_blocking(numbers(log))) == [1, 2]
    early = iterate_blocking(numbers(log))
    assert next(early) == 1
    early.close()
    with pytest.raises(LookupError, match="inside"):
        list(iterate_blocking(numbers(log, broken=True)))

    assert log == ["closed 2"] * 3


def test_a_generator_that_was_never_started_closes_quietly() -> None:
    log: list[str] = []

    iterate_blocking(numbers(log)).close()

    assert log == []


# Failures ---------------------------------------------------------------------------------------------

FAILURES = [
    (httpx2.ConnectError("x"), ErrorCode.NETWORK_ERROR, ErrorCode.NETWORK_ERROR),
    (httpx2.ReadError("x"), ErrorCode.NETWORK_ERROR, ErrorCode.NETWORK_ERROR),
    (httpx2.WriteError("x"), ErrorCode.NETWORK_ERROR, ErrorCode.NETWORK_ERROR),
    (httpx2.RemoteProtocolError("x"), ErrorCode.NETWORK_ERROR, ErrorCode.NETWORK_ERROR),
    (httpx2.ProxyError("x"), ErrorCode.NETWORK_ERROR, ErrorCode.NETWORK_ERROR),
    (ssl.SSLError("x"), ErrorCode.NETWORK_ERROR, ErrorCode.NETWORK_ERROR),
    (httpx2.ConnectTimeout("x"), ErrorCode.TIMEOUT, ErrorCode.STREAM_TIMEOUT),
    (httpx2.ReadTimeout("x"), ErrorCode.TIMEOUT, ErrorCode.STREAM_TIMEOUT),
    (httpx2.PoolTimeout("x"), ErrorCode.TIMEOUT, ErrorCode.STREAM_TIMEOUT),
    (httpx2.DecodingError("x"), ErrorCode.MALFORMED_RESPONSE, ErrorCode.MALFORMED_RESPONSE),
    (httpx2.InvalidURL("x"), ErrorCode.INVALID_CONFIG, ErrorCode.INVALID_CONFIG),
    (httpx2.UnsupportedProtocol("x"), ErrorCode.INVALID_CONFIG, ErrorCode.INVALID_CONFIG),
]


@pytest.mark.parametrize(
    ("failure", "code", "code_in_stream"), FAILURES, ids=[type(failure[0]).__name__ for failure in FAILURES]
)
def test_each_failure_has_its_code(failure: Exception, code: ErrorCode, code_in_stream: ErrorCode) -> None:
    """Before the answer and inside a stream; the failure itself is the cause."""
    raised = []
    for in_stream in (False, True):
        with pytest.raises(LLMError) as caught, translated(in_stream=in_stream):
            raise failure
        raised.append(caught.value)

    assert [error.code for error in raised] == [code, code_in_stream]
    assert [error.__cause__ for error in raised] == [failure, failure]
    assert raised[0].message == f"{type(failure).__name__}: {failure}"


def wrapped_by_an_sdk(cause: Exception) -> Exception:
    import openai

    error = openai.APIConnectionError(request=httpx2.Request("POST", "http://host.test"))
    error.__cause__ = cause
    return error


def test_what_an_sdk_wraps_is_looked_at_inside() -> None:
    """Its own words ("Connection error.") say nothing; a tape's error comes out as it went in."""
    reset, miss = httpx2.ReadError("reset by peer"), CassetteMissError("no match")

    with pytest.raises(LLMError, match="ReadError: reset by peer") as of_reset, translated():
        raise wrapped_by_an_sdk(reset)
    with pytest.raises(CassetteMissError) as of_miss, translated():
        raise wrapped_by_an_sdk(miss)

    assert of_reset.value.code is ErrorCode.NETWORK_ERROR
    assert of_miss.value is miss


@pytest.mark.parametrize("error", [ConfigError("x"), ValueError("x"), KeyboardInterrupt(), GeneratorExit()])
def test_what_is_no_failure_of_the_network_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, translated():
        raise error

    assert caught.value is error
