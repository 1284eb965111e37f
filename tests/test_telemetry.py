"""What OpenTelemetry gets to see of a call: names of the conventions, exact values, no content and no key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.trace import SpanKind, StatusCode
from wires import FACES, WIRES, Face, Server, plain, streamed, words

from tapeline import telemetry
from tapeline.clock import VirtualClock
from tapeline.errors import LLMError

both_faces = pytest.mark.parametrize("face", FACES.values(), ids=FACES.keys())

OPENAI = WIRES["openai"]
QUESTION = "What is the capital of France?"
REQUEST = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5.4-mini",
    "server.address": "openai.test",
}
RESPONSE = {
    "gen_ai.response.id": "answer-1",
    "gen_ai.response.model": "gpt-5.4-mini",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 5,
}


@dataclass
class Exported:
    """All that left the process."""

    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    @property
    def span(self) -> ReadableSpan:
        [span] = self.exporter.get_finished_spans()
        return span

    @property
    def points(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        found = (
            [metric for r in data.resource_metrics for s in r.scope_metrics for metric in s.metrics]
            if data
            else []
        )
        return {metric.name: list(metric.data.data_points) for metric in found}

    def measured(self) -> dict[str, list[tuple[float, dict[str, Any]]]]:
        """The sums of all measurements, with their attributes."""
        return {
            name: [(point.sum, dict(point.attributes)) for point in points]
            for name, points in self.points.items()
        }


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exported]:
    """An SDK of the test's own: the global providers can be set only once in a process."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([reader], shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name, *_, **__: tracers.get_tracer(name))
    monkeypatch.setattr(metrics, "get_meter", meters.get_meter)
    _forget_instruments()
    yield Exported(exporter, reader)
    _forget_instruments()


def _forget_instruments() -> None:
    for instrument in (telemetry._duration, telemetry._tokens, telemetry._time_to_first_chunk):
        instrument.cache_clear()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def answer(**options: Any) -> Any:
    return plain(OPENAI.codec.encode_response(OPENAI.reply()), **options)


def events() -> list[bytes]:
    return OPENAI.blocks(words(OPENAI.reply()))


def failing(status: int, **headers: str) -> Any:
    return plain(b'{"error": {"message": "no"}}', status=status, headers=headers)


@both_faces
def test_a_plain_call(face: Face, exported: Exported, clock: VirtualClock) -> None:
    """One client span with these attributes and no others, and its duration and tokens."""
    model = face.model(Server(clock, answer(due_s=0.75)), OPENAI)

    face.generate(model, clock, QUESTION, max_tokens=9, temperature=0.5, top_p=0.25, seed=7)

    span = exported.span
    assert (span.name, span.kind, span.status.status_code) == (
        "chat gpt-5.4-mini",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    assert dict(span.attributes or {}) == {
        **REQUEST,
        **RESPONSE,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.25,
        "gen_ai.request.seed": 7,
    }
    assert exported.measured() == {
        "gen_ai.client.operation.duration": [(0.75, REQUEST)],
        "gen_ai.client.token.usage": [
            (12, REQUEST | {"gen_ai.token.type": "input"}),
            (5, REQUEST | {"gen_ai.token.type": "output"}),
        ],
    }


@both_faces
def test_a_streamed_call(face: Face, exported: Exported, clock: VirtualClock) -> None:
    """Also the time to its first content; and nothing for each chunk."""
    model = face.model(Server(clock, streamed(events(), head_s=0.25, gap_s=0.125)), OPENAI)

    face.stream(model, clock, QUESTION)

    measured = exported.measured()
    assert dict(exported.span.attributes or {}) == {**REQUEST, **RESPONSE, "gen_ai.request.stream": True}
    assert exported.span.events == ()
    assert measured["gen_ai.client.operation.duration"] == [(0.25 + (len(events()) - 1) * 0.125, REQUEST)]
    assert measured["gen_ai.client.operation.time_to_first_chunk"] == [(0.25, REQUEST)]
    assert len(measured["gen_ai.client.token.usage"]) == 2


@both_faces
def test_a_structured_call_says_so(face: Face, exported: Exported, clock: VirtualClock) -> None:
    model = face.model(Server(clock, answer()), OPENAI)

    with pytest.raises(LLMError):
        face.generate(model, clock, QUESTION, schema=dict[str, int])

    assert (exported.span.attributes or {})["gen_ai.output.type"] == "json"


@both_faces
def test_a_failed_call(face: Face, exported: Exported, clock: VirtualClock) -> None:
    """error.type is our code, on the span as on the duration; there are no tokens."""
    model = face.model(Server(clock, failing(401)), OPENAI)

    with pytest.raises(LLMError):
        face.generate(model, clock, QUESTION)

    error = {"error.type": "authentication_error"}
    assert exported.span.status.status_code is StatusCode.ERROR
    assert dict(exported.span.attributes or {}) == REQUEST | error
    assert exported.measured() == {"gen_ai.client.operation.duration": [(0.0, REQUEST | error)]}


@both_faces
def test_a_stream_that_breaks(face: Face, exported: Exported, clock: VirtualClock) -> None:
    """It is one failed call, as long as it lasted."""
    broken = streamed(events()[:2], head_s=0.5, error=httpx2.ReadError("reset"))
    model = face.model(Server(clock, broken), OPENAI)

    with pytest.raises(LLMError):
        face.stream(model, clock, QUESTION)

    assert (exported.span.attributes or {})["error.type"] == "network_error"
    assert exported.measured() == {
        "gen_ai.client.operation.duration": [(0.5, REQUEST | {"error.type": "network_error"})]
    }


@both_faces
def test_retries_are_events_of_one_span(face: Face, exported: Exported, clock: VirtualClock) -> None:
    """The call took as long as all its tries and the waits between them."""
    responses = [
        failing(429, **{"retry-after": "1.5"}),
        failing(429, **{"retry-after": "2"}),
        answer(due_s=0.5),
    ]
    model = face.model(Server(clock, *responses), OPENAI)

    face.generate(model, clock, QUESTION)

    assert [(event.name, dict(event.attributes or {})) for event in exported.span.events] == [
        ("retry", {"attempt": 1, "delay_s": 1.5, "code": "rate_limit"}),
        ("retry", {"attempt": 2, "delay_s": 2.0, "code": "rate_limit"}),
    ]
    assert exported.span.status.status_code is StatusCode.UNSET
    assert exported.measured()["gen_ai.client.operation.duration"] == [(4.0, REQUEST)]


def test_a_stream_that_is_left_is_no_error(exported: Exported, clock: VirtualClock) -> None:
    model = FACES["blocking"].model(Server(clock, streamed(events())), OPENAI)

    with model.stream(QUESTION) as stream:
        next(stream)

    assert exported.span.status.status_code is StatusCode.UNSET
    assert dict(exported.span.attributes or {}) == {
        **REQUEST,
        "gen_ai.request.stream": True,
        "tapeline.stream.abandoned": True,
    }


def test_a_stream_that_is_cancelled_is_no_error(exported: Exported, clock: VirtualClock) -> None:
    model = FACES["asyncio"].model(Server(clock, streamed(events(), gap_s=60.0)), OPENAI)

    async def main() -> None:
        async with asyncio.timeout(1.0):
            async for _ in model.astream(QUESTION):
                pass

    with pytest.raises(TimeoutError):
        clock.run(main())

    assert exported.span.status.status_code is StatusCode.UNSET
    assert (exported.span.attributes or {})["tapeline.stream.abandoned"] is True


def test_the_callers_span_is_the_parent_and_stays_the_current_one(
    exported: Exported, clock: VirtualClock
) -> None:
    """Between two chunks the caller is in its own span, not in ours."""
    model = FACES["blocking"].model(Server(clock, streamed(events())), OPENAI)
    tracer = trace.get_tracer("caller")

    with tracer.start_as_current_span("caller") as outer:
        current = {trace.get_current_span() for _ in model.stream(QUESTION)}

    ours, _ = exported.exporter.get_finished_spans()
    assert current == {outer}
    assert ours.parent is not None
    assert ours.parent.span_id == outer.get_span_context().span_id


@pytest.mark.parametrize(
    ("name", "provider", "kind"),
    [
        ("bedrock", "aws.bedrock", SpanKind.CLIENT),
        ("anthropic", "anthropic", SpanKind.CLIENT),
        ("mock", "mock", SpanKind.INTERNAL),
    ],
)
def test_providers_have_the_conventions_names(
    name: str, provider: str, kind: SpanKind, exported: Exported, clock: VirtualClock
) -> None:
    """And a model that is not elsewhere is not called as a client. One span each, whatever the SDK does."""
    wire = WIRES[name]
    model = FACES["blocking"].model(Server(clock, plain(wire.codec.encode_response(wire.reply()))), wire)

    model.generate(QUESTION)

    assert (exported.span.kind, (exported.span.attributes or {})["gen_ai.provider.name"]) == (kind, provider)


CONTENT = "canary-content"
KEY = "sk-canary-0123456789"


@both_faces
def test_neither_content_nor_key_leaves_the_process(
    face: Face, exported: Exported, clock: VirtualClock
) -> None:
    """Not the prompt, the answer, the provider's error text or the key: good, failed, retried or left."""
    echo = plain(json.dumps({"error": {"message": f"{CONTENT} {KEY}"}}).encode(), status=500)
    said = OPENAI.blocks(words(OPENAI.reply(CONTENT)))
    server = Server(
        clock,
        echo,
        plain(OPENAI.codec.encode_response(OPENAI.reply(CONTENT))),
        streamed(said),
        streamed(said[:1]),
        echo,
    )
    model = face.model(server, OPENAI, api_key=KEY, max_retries=1)

    face.generate(model, clock, CONTENT, stop=CONTENT, extra={"user": CONTENT})
    face.stream(model, clock, CONTENT)
    for call in (face.stream, face.generate):
        with pytest.raises(LLMError):
            call(model, clock, CONTENT)

    spans = [span.to_json() for span in exported.exporter.get_finished_spans()]
    exports = [*spans, str(exported.points)]
    assert len(spans) == 4
    assert [export for export in exports if "canary" in export] == []


def test_the_names_are_those_of_the_conventions(exported: Exported, clock: VirtualClock) -> None:
    """Every gen_ai.* name we use is listed there."""
    model = FACES["blocking"].model(Server(clock, streamed(events())), OPENAI)
    options = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.5, "seed": 1}
    list(model.stream(QUESTION, **options))

    known = {v for m in (gen_ai_attributes, gen_ai_metrics) for v in vars(m).values() if isinstance(v, str)}
    used = {*(exported.span.attributes or {}), *exported.points}
    assert {name for name in used if name.startswith("gen_ai.")} - known == set()


def test_buckets_span_what_calls_take() -> None:
    """10 ms to 82 s, and one token to 67 million, as the conventions advise."""
    seconds = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
    assert list(telemetry.SECONDS_BUCKETS) == pytest.approx(list(seconds))
    assert telemetry.TOKEN_BUCKETS == (
        1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
    )  # fmt: skip
