"""Which calls fail, and how an error looks on the wire: a real status, OpenAI's body, Retry-After.

Three codes have no status and are acted out: an empty body, a malformed one, a body that breaks off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.latency.pacing import DueBlock, ScheduledResponse
from tapeline.providers.errors import STATUS_OF_CODE, status_of_code
from tapeline.providers.mock.chance import Chance
from tapeline.providers.mock.codec import MockCodec

SAID_BY_STATUS = frozenset(
    {
        *STATUS_OF_CODE.keys() - {ErrorCode.NETWORK_ERROR},
        ErrorCode.INVALID_REQUEST,
        ErrorCode.CONTEXT_LENGTH_EXCEEDED,
        ErrorCode.CONTENT_FILTERED,
    }
)

BODY_OF_CODE: Mapping[ErrorCode, bytes] = {
    ErrorCode.EMPTY_RESPONSE: b"",
    ErrorCode.MALFORMED_RESPONSE: b'{"choices": [{"message',
}
"""What comes with a 200 in place of an answer."""

Failure = ErrorCode | LLMError


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Which calls fail.

    at: number of the call, from 1 -> how. rate: share of the others that fail, with `code`.
    """

    at: Mapping[int, Failure] = field(default_factory=dict)
    rate: float = 0.0
    code: ErrorCode = ErrorCode.INTERNAL_ERROR

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1.0:
            raise ConfigError(f"error_rate is a share from 0 to 1, not {self.rate}")
        if unnumbered := [number for number in self.at if number < 1]:
            raise ConfigError(f"errors are numbered from 1, the first call; there is no call {unnumbered[0]}")
        for failure in (self.code, *self.at.values()):
            if failure != ErrorCode.STREAM_CLOSED:
                sendable(failure)

    def of(self, number: int, chance: Chance) -> Failure | None:
        """Return how call `number` is to fail, or None."""
        return self.at.get(number, self.code if chance.error < self.rate else None)


def sendable(failure: Failure) -> LLMError:
    """Return a failure as an error that a response can say. Raises ConfigError if none can."""
    if isinstance(failure, ErrorCode):
        failure = LLMError(f"the mock was told to fail with {failure}", code=failure)
    if not isinstance(failure, LLMError):
        raise ConfigError(f"a failure is an ErrorCode or an LLMError, not {failure!r}")
    known = {*SAID_BY_STATUS, *BODY_OF_CODE}
    if failure.code not in known:
        raise ConfigError(
            f"no answer of a server says {failure.code}; the mock can send {', '.join(sorted(known))}, "
            "and in errors= and error_code= also stream_closed"
        )
    return failure


def error_response(error: LLMError) -> ScheduledResponse:
    """Return the response that says this error, at once: a server that fails does not think first."""
    body = BODY_OF_CODE.get(error.code)
    status = 200 if body is not None else error.status or status_of_code(error.code)
    return ScheduledResponse(
        status=status,
        reason="",
        headers=(("content-type", "application/json"), *_headers(error)),
        head_due_s=0.0,
        blocks=(DueBlock(0.0, MockCodec.encode_error(error) if body is None else body),),
    )


def _headers(error: LLMError) -> list[tuple[str, str]]:
    headers = []
    if error.request_id is not None:
        headers.append(("x-request-id", error.request_id))
    if error.should_retry is not None:
        headers.append(("x-should-retry", str(error.should_retry).lower()))
    if error.retry_after_s is not None:  # to the millisecond for those who read it, as OpenAI sends it
        headers.append(("retry-after-ms", str(math.ceil(error.retry_after_s * 1000))))
        headers.append(("retry-after", str(math.ceil(error.retry_after_s))))
    return headers
