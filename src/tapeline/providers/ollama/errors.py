"""What went wrong, as Ollama says it: in plain text, without a code."""

from __future__ import annotations

from collections.abc import Mapping

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.bodies import dumps
from tapeline.providers.errors import error_object, http_error
from tapeline.types import Json

INPUT_TOO_LONG = "input length exceeds the context length"  # the API has no codes: here the prose decides


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
    # What no status tells stays invalid_request or internal_error.
    code = ErrorCode.MODEL_NOT_AVAILABLE if status == 404 else None
    message = str(error_object(body).get("message") or "")
    if INPUT_TOO_LONG in message:
        code = ErrorCode.CONTEXT_LENGTH_EXCEEDED
    return http_error(status, headers, message=message, code=code)


def error_inside_success(error: Json) -> LLMError:
    """The error of a 200 whose body, or whose stream, holds one.

    The model's runner has failed in the middle of its work, for want of memory as a rule: with the same
    request it will again.
    """
    return LLMError(str(error), code=ErrorCode.INTERNAL_ERROR, retryable=False, should_retry=False)


def encode_error(error: LLMError) -> bytes:
    return dumps({"error": error.message})
