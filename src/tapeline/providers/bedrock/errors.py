"""Bedrock's words for what went wrong: of a response, inside a stream, and in a header."""

from __future__ import annotations

from collections.abc import Mapping

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.bodies import dumps
from tapeline.providers.errors import error_object, final_unless_throttled, http_error, word_of
from tapeline.providers.eventstream import Frame
from tapeline.types import Json, Reply

ERROR_CODES: Mapping[str, ErrorCode] = {
    "AccessDeniedException": ErrorCode.AUTHORIZATION_ERROR,
    "UnrecognizedClientException": ErrorCode.AUTHENTICATION_ERROR,
    "ExpiredTokenException": ErrorCode.AUTHENTICATION_ERROR,
    "InvalidSignatureException": ErrorCode.AUTHENTICATION_ERROR,
    "MissingAuthenticationToken": ErrorCode.AUTHENTICATION_ERROR,
    "MissingAuthenticationTokenException": ErrorCode.AUTHENTICATION_ERROR,
    "IncompleteSignature": ErrorCode.AUTHENTICATION_ERROR,
    "IncompleteSignatureException": ErrorCode.AUTHENTICATION_ERROR,
    "ThrottlingException": ErrorCode.RATE_LIMIT,
    "TooManyRequestsException": ErrorCode.RATE_LIMIT,
    "ServiceQuotaExceededException": ErrorCode.QUOTA_EXCEEDED,
    "ServiceUnavailableException": ErrorCode.OVERLOADED,
    "InternalServerException": ErrorCode.INTERNAL_ERROR,
    "ModelErrorException": ErrorCode.INTERNAL_ERROR,
    "ModelTimeoutException": ErrorCode.TIMEOUT,
    "ModelStreamErrorException": ErrorCode.STREAM_ERROR,
    "ResourceNotFoundException": ErrorCode.MODEL_NOT_AVAILABLE,
    "ModelNotReadyException": ErrorCode.MODEL_NOT_AVAILABLE,
    "UnknownOperationException": ErrorCode.NOT_FOUND,
    "ValidationException": ErrorCode.INVALID_REQUEST,
}

RETRYABLE_TYPES: Mapping[str, bool] = {
    "ModelNotReadyException": True,  # it is being loaded: AWS asks to try again
    "ModelErrorException": False,  # the same input fails again
}
"""Where an exception's type says more about another try than its code does."""

VERDICTS: Mapping[str, bool] = {
    "ModelNotReadyException": True,
    "ModelTimeoutException": False,  # it would take the same minutes again, at full price
}
"""Which of them are tried again at once, where their code alone would say otherwise."""

# Bedrock has no type of its own for these two, so here alone the prose decides. The first is a quota
# that comes back tomorrow, told apart from a throttle of seconds by nothing else.
DAILY_QUOTA = "too many tokens per day"
INPUT_TOO_LONG = ("input is too long", "prompt is too long")

# From the provider --------------------------------------------------------------------------------


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
    facts = error_object(body)
    message = _message(facts)
    type = _type_name(headers.get("x-amzn-errortype") or str(facts.get("__type") or ""))
    error = http_error(
        status, headers, message=message, code=_error_code(type, message), provider_code=type or None
    )
    error.retryable = RETRYABLE_TYPES.get(type, error.retryable)
    error.should_retry = VERDICTS.get(type, error.should_retry)
    return error


def frame_error(frame: Frame) -> LLMError:
    """The error that a frame inside the stream reports: an exception of the API, or one of the transport."""
    message = _message(error_object(frame.payload)) or str(dict(frame.headers).get(":error-message", ""))
    type = frame.type[:1].upper() + frame.type[1:]  # throttlingException here, ThrottlingException elsewhere
    error = LLMError(
        message or f"Bedrock broke off the stream with {frame.type}",
        code=_error_code(type, message) or ErrorCode.STREAM_ERROR,
        provider_code=frame.type,
    )
    error.retryable = RETRYABLE_TYPES.get(type, error.retryable)
    return final_unless_throttled(error)


def malformed_tool_use(partial: Reply | None = None) -> LLMError:
    """The error of an answer, plain or streamed, that ended with this stop reason."""
    return LLMError(
        "the model wrote a tool call that Bedrock could not read (malformed_tool_use)",
        code=ErrorCode.TOOL_CALL_ERROR,
        provider_code="malformed_tool_use",
        should_retry=False,
        partial=partial,
    )


def _message(facts: Mapping[str, Json]) -> str:
    return str(facts.get("message") or facts.get("Message") or "")


def _type_name(text: str) -> str:
    """Return the bare type of "prefix#ValidationException:http://internal.amazon.com/..."."""
    return text.partition(":")[0].rpartition("#")[2]


def _error_code(type: str, message: str) -> ErrorCode | None:
    code = ERROR_CODES.get(type)
    text = message.lower()
    if code is ErrorCode.RATE_LIMIT and DAILY_QUOTA in text:
        return ErrorCode.QUOTA_EXCEEDED
    if code is ErrorCode.INVALID_REQUEST and any(phrase in text for phrase in INPUT_TOO_LONG):
        return ErrorCode.CONTEXT_LENGTH_EXCEEDED
    return code


# To a client --------------------------------------------------------------------------------------


def encode_error(error: LLMError) -> bytes:
    message = error.message
    if error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED and INPUT_TOO_LONG[0] not in message.lower():
        message = f"Input is too long for requested model: {message}"  # the only sign there is
    return dumps({"message": message})


def error_type(error: LLMError) -> str:
    """Return the value of the `x-amzn-errortype` header that goes with the body of an error."""
    fallback = "InternalServerException" if error.retryable else "ValidationException"
    return word_of(error.code, ERROR_CODES) or fallback
