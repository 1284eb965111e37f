"""One OpenTelemetry span and three measurements per call; nothing per chunk.

Needs the OpenTelemetry API only: without an SDK all of this is a few microseconds of nothing. Names are
those of the GenAI semantic conventions v1.41. No content, key or URL with credentials is ever recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from tapeline.errors import LLMError
from tapeline.types import ChatRequest, Reply

SECONDS_BUCKETS = tuple(0.01 * 2**n for n in range(14))
TOKEN_BUCKETS = tuple(4**n for n in range(14))

PROVIDER_NAMES = {"bedrock": "aws.bedrock", "openai-responses": "openai"}
"""Ours -> the conventions', where they differ."""


class CallRecord:
    """What a call reports about itself while its span is open."""

    def __init__(self, span: Span, attributes: dict[str, Any]) -> None:
        self._span = span
        self._attributes = attributes

    def retried(self, error: LLMError, *, attempt: int, delay_s: float) -> None:
        self._span.add_event("retry", {"attempt": attempt, "delay_s": delay_s, "code": error.code.value})

    def abandoned(self) -> None:
        """The caller stopped reading early: not an error."""
        self._span.set_attribute("tapeline.stream.abandoned", True)

    def finished(self, reply: Reply) -> None:
        usage = reply.usage
        facts = {
            "gen_ai.response.id": reply.id,
            "gen_ai.response.model": reply.model,
            "gen_ai.response.finish_reasons": [reply.finish_reason or "error"],
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        }
        self._span.set_attributes({name: value for name, value in facts.items() if value is not None})
        _duration().record(reply.timing.total_s, self._attributes)
        for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if tokens is not None:
                _tokens().record(tokens, self._attributes | {"gen_ai.token.type": kind})
        if reply.timing.ttft_s is not None:
            _time_to_first_chunk().record(reply.timing.ttft_s, self._attributes)

    def failed(self, error: LLMError, *, total_s: float) -> None:
        self._span.set_status(Status(StatusCode.ERROR))
        self._span.set_attribute("error.type", error.code.value)
        _duration().record(total_s, self._attributes | {"error.type": error.code.value})


@contextmanager
def call_span(request: ChatRequest, *, provider: str, base_url: str) -> Iterator[CallRecord]:
    """Open the span of one call, all its tries inside."""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER_NAMES.get(provider, provider),
        "gen_ai.request.model": request.model,
    }
    if host := urlsplit(base_url).hostname:
        attributes["server.address"] = host
    kind = SpanKind.INTERNAL if provider == "mock" else SpanKind.CLIENT
    span = trace.get_tracer("tapeline").start_span(
        f"chat {request.model}", kind=kind, attributes=attributes | _request_attributes(request)
    )
    # Not made current: a stream is read by the caller, who must not find itself inside our span.
    try:
        yield CallRecord(span, attributes)
    finally:
        span.end()


def _request_attributes(request: ChatRequest) -> dict[str, Any]:
    facts = {
        "gen_ai.request.stream": request.is_stream or None,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.top_p": request.top_p,
        "gen_ai.request.seed": request.seed,
        "gen_ai.output.type": "json" if request.schema is not None else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


@cache
def _duration() -> Any:
    return metrics.get_meter("tapeline").create_histogram(
        "gen_ai.client.operation.duration", unit="s", explicit_bucket_boundaries_advisory=SECONDS_BUCKETS
    )


@cache
def _tokens() -> Any:
    return metrics.get_meter("tapeline").create_histogram(
        "gen_ai.client.token.usage", unit="{token}", explicit_bucket_boundaries_advisory=TOKEN_BUCKETS
    )


@cache
def _time_to_first_chunk() -> Any:
    return metrics.get_meter("tapeline").create_histogram(
        "gen_ai.client.operation.time_to_first_chunk",
        unit="s",
        explicit_bucket_boundaries_advisory=SECONDS_BUCKETS,
    )
