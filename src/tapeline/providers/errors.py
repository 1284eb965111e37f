"""What the errors of all formats share: answers that are none, requests that are none, HTTP statuses.

Each function returns an LLMError for its caller to raise. The words a format has of its own, and what
they mean, are in the `errors` of its package.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from tapeline.errors import THROTTLED, ErrorCode, LLMError
from tapeline.types import Json

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that msgspec raises for bytes that are not the JSON it was to decode."""


# Answers and requests that are none ---------------------------------------------------------------


def malformed(what: str) -> LLMError:
    return LLMError(f"cannot decode the provider's answer: {what}", code=ErrorCode.MALFORMED_RESPONSE)


def empty(what: str) -> LLMError:
    return LLMError(f"the provider answered without content: {what}", code=ErrorCode.EMPTY_RESPONSE)


def no_events(foreign: bytes) -> LLMError:
    """The error of a streamed body without one event. foreign: what stood there instead, such as HTML."""
    return malformed(f"no events but {preview(foreign)}") if foreign else empty_stream("no events")


# A stream that ended early may do better another time, but the tokens it had are paid for, and another
# try costs as much again: that is the caller's decision, not one to take on his behalf.


def empty_stream(what: str) -> LLMError:
    return LLMError(
        f"the provider answered without content: {what}",
        code=ErrorCode.EMPTY_RESPONSE,
        retryable=True,
        should_retry=False,
    )


def closed(what: str) -> LLMError:
    return LLMError(
        f"the stream ended before the answer did: {what}",
        code=ErrorCode.STREAM_CLOSED,
        retryable=True,
        should_retry=False,
    )


# Nor is it for us to repeat a call that the server has answered with an error under a 200.


def final(error: LLMError) -> LLMError:
    """Return the error of a body, not to be retried at once: the server has answered, and been paid."""
    error.should_retry = False
    return error


def final_unless_throttled(error: LLMError) -> LLMError:
    """Return the error of a stream, to be retried at once only where the server said to come back."""
    return error if error.code in THROTTLED else final(error)


def invalid_request(what: str) -> LLMError:
    return LLMError(what, code=ErrorCode.INVALID_REQUEST)


def preview(body: bytes, limit: int = 80) -> str:
    """Return the start of a body for a message."""
    return ascii(body[:limit].decode("utf-8", "replace")) + ("..." if len(body) > limit else "")


# Answers that say what went wrong -----------------------------------------------------------------


def error_object(body: bytes) -> dict[str, Json]:
    """Return the error an error body holds, in whatever shape gateways put it; {} if there is none."""
    try:
        value = msgspec.json.decode(body)
    except NOT_JSON:
        return {"message": preview(body)} if body else {}
    error = (value.get("error") or value) if isinstance(value, dict) else value
    return error if isinstance(error, dict) else {"message": str(error)}


def word_of(code: ErrorCode, codes: Mapping[str, ErrorCode]) -> str | None:
    """Return a provider's word for a code: of several, the one its table has first."""
    return next((word for word, meaning in codes.items() if meaning == code), None)


CODE_OF_STATUS: Mapping[int, ErrorCode] = {
    401: ErrorCode.AUTHENTICATION_ERROR,
    402: ErrorCode.QUOTA_EXCEEDED,
    403: ErrorCode.AUTHORIZATION_ERROR,
    404: ErrorCode.NOT_FOUND,
    408: ErrorCode.TIMEOUT,
    413: ErrorCode.REQUEST_TOO_LARGE,
    429: ErrorCode.RATE_LIMIT,
    503: ErrorCode.OVERLOADED,
    504: ErrorCode.TIMEOUT,
    529: ErrorCode.OVERLOADED,
}


STATUS_OF_CODE: Mapping[ErrorCode, int] = {
    ErrorCode.AUTHENTICATION_ERROR: 401,
    ErrorCode.AUTHORIZATION_ERROR: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.MODEL_NOT_AVAILABLE: 404,
    ErrorCode.REQUEST_TOO_LARGE: 413,
    ErrorCode.RATE_LIMIT: 429,
    ErrorCode.QUOTA_EXCEEDED: 429,
    ErrorCode.INTERNAL_ERROR: 500,
    ErrorCode.NETWORK_ERROR: 502,
    ErrorCode.OVERLOADED: 503,
    ErrorCode.TIMEOUT: 504,
}
"""The way back: what a server of ours answers with. Every other code is the client's fault, a 400."""


def status_of_code(code: ErrorCode) -> int:
    """Return the HTTP status that goes with an error."""
    return STATUS_OF_CODE.get(code, 400)


def code_of_status(status: int) -> ErrorCode:
    """Return the code of an HTTP status, where the body does not say it better."""
    if status in CODE_OF_STATUS:
        return CODE_OF_STATUS[status]
    if status < 400:
        return ErrorCode.INVALID_RESPONSE
    return ErrorCode.INVALID_REQUEST if status < 500 else ErrorCode.INTERNAL_ERROR


def http_error(
    status: int,
    headers: Mapping[str, str],
    *,
    message: str,
    code: ErrorCode | None,
    provider_code: str | None = None,
) -> LLMError:
    """Build the error of a response with status >= 400. `headers` has lower-case names."""
    return LLMError(
        message or f"HTTP {status}",
        code=code or code_of_status(status),
        status=status,
        provider_code=provider_code,
        request_id=headers.get("x-request-id")
        or headers.get("request-id")
        or headers.get("x-amzn-requestid"),
        retry_after_s=retry_after_s(headers),
        should_retry=_VERDICTS.get(headers.get("x-should-retry", "")),
    )


_VERDICTS = {"true": True, "false": False}


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read `retry-after-ms` or `retry-after`, in seconds or as a date. None if absent or nonsense.

    A date counts from the response's own `date`, and without one it is no answer: a codec has no clock,
    and ours need not agree with the server's.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            value = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        if 0 <= value < float("inf"):
            return value
    return _seconds_between(headers.get("date", ""), headers.get("retry-after", ""))


def _seconds_between(now: str, then: str) -> float | None:
    """Return the seconds between two HTTP dates, 0 if they lie in reverse; None if one of them is no date."""
    try:
        wait = parsedate_to_datetime(then) - parsedate_to_datetime(now)
    except (ValueError, TypeError, OverflowError):  # TypeError: one has a time zone, the other has none
        return None
    return max(0.0, wait.total_seconds())
