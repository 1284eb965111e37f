"""Failures of transports and SDKs, told in our words."""

from __future__ import annotations

import ssl
import traceback

import h11
import httpx2
import pytest

from tapeline.errors import CassetteMissError, ConfigError, ErrorCode, LLMError
from tapeline.http.failures import translated

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


def test_a_head_that_does_not_end_is_not_asked_for_again() -> None:
    """h11 marks it with a status; any other breach of HTTP may be a passing one."""
    failures = []
    for hint in (431, 400):
        try:
            try:
                raise h11.RemoteProtocolError("too long", error_status_hint=hint)
            except h11.RemoteProtocolError as cause:
                raise httpx2.RemoteProtocolError("too long") from cause
        except httpx2.RemoteProtocolError as failure:
            failures.append(failure)

    retryable = []
    for failure in failures:
        with pytest.raises(LLMError) as raised, translated():
            raise failure
        retryable.append(raised.value.retryable)

    assert retryable == [False, True]


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_header_that_cannot_be_sent_is_not_quoted(is_wrapped: bool) -> None:
    """It may be the one with the key: neither the error nor its traceback shows it."""
    quoting = httpx2.LocalProtocolError("Illegal header value b'Bearer KEY '")

    with pytest.raises(LLMError, match="look for white space") as raised, translated():
        raise wrapped_by_an_sdk(quoting) if is_wrapped else quoting

    assert (raised.value.code, raised.value.retryable) == (ErrorCode.INVALID_CONFIG, False)
    assert "KEY" not in "".join(traceback.format_exception(raised.value))


def test_the_end_of_a_deadline_is_a_timeout() -> None:
    with pytest.raises(LLMError) as raised, translated(in_stream=True):
        raise TimeoutError("the deadline of the call has passed")

    assert raised.value.code is ErrorCode.STREAM_TIMEOUT
