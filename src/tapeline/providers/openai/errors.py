"""OpenAI's words for what went wrong, and those of compatible servers."""

from __future__ import annotations

from collections.abc import Mapping

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.bodies import dumps
from tapeline.providers.errors import (
    code_of_status,
    error_object,
    final,
    final_unless_throttled,
    http_error,
    word_of,
)
from tapeline.types import Json

ERROR_CODES: Mapping[str, ErrorCode] = {
    "insufficient_quota": ErrorCode.QUOTA_EXCEEDED,
    "billing_hard_limit_reached": ErrorCode.QUOTA_EXCEEDED,
    "context_length_exceeded": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    "exceed_context_size_error": ErrorCode.CONTEXT_LENGTH_EXCEEDED,  # llama.cpp
    "content_filter": ErrorCode.CONTENT_FILTERED,
    "content_policy_violation": ErrorCode.CONTENT_FILTERED,
    "invalid_prompt": ErrorCode.CONTENT_FILTERED,  # "flagged as potentially violating our usage policy"
    "model_not_found": ErrorCode.MODEL_NOT_AVAILABLE,
    "invalid_api_key": ErrorCode.AUTHENTICATION_ERROR,
    "rate_limit_exceeded": ErrorCode.RATE_LIMIT,
    "rate_limit_error": ErrorCode.RATE_LIMIT,
    "overloaded_error": ErrorCode.OVERLOADED,
    "server_error": ErrorCode.INTERNAL_ERROR,
    "server_is_overloaded": ErrorCode.OVERLOADED,
}


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
    error = error_object(body)
    code, provider_code = _error_code(error)
    message = str(error.get("message") or error.get("detail") or "")  # detail: FastAPI, so vLLM and others
    return http_error(status, headers, message=message, code=code, provider_code=provider_code)


def error_in_body(error: Json) -> LLMError:
    """The error of a 200 whose body is one."""
    return final(_error_without_status(error))


def error_in_stream(error: Json) -> LLMError:
    """The error a stream ends with."""
    return final_unless_throttled(_error_without_status(error))


def _error_without_status(error: Json) -> LLMError:
    facts = error if isinstance(error, dict) else {"message": str(error)}
    code, provider_code = _error_code(facts)
    number = facts.get("code")
    status = number if isinstance(number, int) else None
    return LLMError(
        str(facts.get("message") or "the provider sent an error object"),
        code=code or (code_of_status(status) if status else ErrorCode.INTERNAL_ERROR),
        status=status,
        provider_code=provider_code,
    )


def encode_error(error: LLMError) -> bytes:
    word = word_of(error.code, ERROR_CODES) or error.code.value
    return dumps({"error": {"message": error.message, "type": word, "param": None, "code": word}})


def _error_code(error: Mapping[str, Json]) -> tuple[ErrorCode | None, str | None]:
    """Return our code and the server's own word; None where there is none."""
    words = [word for word in (error.get("code"), error.get("type")) if isinstance(word, str)]
    known = next((ERROR_CODES[word] for word in words if word in ERROR_CODES), None)
    return known, words[0] if words else None
