"""Tools that are run, batches, circuit breakers."""

from __future__ import annotations

import logging
from contextlib import suppress
from json import JSONDecodeError
from typing import Any

import pytest
from exported import Exported
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from tapeline.clock import VirtualClock
from tapeline.errors import ErrorCode, LLMError
from tapeline.telemetry import batch_started, breaker_changed, tool_span

TOOL = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "get_weather",
    "gen_ai.tool.type": "function",
    "gen_ai.tool.call.id": "c1",
}
MEASURED = {"gen_ai.tool.name": "get_weather", "gen_ai.tool.type": "function"}


def test_a_tool_that_works(exported: Exported, clock: VirtualClock) -> None:
    """A span inside the process, how long it took, and one more call."""
    with tool_span(name="get_weather", call_id="c1", clock=clock):
        clock.sleep(0.5)

    span = exported.span
    assert (span.name, span.kind) == ("execute_tool get_weather", SpanKind.INTERNAL)
    assert span.status.status_code is StatusCode.UNSET
    assert exported.attributes == TOOL
    assert exported.measured() == {
        "gen_ai.execute_tool.duration": [(0.5, MEASURED)],
        "tapeline.tool_calls": [(1, MEASURED)],
    }


ERRORS: dict[str, tuple[Exception, str]] = {
    "of ours": (LLMError("canary", code=ErrorCode.TOOL_EXECUTION_ERROR), "tool_execution_error"),
    "of Python's": (KeyError("canary"), "KeyError"),
    "of a library's": (JSONDecodeError("canary", "", 0), "json.decoder.JSONDecodeError"),
}


@pytest.mark.parametrize(("error", "code"), ERRORS.values(), ids=ERRORS.keys())
def test_a_tool_that_fails(error: Exception, code: str, exported: Exported, clock: VirtualClock) -> None:
    """Told or raised, it is one failure, and its text stays here."""
    with suppress(type(error)), tool_span(name="get_weather", call_id="c1", clock=clock) as record:
        record.failed(error)
        raise error

    failed: dict[str, Any] = MEASURED | {"error.type": code}
    assert exported.span.status.status_code is StatusCode.ERROR
    assert exported.attributes == TOOL | {"error.type": code}
    assert exported.measured() == {
        "gen_ai.execute_tool.duration": [(0.0, failed)],
        "tapeline.tool_calls": [(1, failed)],
    }
    assert "canary" not in exported.everything()


def test_what_a_tool_does_happens_inside_its_span(exported: Exported) -> None:
    with tool_span(name="get_weather", call_id="c1"):
        inside = trace.get_current_span().get_span_context()

    assert inside == exported.span.get_span_context()
    assert not trace.get_current_span().get_span_context().is_valid


def test_without_an_sdk_a_tool_runs_all_the_same() -> None:
    with tool_span(name="get_weather", call_id="c1") as record:
        record.failed(KeyError("city"))


def test_batches_are_measured_by_size(exported: Exported) -> None:
    batch_started(3)
    batch_started(5)

    [point] = exported.points["tapeline.batch.size"]
    assert (point.count, point.sum, dict(point.attributes)) == (2, 8, {})


STATES = [("closed", 0, logging.INFO), ("half_open", 1, logging.INFO), ("open", 2, logging.WARNING)]


@pytest.mark.parametrize(("state", "value", "level"), STATES)
def test_a_circuit_breaker_shows_its_state(
    state: str, value: int, level: int, exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tapeline")

    breaker_changed("openai:gpt-5.4-mini", state)

    assert exported.measured() == {
        "tapeline.breaker.state": [(value, {"tapeline.target": "openai:gpt-5.4-mini"})]
    }
    assert [(line.message, line.levelno, line.state) for line in caplog.records] == [  # type: ignore[attr-defined]
        ("breaker_changed", level, state)
    ]
