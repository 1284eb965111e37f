"""Every error tapeline raises, and the codes that classify them.

    LLMError                    a call failed; `code` says how, `op` says where
    ├── ConfigError             a setting is missing or wrong: fix it, nothing was sent
    │   └── ScenarioError       a scenario file is wrong: the message names file, line and column
    └── CassetteError
        ├── CassetteMissError   replaying, and no recorded interaction answers this request
        ├── InvalidCassetteError  the file is not a readable cassette
        └── BudgetExceededError  recording, and what it may cost is spent

Switch on `code`, not on the class or the text. Facts are attributes; the message is for people.
The shape (operation, cause, code) is that of the Go package `llms` of the Beluga AI framework.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tapeline.types import Reply


class ErrorCode(StrEnum):
    """What went wrong, in the same words for every provider."""

    INVALID_CONFIG = "invalid_config"
    UNSUPPORTED_PROVIDER = "unsupported_provider"
    AUTHENTICATION_ERROR = "authentication_error"
    AUTHORIZATION_ERROR = "authorization_error"
    QUOTA_EXCEEDED = "quota_exceeded"
    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal_error"
    TIMEOUT = "timeout"
    NETWORK_ERROR = "network_error"
    NOT_FOUND = "not_found"
    MODEL_NOT_AVAILABLE = "model_not_available"
    INVALID_REQUEST = "invalid_request"
    REQUEST_TOO_LARGE = "request_too_large"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    CONTENT_FILTERED = "content_filtered"
    INVALID_RESPONSE = "invalid_response"
    EMPTY_RESPONSE = "empty_response"
    MALFORMED_RESPONSE = "malformed_response"
    RESPONSE_TOO_LARGE = "response_too_large"
    STREAM_ERROR = "stream_error"
    STREAM_TIMEOUT = "stream_timeout"
    STREAM_CLOSED = "stream_closed"
    TOOL_CALL_ERROR = "tool_call_error"
    TOOL_NOT_FOUND = "tool_not_found"
    TOOL_EXECUTION_ERROR = "tool_execution_error"
    CONTEXT_CANCELED = "context_canceled"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CASSETTE_MISS = "cassette_miss"
    INVALID_CASSETTE = "invalid_cassette"
    BUDGET_EXCEEDED = "budget_exceeded"


RETRYABLE = frozenset(
    {
        ErrorCode.RATE_LIMIT,
        ErrorCode.OVERLOADED,
        ErrorCode.INTERNAL_ERROR,
        ErrorCode.TIMEOUT,
        ErrorCode.NETWORK_ERROR,
    }
)
"""Codes worth another try, as long as no chunk has been delivered. A spent quota is not among them."""

THROTTLED = frozenset({ErrorCode.RATE_LIMIT, ErrorCode.OVERLOADED})
"""Codes that ask for less traffic, and so for a longer wait than a network that hiccups."""


class LLMError(Exception):
    """A call failed.

    code: what went wrong. op: the operation, such as "openai.generate".
    status: the HTTP status, or None when no response came. retry_after_s: the server's own wish.
    attempts: tries made. partial: what a broken stream had delivered, or None.
    retryable: whether the same call may succeed later. should_retry: the last word on another try at
    once, by the server or its codec; None leaves it to `retryable`. `__cause__` is the error below, if any.
    """

    default_code = ErrorCode.INTERNAL_ERROR
    message_limit = 500  # characters: providers echo whole prompts into their messages

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        op: str = "",
        provider: str | None = None,
        model: str | None = None,
        status: int | None = None,
        provider_code: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        retryable: bool | None = None,
        should_retry: bool | None = None,
        attempts: int = 1,
        partial: Reply | None = None,
    ) -> None:
        self.message = shortened(message, self.message_limit)
        super().__init__(self.message)
        self.code = code or self.default_code
        self.op = op
        self.provider = provider
        self.model = model
        self.status = status
        self.provider_code = provider_code
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.retryable = self.code in RETRYABLE if retryable is None else retryable
        self.should_retry = should_retry
        self.attempts = attempts
        self.partial = partial

    @property
    def _gen_ai_error_type(self) -> str:
        """What OpenTelemetry's GenAI instrumentations report as `error.type`."""
        return self.code.value

    def placed(self, *, op: str, provider: str, model: str) -> Self:
        """Fill in where the call failed, where a lower room could not know it."""
        self.op = self.op or op
        self.provider = self.provider or provider
        self.model = self.model or model
        return self

    def __str__(self) -> str:
        where = f"{self.op}: " if self.op else ""
        facts = [self.code.value]
        if self.status is not None:
            facts.append(f"HTTP {self.status}")
        if self.request_id:
            facts.append(f"request {shortened(self.request_id, 100)}")
        return f"{where}{self.message} [{', '.join(facts)}]"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception pickles by positional arguments only; ours are keywords.
        return _rebuilt, (type(self), self.__dict__.copy())


def _rebuilt(kind: type[LLMError], facts: dict[str, Any]) -> LLMError:
    error = kind.__new__(kind)
    Exception.__init__(error, facts["message"])
    error.__dict__.update(facts)
    return error


def shortened(text: str, limit: int) -> str:
    """Return `text` cut to `limit` characters, marked where it was cut."""
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


class ConfigError(LLMError):
    """A setting is missing or wrong. Nothing was sent."""

    default_code = ErrorCode.INVALID_CONFIG


class ScenarioError(ConfigError):
    """A scenario file is wrong; the message starts with file:line:column."""

    message_limit = 8_000  # a line for each thing that is wrong


class CassetteError(LLMError):
    """A recording cannot serve."""

    default_code = ErrorCode.INVALID_CASSETTE
    message_limit = 2_000  # names several places of a file


class CassetteMissError(CassetteError):
    """No recorded interaction answers this request; the message says what differs."""

    default_code = ErrorCode.CASSETTE_MISS
    message_limit = 8_000  # holds a diff

    def __str__(self) -> str:
        return self.message  # several lines, made to be read whole


class InvalidCassetteError(CassetteError):
    """The file is not a readable cassette."""


class BudgetExceededError(CassetteError):
    """Recording has cost as much as it may: the call was not sent."""

    default_code = ErrorCode.BUDGET_EXCEEDED
