"""What spans and measurements say of a call, from its request and its reply. Plain functions of values.

Only ids, names, numbers and settings; content is in `content.py`, and is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tapeline.errors import ErrorCode
from tapeline.telemetry.conventions import API_TYPES, DEFAULT_URLS, PROVIDER_NAMES, Edition
from tapeline.types import ChatRequest, Reply

IN_PROCESS = "mock"
"""The one provider that is not called over a network."""


@lru_cache(maxsize=256)  # most programs talk to a few models: these are built once, not once per call
def call_attributes(provider: str, base_url: str, model: str) -> Mapping[str, Any]:
    """Return what every signal of a call says, and a sampler may decide by. Shared: do not change it."""
    facts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER_NAMES.get(provider, provider),
        "gen_ai.request.model": model,
    }
    if provider != IN_PROCESS:
        facts |= _server(base_url or DEFAULT_URLS.get(provider, ""))
    return _known(facts)


def _server(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    return {
        "server.address": parts.hostname,
        "server.port": parts.port or (80 if parts.scheme == "http" else 443),
    }


def request_attributes(request: ChatRequest, provider: str, edition: Edition) -> dict[str, Any]:
    """Return what the caller asked for, as far as it was said."""
    return _known(
        {
            "gen_ai.request.stream": request.is_stream or None,
            "gen_ai.request.max_tokens": request.max_tokens,
            "gen_ai.request.temperature": request.temperature,
            "gen_ai.request.top_p": request.top_p,
            "gen_ai.request.top_k": None if request.top_k is None else edition.top_k_type(request.top_k),
            "gen_ai.request.frequency_penalty": request.frequency_penalty,
            "gen_ai.request.presence_penalty": request.presence_penalty,
            "gen_ai.request.seed": request.seed,
            "gen_ai.request.stop_sequences": request.stop or None,
            "gen_ai.request.reasoning.level": request.reasoning_effort,
            "gen_ai.output.type": None if request.schema is None else "json",
            **(_openai_request(request, provider) if provider in API_TYPES else {}),
            **(_bedrock_request(request) if provider == "bedrock" else {}),
        }
    )


def _openai_request(request: ChatRequest, provider: str) -> dict[str, Any]:
    choices = request.extra.get("n")
    return {
        "openai.api.type": API_TYPES[provider],
        "openai.request.service_tier": None if request.service_tier == "auto" else request.service_tier,
        "gen_ai.request.choice.count": None if choices == 1 else choices,
        "gen_ai.request.previous_response.id": request.extra.get("previous_response_id"),
    }


def _bedrock_request(request: ChatRequest) -> dict[str, Any]:
    match request.extra:
        case {"guardrailConfig": {"guardrailIdentifier": str(guardrail)}}:
            return {"aws.bedrock.guardrail.id": guardrail}
    return {}


def response_attributes(reply: Reply, provider: str, edition: Edition) -> dict[str, Any]:
    """Return what the provider answered, but for why it stopped."""
    usage = reply.usage
    return _known(
        {
            "gen_ai.response.id": reply.id,
            "gen_ai.response.model": reply.model,
            "gen_ai.response.time_to_first_chunk": reply.timing.ttft_s,
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
            edition.cache_write_tokens: usage.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
            **(_openai_response(reply) if provider in API_TYPES else {}),
        }
    )


class _Served(msgspec.Struct):
    """How OpenAI served a call; the last event of a stream says it too, the Responses API one level down."""

    service_tier: str | None = None
    system_fingerprint: str | None = None
    response: _Served | None = None


_served = msgspec.json.Decoder(_Served)


def _openai_response(reply: Reply) -> dict[str, Any]:
    last = reply.wire if isinstance(reply.wire, bytes) else b"".join(reply.wire[-1:])
    try:
        served = _served.decode(last)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a server that only resembles OpenAI
        return {}
    served = served.response or served
    return {
        "openai.response.service_tier": served.service_tier,
        "openai.response.system_fingerprint": served.system_fingerprint,
    }


def error_type(error: BaseException) -> str:
    """Return a word of few for what went wrong: our code, or the class of somebody else's exception."""
    code = getattr(error, "_gen_ai_error_type", None)
    if code is not None:
        return str(code)
    if not isinstance(error, Exception):  # a cancelled task, Ctrl-C
        return ErrorCode.CONTEXT_CANCELED.value
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}
