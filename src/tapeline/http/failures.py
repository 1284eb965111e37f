"""What transports and SDKs raise, told in our words: each failure is translated once, here."""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx2

from tapeline.errors import ErrorCode, LLMError

HEADERS_TOO_LARGE = 431
"""The status with which h11 marks its refusal of a response head that does not end."""


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
        if isinstance(failure, httpx2.LocalProtocolError):
            raise _unsendable() from None  # it quotes the header, which may be the one with the key
        code = code_of_failure(failure, in_stream=in_stream)
        if code is None:
            raise
        # A server whose head is too large sends it again; any other failure may be gone next time.
        retryable = False if is_head_too_large(failure) else None
        raise LLMError(f"{type(failure).__name__}: {failure}", code=code, retryable=retryable) from error


def _unsendable() -> LLMError:
    return LLMError(
        "the HTTP client cannot send this request: look for white space and line ends in keys and headers",
        code=ErrorCode.INVALID_CONFIG,
    )


def root_failure(error: Exception) -> Exception:
    """Return the transport's own exception below what an SDK wrapped around it."""
    cause = error.__cause__
    module = type(error).__module__.partition(".")[0]
    return cause if module in {"openai", "anthropic"} and isinstance(cause, Exception) else error


def code_of_failure(error: Exception, *, in_stream: bool) -> ErrorCode | None:
    """Return the code of a transport's exception; None if it is not one."""
    if isinstance(error, (httpx2.InvalidURL, httpx2.UnsupportedProtocol)):
        return ErrorCode.INVALID_CONFIG  # first: one of them passes for a TransportError
    if isinstance(error, (httpx2.TimeoutException, TimeoutError)):
        return ErrorCode.STREAM_TIMEOUT if in_stream else ErrorCode.TIMEOUT
    if isinstance(error, httpx2.DecodingError):
        return ErrorCode.MALFORMED_RESPONSE
    if isinstance(error, (httpx2.TransportError, ssl.SSLError)):
        return ErrorCode.NETWORK_ERROR
    return None


def is_head_too_large(error: BaseException) -> bool:
    return any(getattr(cause, "error_status_hint", None) == HEADERS_TOO_LARGE for cause in causes(error))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from, down to the first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
