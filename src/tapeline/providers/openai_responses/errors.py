"""OpenAI's words for what went wrong: those of Chat Completions, and those of a response that failed."""

from __future__ import annotations

from collections.abc import Mapping

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.openai import errors as chat
from tapeline.types import Json

FAILURE_CODES: Mapping[str, ErrorCode] = {
    "bio_policy": ErrorCode.CONTENT_FILTERED,
    "misalignment_policy_violation": ErrorCode.CONTENT_FILTERED,
    "image_content_policy_violation": ErrorCode.CONTENT_FILTERED,
    "data_residency_mismatch": ErrorCode.INVALID_REQUEST,
    "invalid_image": ErrorCode.INVALID_REQUEST,
    "invalid_image_format": ErrorCode.INVALID_REQUEST,
    "invalid_base64_image": ErrorCode.INVALID_REQUEST,
    "invalid_image_url": ErrorCode.INVALID_REQUEST,
    "invalid_image_mode": ErrorCode.INVALID_REQUEST,
    "image_too_large": ErrorCode.INVALID_REQUEST,
    "image_too_small": ErrorCode.INVALID_REQUEST,
    "image_parse_error": ErrorCode.INVALID_REQUEST,
    "image_file_too_large": ErrorCode.INVALID_REQUEST,
    "image_file_not_found": ErrorCode.INVALID_REQUEST,
    "unsupported_image_media_type": ErrorCode.INVALID_REQUEST,
    "empty_image_file": ErrorCode.INVALID_REQUEST,
    "failed_to_download_image": ErrorCode.INVALID_REQUEST,
    "vector_store_timeout": ErrorCode.TIMEOUT,
}
"""Words of a response's own error. There is no HTTP status beside it to go by."""

NO_REASON = {"message": "the response failed, and the provider gave no reason"}

decode_error = chat.decode_error
encode_error = chat.encode_error


def error_in_body(error: Json) -> LLMError:
    """The error of a 200 whose body is one, or is a response that failed."""
    return _failure(error) or chat.error_in_body(error)


def error_in_stream(error: Json) -> LLMError:
    """The error a stream ends with."""
    return _failure(error) or chat.error_in_stream(error)


def _failure(error: Json) -> LLMError | None:
    word = error.get("code") if isinstance(error, dict) else None
    if not isinstance(word, str) or word not in FAILURE_CODES:
        return None
    return LLMError(
        str(error.get("message") or word), code=FAILURE_CODES[word], provider_code=word, should_retry=False
    )
