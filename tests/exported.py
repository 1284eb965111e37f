"""An OpenTelemetry SDK of a test's own, and all that left through it."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler


class Exported:
    """Three providers, and the spans, measurements and events that left through them."""

    def __init__(self, *, sampler: Sampler = ALWAYS_ON, processor: SpanProcessor | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.records = InMemoryLogRecordExporter()
        self.tracers = TracerProvider(sampler, shutdown_on_exit=False)
        self.tracers.add_span_processor(processor or SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.loggers = LoggerProvider(shutdown_on_exit=False)
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self.records))

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be what the API hands out: the global providers can be set only once in a process."""
        monkeypatch.setattr(trace, "get_tracer", self.tracers.get_tracer)
        monkeypatch.setattr(metrics, "get_meter", self.meters.get_meter)
        monkeypatch.setattr(_logs, "get_logger", self.loggers.get_logger)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def span(self) -> ReadableSpan:
        [span] = self.spans
        return span

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self.span.attributes or {})

    @property
    def steps(self) -> list[tuple[str, dict[str, Any]]]:
        """What happened during the span."""
        return [(event.name, dict(event.attributes or {})) for event in self.span.events]

    @property
    def points(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        resources = data.resource_metrics if data else []
        scopes = [scope for resource in resources for scope in resource.scope_metrics]
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}

    def measured(self) -> dict[str, list[tuple[float, dict[str, Any]]]]:
        """Sums and values of all measurements, with their attributes; calls under way are left out."""
        return {
            name: [
                (point.sum if hasattr(point, "sum") else point.value, dict(point.attributes))
                for point in points
            ]
            for name, points in self.points.items()
            if not name.endswith(".active")
        }

    def active(self) -> dict[str, int]:
        """Calls under way by instrument, over all models."""
        return {
            name: sum(point.value for point in points)
            for name, points in self.points.items()
            if name.endswith(".active")
        }

    @property
    def events(self) -> list[tuple[str | None, dict[str, Any]]]:
        logs = [data.log_record for data in self.records.get_finished_logs()]
        return [(record.event_name, dict(record.attributes or {})) for record in logs]

    def everything(self) -> str:
        """All of it, to search for what should not be there."""
        spans = [span.to_json() for span in self.spans]
        return "\n".join([*spans, str(self.points), str(self.events)])
