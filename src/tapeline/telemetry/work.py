"""Signals of what happens around calls: tools that are run, batches, circuit breakers."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any, Self

from opentelemetry import context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, set_span_in_context

from tapeline.clock import NS_PER_S, Clock, SystemClock
from tapeline.telemetry.attributes import error_type
from tapeline.telemetry.logs import harmless, log
from tapeline.telemetry.signals import signals

BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}
"""State -> the value of its gauge: the higher, the worse."""


def tool_span(*, name: str, call_id: str, clock: Clock | None = None) -> ToolRecord:
    """Return the record of one run of a tool, a context manager: inside, its span is the current one."""
    return ToolRecord(name, call_id, clock or SystemClock())


class ToolRecord:
    """What a tool that is run reports. An exception that leaves the block counts as `failed`."""

    def __init__(self, name: str, call_id: str, clock: Clock) -> None:
        self._name = name
        self._call_id = call_id
        self._clock = clock
        self._span: Span = INVALID_SPAN
        self._token: Any = None
        self._error_type: str | None = None
        self._start_ns = clock.now_ns()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.failed(error)
        self._measure()
        self._close()

    @harmless
    def _start(self) -> None:
        self._span = signals().tracer.start_span(
            f"execute_tool {self._name}",
            kind=SpanKind.INTERNAL,
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": self._name,
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": self._call_id,
            },
        )
        self._token = context.attach(set_span_in_context(self._span))

    @harmless
    def failed(self, error: BaseException) -> None:
        """The tool could not do its work; the first error counts."""
        if self._error_type is None:
            self._error_type = error_type(error)
            self._span.set_status(Status(StatusCode.ERROR))
            self._span.set_attribute("error.type", self._error_type)

    @harmless
    def _measure(self) -> None:
        outcome = {} if self._error_type is None else {"error.type": self._error_type}
        attributes = {"gen_ai.tool.name": self._name, "gen_ai.tool.type": "function", **outcome}
        signals().tool_duration.record((self._clock.now_ns() - self._start_ns) / NS_PER_S, attributes)
        signals().tool_calls.add(1, attributes)

    @harmless
    def _close(self) -> None:
        if self._token is not None:
            context.detach(self._token)
        self._span.end()


@harmless
def batch_started(size: int) -> None:
    """So many calls were handed over at once."""
    signals().batch_size.record(size)


@harmless
def breaker_changed(target: str, state: str) -> None:
    """The circuit breaker of `target`, a "provider:model", is now closed, half_open or open."""
    signals().breaker_state.set(BREAKER_STATES[state], {"tapeline.target": target})
    level = logging.WARNING if state == "open" else logging.INFO
    log.log(level, "breaker_changed", extra={"target": target, "state": state})
