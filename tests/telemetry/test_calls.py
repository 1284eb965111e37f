"""A call's record: one span, its measurements, and an end that counts once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from json import JSONDecodeError
from typing import Any

import pytest
from exported import Exported
from opentelemetry.trace import SpanKind, StatusCode

from tapeline.errors import ErrorCode, LLMError
from tapeline.telemetry import CallRecord, call_span
from tapeline.types import ChatRequest, Reply, Timing, Usage, assistant, user

Exporting = Callable[..., Exported]

MODEL = "gpt-5.4-mini"
REQUEST = ChatRequest(model=MODEL, messages=(user("What is the capital of France?"),))
STREAMED = replace(REQUEST, is_stream=True)
REPLY = Reply(
    message=assistant("Paris."),
    finish_reason="stop",
    usage=Usage(input_tokens=12, output_tokens=5),
    timing=Timing(total_s=0.75),
    model="gpt-5.4-mini-2026",
    id="answer-1",
)
STREAMED_REPLY = replace(REPLY, timing=Timing(total_s=0.75, ttft_s=0.25))
PARTIAL = replace(STREAMED_REPLY, finish_reason=None, usage=Usage(input_tokens=12))

CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": MODEL,
    "server.address": "openai.test",
    "server.port": 443,
}
ASKED = CALL | {"openai.api.type": "chat_completions"}
ANSWERED = {
    "gen_ai.response.id": "answer-1",
    "gen_ai.response.model": "gpt-5.4-mini-2026",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 5,
}
NO_REASON = {"gen_ai.response.finish_reasons": ("error",)}
BY_MODEL = CALL | {"gen_ai.response.model": "gpt-5.4-mini-2026"}
LATEST = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http,gen_ai_latest_experimental"}


def opened(request: ChatRequest = REQUEST) -> CallRecord:
    return call_span(request, provider="openai", base_url="https://openai.test/v1")


def failure(code: ErrorCode = ErrorCode.RATE_LIMIT, **facts: Any) -> LLMError:
    return LLMError("canary: the provider's own words", code=code, **facts)


# Outcomes -------------------------------------------------------------------------------------------

OUTCOMES: dict[str, tuple[Callable[[CallRecord], None], StatusCode, dict[str, Any]]] = {
    "finished": (lambda record: record.finished(REPLY), StatusCode.UNSET, ANSWERED),
    "finished without a reason": (
        lambda record: record.finished(replace(REPLY, finish_reason=None)),
        StatusCode.UNSET,
        ANSWERED | NO_REASON,
    ),
    "failed": (
        lambda record: record.failed(failure(), total_s=1.5),
        StatusCode.ERROR,
        {"error.type": "rate_limit"} | NO_REASON,
    ),
    "broke after a part": (
        lambda record: record.failed(failure(ErrorCode.STREAM_ERROR, partial=PARTIAL), total_s=1.5),
        StatusCode.ERROR,
        {
            "error.type": "stream_error",
            "gen_ai.response.id": "answer-1",
            "gen_ai.response.model": "gpt-5.4-mini-2026",
            "gen_ai.response.time_to_first_chunk": 0.25,
            "gen_ai.usage.input_tokens": 12,
        }
        | NO_REASON,
    ),
    "left by the caller": (
        lambda record: record.abandoned(total_s=1.5),
        StatusCode.UNSET,
        {"tapeline.stream.abandoned": True},
    ),
    "cancelled": (
        lambda record: record.cancelled(total_s=1.5),
        StatusCode.ERROR,
        {"error.type": "context_canceled"} | NO_REASON,
    ),
}


@pytest.mark.parametrize(("end", "status", "expected"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_a_span_says_how_the_call_ended(
    end: Callable[[CallRecord], None], status: StatusCode, expected: dict[str, Any], exported: Exported
) -> None:
    """These attributes and no others; no description, as it would hold the provider's words."""
    with opened() as record:
        end(record)

    span = exported.span
    assert (span.name, span.kind) == (f"chat {MODEL}", SpanKind.CLIENT)
    assert (span.status.status_code, span.status.description) == (status, None)
    assert exported.attributes == ASKED | expected


MEASURED: dict[str, tuple[Callable[[CallRecord], None], dict[str, Any]]] = {
    "finished": (
        lambda record: record.finished(STREAMED_REPLY),
        {
            "gen_ai.client.operation.duration": [(0.75, BY_MODEL)],
            "gen_ai.client.operation.time_to_first_chunk": [(0.25, BY_MODEL)],
            "gen_ai.client.token.usage": [
                (12, BY_MODEL | {"gen_ai.token.type": "input"}),
                (5, BY_MODEL | {"gen_ai.token.type": "output"}),
            ],
        },
    ),
    "failed": (
        lambda record: record.failed(failure(), total_s=1.5),
        {
            "gen_ai.client.operation.duration": [(1.5, CALL | {"error.type": "rate_limit"})],
            "tapeline.errors": [(1, {"gen_ai.provider.name": "openai", "error.type": "rate_limit"})],
        },
    ),
    "left by the caller": (
        lambda record: record.abandoned(total_s=1.5),
        {"gen_ai.client.operation.duration": [(1.5, CALL | {"tapeline.stream.abandoned": True})]},
    ),
    "left, nobody knows when": (lambda record: record.abandoned(), {}),
    "cancelled": (
        lambda record: record.cancelled(total_s=1.5),
        {
            "gen_ai.client.operation.duration": [(1.5, CALL | {"error.type": "context_canceled"})],
            "tapeline.errors": [(1, {"gen_ai.provider.name": "openai", "error.type": "context_canceled"})],
        },
    ),
}


@pytest.mark.parametrize(("end", "expected"), MEASURED.values(), ids=MEASURED.keys())
def test_an_end_is_measured(
    end: Callable[[CallRecord], None], expected: dict[str, Any], exported: Exported
) -> None:
    """Every call that ended has a duration; only what was answered has tokens."""
    with opened(STREAMED) as record:
        end(record)

    assert exported.measured() == expected


ENDS: dict[str, Callable[[CallRecord], None]] = {name: end for name, (end, _) in MEASURED.items()}


@pytest.mark.parametrize("first", ENDS.values(), ids=ENDS.keys())
def test_only_the_first_end_counts(first: Callable[[CallRecord], None], exported: Exported) -> None:
    """However often and in whatever order a call is told to be over."""
    with opened() as record:
        first(record)
        once = exported.attributes, exported.measured()
        for end in ENDS.values():
            end(record)
        record.cached()
        record.retried(failure(), attempt=1, delay_s=0.5)
        record.waited(0.5)
        record.rerouted(target="mock:echo-1", error=failure())
        record.chunk(1.0)
        record.chunk(2.0)

    assert (exported.attributes, exported.measured()) == once


class Interrupted(BaseException):
    """What a cancelled task raises is no Exception."""


UNREPORTED = {
    "an error of ours": (failure(), "rate_limit", None),
    "an error of nobody's": (ZeroDivisionError("canary"), "ZeroDivisionError", None),
    "an error of a library's": (JSONDecodeError("canary", "", 0), "json.decoder.JSONDecodeError", None),
    "a cancelled task": (Interrupted("canary"), "context_canceled", None),
    "a generator that is thrown away": (GeneratorExit(), None, True),
}


@pytest.mark.parametrize(("error", "code", "abandoned"), UNREPORTED.values(), ids=UNREPORTED.keys())
def test_an_error_that_nobody_reported_ends_the_span(
    error: BaseException, code: str | None, abandoned: bool | None, exported: Exported
) -> None:
    with pytest.raises(type(error)), opened():
        raise error

    assert exported.attributes.get("error.type") == code
    assert exported.attributes.get("tapeline.stream.abandoned") == abandoned
    assert "canary" not in exported.everything()


def test_calls_under_way_are_counted(exported: Exported) -> None:
    """Streams twice: they are calls too."""
    with opened() as plain, opened(STREAMED) as stream:
        during = exported.active()
        plain.finished(REPLY)
        stream.abandoned()
        after = exported.active()

    assert during == {"tapeline.requests.active": 2, "tapeline.streams.active": 1}
    assert after == {"tapeline.requests.active": 0, "tapeline.streams.active": 0}


# On the way -----------------------------------------------------------------------------------------


def test_a_retry_is_a_step_of_the_span_a_count_and_a_line(
    exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tapeline")

    with opened() as record:
        record.retried(failure(status=429, retry_after_s=0.5), attempt=1, delay_s=0.5)
        record.retried(failure(ErrorCode.NETWORK_ERROR), attempt=2, delay_s=1.0)

    assert exported.steps == [
        ("retry", {"attempt": 1, "delay_s": 0.5, "code": "rate_limit", "http.response.status_code": 429}),
        ("retry", {"attempt": 2, "delay_s": 1.0, "code": "network_error"}),
    ]
    assert exported.measured()["tapeline.retries"] == [
        (1, {"gen_ai.provider.name": "openai", "error.type": "rate_limit"}),
        (1, {"gen_ai.provider.name": "openai", "error.type": "network_error"}),
    ]
    assert [(line.message, line.attempt, line.retry_after_s) for line in caplog.records] == [  # type: ignore[attr-defined]
        ("retry_scheduled", 1, 0.5),
        ("retry_scheduled", 2, None),
    ]


def test_waits_are_measured_and_long_ones_logged(
    exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tapeline")

    with opened() as record:
        record.waited(0.25)
        record.waited(1.5)

    assert exported.measured() == {"tapeline.ratelimit.wait": [(1.75, {"gen_ai.provider.name": "openai"})]}
    assert [(line.message, line.wait_s) for line in caplog.records] == [("ratelimit_waited", 1.5)]  # type: ignore[attr-defined]


def test_a_fallback_is_a_step_of_the_span(exported: Exported, caplog: pytest.LogCaptureFixture) -> None:
    with opened() as record:
        record.rerouted(target="anthropic:claude-haiku-5-5", error=failure())

    assert exported.steps == [("reroute", {"target": "anthropic:claude-haiku-5-5", "code": "rate_limit"})]
    assert [line.message for line in caplog.records] == ["rerouted"]


def test_an_answer_out_of_the_cache_is_no_usage(exported: Exported) -> None:
    """It was not billed, and how fast it was says nothing about the provider."""
    with opened() as record:
        record.cached()
        record.finished(STREAMED_REPLY)

    assert exported.attributes["tapeline.cache.hit"] is True
    assert exported.measured() == {
        "gen_ai.client.operation.duration": [(0.75, BY_MODEL | {"tapeline.cache.hit": True})]
    }


def test_a_replay_says_so_everywhere(exported: Exported) -> None:
    with opened() as record:
        record.replayed()
        record.finished(REPLY)

    measured = [attributes for points in exported.measured().values() for _, attributes in points]
    assert [attributes["tapeline.replay"] for attributes in [exported.attributes, *measured]] == [True] * 4


def test_nobody_wants_to_hear_of_chunks(exported: Exported) -> None:
    """Unless it is asked for, as it costs ten times what a chunk does."""
    with opened(STREAMED) as record:
        assert not record.wants_chunks


def test_the_time_between_chunks_if_asked_for(exporting: Exporting) -> None:
    """The first chunk is what the time to the first chunk is about."""
    exported = exporting({"TAPELINE_TELEMETRY_CHUNKS": "1"})

    with opened(STREAMED) as record:
        assert record.wants_chunks
        for at_s in (0.5, 0.75, 1.25):
            record.chunk(at_s)

    [point] = exported.points["gen_ai.client.operation.time_per_output_chunk"]
    assert (point.count, point.sum, dict(point.attributes)) == (2, 0.75, CALL)


# The newest names -----------------------------------------------------------------------------------


def test_the_newest_names_of_measurements(exporting: Exporting) -> None:
    """Counters for totals, histograms for percentiles; the modality of tokens is not known."""
    exported = exporting(LATEST)
    usage = Usage(
        input_tokens=12, output_tokens=5, cached_input_tokens=8, cache_write_tokens=2, reasoning_tokens=3
    )

    with opened(STREAMED) as record:
        record.finished(replace(STREAMED_REPLY, usage=usage))

    counted = BY_MODEL | {"gen_ai.token.modality": "unknown"}
    assert exported.measured() == {
        "gen_ai.client.inference.duration": [(0.75, BY_MODEL)],
        "gen_ai.client.inference.time_to_first_chunk": [(0.25, BY_MODEL)],
        "gen_ai.client.inference.operation.input_tokens": [(12, BY_MODEL)],
        "gen_ai.client.inference.operation.output_tokens": [(5, BY_MODEL)],
        "gen_ai.client.inference.usage.input_tokens": [(12, counted)],
        "gen_ai.client.inference.usage.output_tokens": [(5, counted)],
        "gen_ai.client.inference.usage.cache_read.input_tokens": [(8, counted)],
        "gen_ai.client.inference.usage.cache_write.input_tokens": [(2, counted)],
        "gen_ai.client.inference.usage.reasoning.output_tokens": [(3, counted)],
    }


def test_under_the_newest_names_a_failure_counts_no_tokens_but_is_counted(exporting: Exporting) -> None:
    exported = exporting(LATEST)

    with opened() as record:
        record.failed(failure(), total_s=1.5)

    failed = CALL | {"error.type": "rate_limit"}
    counted = failed | {"gen_ai.token.modality": "unknown"}
    assert exported.measured() == {
        "gen_ai.client.inference.duration": [(1.5, failed)],
        "gen_ai.client.inference.usage.input_tokens": [(0, counted)],
        "gen_ai.client.inference.usage.output_tokens": [(0, counted)],
        "tapeline.errors": [(1, {"gen_ai.provider.name": "openai", "error.type": "rate_limit"})],
    }
