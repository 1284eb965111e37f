"""Anthropic's words for what went wrong, and those of compatible servers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.bodies import dumps
from tapeline.providers.errors import (
    NOT_JSON,
    error_object,
    final,
    final_unless_throttled,
    http_error,
    word_of,
)
from tapeline.types import Json

ERROR_CODES: Mapping[str, ErrorCode] = {
    "invalid_request_error": ErrorCode.INVALID_REQUEST,
    "authentication_error": ErrorCode.AUTHENTICATION_ERROR,
    "billing_error": ErrorCode.QUOTA_EXCEEDED,
    "permission_error": ErrorCode.AUTHORIZATION_ERROR,
    "not_found_error": ErrorCode.MODEL_NOT_AVAILABLE,
    "request_too_large": ErrorCode.REQUEST_TOO_LARGE,
    "rate_limit_error": ErrorCode.RATE_LIMIT,
    "api_error": ErrorCode.INTERNAL_ERROR,
    "timeout_error": ErrorCode.TIMEOUT,
    "overloaded_error": ErrorCode.OVERLOADED,
    "exceed_context_size_error": ErrorCode.CONTEXT_LENGTH_EXCEEDED,  # llama.cpp
}

# The API says these with no more than "invalid_request_error": the words are all there is to go by.
CODES_OF_INVALID_REQUESTS: Mapping[str, ErrorCode] = {
    "prompt is too long": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    "input length and `max_tokens` exceed context limit": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    "your credit balance is too low": ErrorCode.QUOTA_EXCEEDED,
}


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
    error = error_object(body)
    code, provider_code = _error_code(error)
    decoded = http_error(
        status, headers, message=str(error.get("message") or ""), code=code, provider_code=provider_code
    )
    decoded.request_id = decoded.request_id or _request_id(body)
    return decoded


def error_in_body(body: bytes) -> LLMError:
    """The error of a 200 whose body is one."""
    return final(_error_without_status(body))


def error_in_stream(data: bytes) -> LLMError:
    """The error a stream ends with."""
    return final_unless_throttled(_error_without_status(data))


def _error_without_status(body: bytes) -> LLMError:
    error = error_object(body)
    code, provider_code = _error_code(error)
    return LLMError(
        str(error.get("message") or "the provider sent an error object"),
        code=code or ErrorCode.INTERNAL_ERROR,
        provider_code=provider_code,
        request_id=_request_id(body),
    )


def encode_error(error: LLMError) -> bytes:
    word = word_of(error.code, ERROR_CODES) or "api_error"
    return dumps({"type": "error", "error": {"type": word, "message": error.message}})


def _error_code(error: Mapping[str, Json]) -> tuple[ErrorCode | None, str | None]:
    """Return our code and the server's own word; None where there is none."""
    word = error.get("type")
    if not isinstance(word, str):
        return None, None
    if word == "invalid_request_error":
        message = str(error.get("message") or "").lower()
        for start, code in CODES_OF_INVALID_REQUESTS.items():
            if message.startswith(start):
                return code, word
    return ERROR_CODES.get(word), word


def _request_id(body: bytes) -> str | None:
    try:
        value = msgspec.json.decode(body)
    except NOT_JSON:
        return None
    return value.get("request_id") if isinstance(value, dict) else None
