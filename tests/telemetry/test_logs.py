"""Log lines: silent by default, with the ids of the span they belong to, and free of content."""

from __future__ import annotations

import logging

import pytest
from exported import Exported
from opentelemetry import trace

from tapeline.errors import ErrorCode, LLMError
from tapeline.telemetry import TraceContextFilter, call_span
from tapeline.telemetry.logs import harmless
from tapeline.types import ChatRequest, Reply, assistant, user

REQUEST = ChatRequest(model="m", messages=(user("canary"),), is_stream=True)
PARTIAL = Reply(message=assistant("canary"), finish_reason=None)
ERROR = LLMError("canary", code=ErrorCode.STREAM_ERROR, status=503, partial=PARTIAL)


def line() -> logging.LogRecord:
    return logging.LogRecord("app", logging.INFO, "app.py", 1, "hello", None, None)


def ids(record: logging.LogRecord) -> tuple[str, str]:
    return record.trace_id, record.span_id  # type: ignore[attr-defined]


def test_a_line_gets_the_ids_of_the_current_span(exported: Exported) -> None:
    """In hex of 32 and 16 digits, as trace viewers write them."""
    record = line()

    with trace.get_tracer("app").start_as_current_span("work"):
        assert TraceContextFilter().filter(record)

    context = exported.span.get_span_context()
    assert context is not None
    assert ids(record) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")


def test_outside_a_span_the_ids_are_empty() -> None:
    """A format that names them works all the same."""
    record = line()

    assert TraceContextFilter().filter(record)
    assert ids(record) == ("", "")


def test_our_lines_have_the_ids_of_the_call_they_are_about(
    exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    """Although its span is not the current one."""
    caplog.set_level(logging.INFO, "tapeline")
    call = call_span(REQUEST, provider="ollama", base_url="http://h:1")

    with trace.get_tracer("app").start_as_current_span("work"), call as record:
        record.waited(2.0)
        [logged] = caplog.records
        TraceContextFilter().filter(logged)

    span, _ = exported.spans
    context = span.get_span_context()
    assert context is not None
    assert ids(logged) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")


def test_lines_hold_facts_and_no_content(exported: Exported, caplog: pytest.LogCaptureFixture) -> None:
    """Of a retry, a wait, a fallback and a broken stream."""
    caplog.set_level(logging.DEBUG, "tapeline")

    with call_span(REQUEST, provider="ollama", base_url="http://canary:canary@h:1") as record:
        record.retried(ERROR, attempt=1, delay_s=0.5)
        record.waited(2.0)
        record.rerouted(target="mock:echo-1", error=ERROR)
        record.failed(ERROR, total_s=1.5)

    assert [record.message for record in caplog.records] == [
        "retry_scheduled",
        "ratelimit_waited",
        "rerouted",
        "stream_broke",
    ]
    assert {(record.provider, record.model) for record in caplog.records} == {("ollama", "m")}  # type: ignore[attr-defined]
    assert [record for record in caplog.records if "canary" in str(vars(record))] == []


def test_the_logger_is_silent_by_default() -> None:
    """Without a handler of its own, a warning would go to stderr."""
    handlers = logging.getLogger("tapeline").handlers

    assert [type(handler) for handler in handlers] == [logging.NullHandler]


def test_what_goes_wrong_in_telemetry_is_logged_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    @harmless
    def broken() -> None:
        raise ValueError("canary")

    broken()

    [record] = caplog.records
    assert (record.message, record.error_type) == ("telemetry_failed", "ValueError")  # type: ignore[attr-defined]
    assert "canary" not in str(vars(record))
