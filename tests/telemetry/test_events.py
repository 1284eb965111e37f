"""The two events, each only for those who ask for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from exported import Exported
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from tapeline.errors import ErrorCode, LLMError
from tapeline.telemetry import call_span
from tapeline.types import ChatRequest, Reply, Timing, assistant, user

DETAILS = {"OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true"}
EXCEPTIONS = {"TAPELINE_TELEMETRY_EXCEPTIONS": "1"}
REQUEST = ChatRequest(model="m", messages=(user("canary"),), temperature=0.5)
REPLY = Reply(message=assistant("canary"), finish_reason="stop", timing=Timing(total_s=1.0), id="answer-1")
ERROR = LLMError("canary", code=ErrorCode.RATE_LIMIT, op="ollama.generate", status=429)


def fail(error: BaseException) -> None:
    with call_span(REQUEST, provider="ollama", base_url="http://h:1") as record:
        if isinstance(error, LLMError):
            record.failed(error, total_s=1.0)
        else:
            raise error


def answer() -> None:
    with call_span(REQUEST, provider="ollama", base_url="http://h:1") as record:
        record.finished(REPLY)


def test_nobody_hears_of_events(exported: Exported) -> None:
    answer()
    fail(ERROR)

    assert exported.events == []


@pytest.mark.parametrize("options", [{}, {"sampler": ALWAYS_OFF}], ids=["sampled", "not sampled"])
def test_the_details_of_a_call(options: dict[str, object], exporting: Callable[..., Exported]) -> None:
    """All the span says, also where there is no span; without content unless that is wanted too."""
    exported = exporting(DETAILS, **options)

    answer()

    assert exported.events == [
        (
            "gen_ai.client.inference.operation.details",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "ollama",
                "gen_ai.request.model": "m",
                "server.address": "h",
                "server.port": 1,
                "gen_ai.request.temperature": 0.5,
                "gen_ai.response.id": "answer-1",
                "gen_ai.response.finish_reasons": ("stop",),
            },
        )
    ]


def test_an_event_belongs_to_the_span_of_its_call(exporting: Callable[..., Exported]) -> None:
    exported = exporting(DETAILS)

    answer()

    [data] = exported.records.get_finished_logs()
    context = exported.span.get_span_context()
    assert context is not None
    assert (data.log_record.trace_id, data.log_record.span_id) == (context.trace_id, context.span_id)


FAILURES = {
    "an error of ours": (
        ERROR,
        {
            "exception.type": "tapeline.errors.LLMError",
            "exception.message": "ollama.generate failed: rate_limit, HTTP 429",
        },
    ),
    "no response": (
        LLMError("canary", code=ErrorCode.NETWORK_ERROR),
        {
            "exception.type": "tapeline.errors.LLMError",
            "exception.message": "call failed: network_error, no response",
        },
    ),
    "an error of nobody's": (ZeroDivisionError("canary"), {"exception.type": "builtins.ZeroDivisionError"}),
}


@pytest.mark.parametrize(("error", "expected"), FAILURES.values(), ids=FAILURES.keys())
def test_an_exception(error: Exception, expected: dict[str, str], exporting: Callable[..., Exported]) -> None:
    """A warning, in our words: a provider's may echo the prompt or the key."""
    exported = exporting(EXCEPTIONS)

    with suppress(ZeroDivisionError):
        fail(error)

    [data] = exported.records.get_finished_logs()
    assert exported.events == [("gen_ai.client.operation.exception", expected)]
    assert data.log_record.severity_number is not None
    assert data.log_record.severity_number.name == "WARN"
