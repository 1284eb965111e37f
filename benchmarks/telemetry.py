"""What a call costs on top for being reported: without an OpenTelemetry SDK, and with one in memory."""

from __future__ import annotations

from typing import Any

from benchmarks import adapter
from benchmarks.wire import WIRES

CALLS = 1_000


class Record:
    """The span of a plain call and its measurements, from the start of the call to its end.

    Targets: 10 us a call without an SDK, 100 us with one that keeps everything in memory.
    """

    params = (["no SDK", "SDK in memory"],)
    param_names = ("telemetry",)
    version = "1"

    def setup(self, telemetry: str) -> None:
        if telemetry != "no SDK":
            _export_to_memory()
        self.call_span = adapter.part("call_span")
        self.request = adapter.chat_request(WIRES["openai"].model, ["How long is a tape measure?"])
        self.reply = adapter.codec("openai").decode_response(WIRES["openai"].reply)

    def time_1000_calls(self, telemetry: str) -> None:
        """1,000 calls: milliseconds here read as microseconds per call."""
        for _ in range(CALLS):
            with self.call_span(self.request, provider="openai", base_url="https://api.test/v1") as record:
                record.finished(self.reply)


def _export_to_memory() -> None:
    """Install providers for this process, which asv forks for each parameter."""
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    tracers: Any = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider(metric_readers=[InMemoryMetricReader()]))
