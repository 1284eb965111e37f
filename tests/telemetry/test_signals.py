"""The instruments: their kinds and units, and that they find an SDK whenever it comes."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from exported import Exported
from opentelemetry.metrics import CallbackOptions

from tapeline.telemetry import batch_started, breaker_changed, call_span, tool_span
from tapeline.telemetry.signals import ActiveCalls
from tapeline.types import ChatRequest

UNITS = {
    "gen_ai.execute_tool.duration": "s",
    "tapeline.batch.size": "{call}",
    "tapeline.breaker.state": "",
    "tapeline.errors": "{error}",
    "tapeline.ratelimit.wait": "s",
    "tapeline.requests.active": "{request}",
    "tapeline.streams.active": "{stream}",
    "tapeline.tool_calls": "{call}",
}


def test_units(exported: Exported) -> None:
    request = ChatRequest(model="m", messages=(), is_stream=True)
    with tool_span(name="get_weather", call_id="c1"), call_span(request, provider="x", base_url="") as record:
        record.waited(0.5)
        record.cancelled()
    batch_started(1)
    breaker_changed("mock:echo-1", "closed")

    data = exported.reader.get_metrics_data()
    assert data is not None
    [resource] = data.resource_metrics
    [scope] = resource.scope_metrics
    assert scope.scope.name == "tapeline"
    assert {metric.name: metric.unit for metric in scope.metrics} == UNITS


def test_calls_are_counted_across_threads() -> None:
    active = ActiveCalls()

    def call(_: int) -> None:
        active.add(+1, "openai", "m")
        active.add(+1, "openai", "n")
        active.add(-1, "openai", "m")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(200)))

    observed = active.observe(CallbackOptions())
    assert [(dict(o.attributes or {}), o.value) for o in observed] == [
        ({"gen_ai.provider.name": "openai", "gen_ai.request.model": "m"}, 0),
        ({"gen_ai.provider.name": "openai", "gen_ai.request.model": "n"}, 200),
    ]


LATE_SDK = """
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tapeline.telemetry import batch_started, tool_span

def work():
    batch_started(3)
    with tool_span(name="get_weather", call_id="c1"):
        pass

work()
exporter, reader, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(MeterProvider([reader]))
work()
[resource] = reader.get_metrics_data().resource_metrics
[scope] = resource.scope_metrics
print(len(exporter.get_finished_spans()), *sorted(metric.name for metric in scope.metrics))
"""


def test_an_sdk_may_come_after_the_first_call() -> None:
    """In a process of its own, as the global providers can be set only once."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LATE_SDK], capture_output=True, text=True, check=False
    )

    expected = ["1", "gen_ai.execute_tool.duration", "tapeline.batch.size", "tapeline.tool_calls"]
    assert (done.stdout.split(), done.stderr) == (expected, "")
