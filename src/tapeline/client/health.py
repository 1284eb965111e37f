"""Whether a provider can be used, found out by the smallest call there is: it works with every server."""

from __future__ import annotations

from tapeline.capabilities import Health
from tapeline.errors import ErrorCode, LLMError

PROMPT = "Say ok."
MAX_TOKENS = 16
"""The least that OpenAI's Responses API takes."""

UNREACHABLE = frozenset(
    {ErrorCode.NETWORK_ERROR, ErrorCode.TIMEOUT, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.INVALID_CONFIG}
)
"""Nothing came back, or with a setting that is wrong, nothing was sent."""

UNAUTHENTICATED = frozenset({ErrorCode.AUTHENTICATION_ERROR, ErrorCode.AUTHORIZATION_ERROR})
NO_MODEL = frozenset({ErrorCode.MODEL_NOT_AVAILABLE, ErrorCode.NOT_FOUND})
BUSY = frozenset({ErrorCode.RATE_LIMIT, ErrorCode.OVERLOADED, ErrorCode.QUOTA_EXCEEDED})
"""Answers of a provider that knows the key and the model, but has no time or no credit left."""


def healthy(latency_s: float) -> Health:
    """Return what an answer tells."""
    return Health(is_reachable=True, is_authenticated=True, has_model=True, latency_s=latency_s)


def health_after(error: LLMError, latency_s: float) -> Health:
    """Return what a failed call tells. Facts that an error hides are None."""
    detail = f"{error.message} [{error.code}]"
    if error.code in UNREACHABLE:
        return Health(is_reachable=False, detail=detail)
    if error.code in UNAUTHENTICATED:
        return Health(is_reachable=True, is_authenticated=False, latency_s=latency_s, detail=detail)
    if error.code in NO_MODEL:
        return Health(
            is_reachable=True, is_authenticated=True, has_model=False, latency_s=latency_s, detail=detail
        )
    if error.code in BUSY:
        return Health(
            is_reachable=True, is_authenticated=True, has_model=None, latency_s=latency_s, detail=detail
        )
    return Health(is_reachable=True, latency_s=latency_s, detail=detail)
