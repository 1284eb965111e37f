"""Checks of telemetry: a span for each call, under OpenTelemetry's names, and no secret in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.telemetry.signals import signals
from tapeline.testing.prompts import QUESTION
from tapeline.testing.streams import read
from tapeline.testing.subject import SECRET, Subject
from tapeline.testing.verdicts import error_of, require

ANSWER = "An answer that is nobody else's business."


class SpanChecks(Subject):
    """What an OpenTelemetry SDK gets to see. Skipped where none is installed."""

    @pytest.fixture
    def spans(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        """An exporter in memory, in place of whatever is set up."""
        pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk: pip install tapeline[otel]")
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        # The global provider can be set only once in a process.
        monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
        signals.cache_clear()
        yield exporter
        signals.cache_clear()

    def test_a_call_is_a_span(self, spans: Any) -> None:
        """One, with operation, provider, models, reason and tokens."""
        server = self.stand_in(ANSWER)
        reply = server.model().generate(QUESTION)

        self._require_attributes(spans, reply)

    def test_a_stream_is_a_span(self, spans: Any) -> None:
        """One as well, that says when the first content came."""
        server = self.stand_in(ANSWER)
        _, reply = read(server.model().stream(QUESTION))

        attributes = self._require_attributes(spans, reply)
        first_s = attributes.get("gen_ai.response.time_to_first_chunk")
        require(first_s == reply.timing.ttft_s, f"the time to first chunk, {reply.timing.ttft_s}", attributes)

    def _require_attributes(self, spans: Any, reply: Any) -> dict[str, Any]:
        __tracebackhide__ = True
        finished = spans.get_finished_spans()
        require(len(finished) == 1, "one span for one call", [span.name for span in finished])
        attributes = dict(finished[0].attributes)
        wanted = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": self.chat_model().name,
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.response.id": reply.id,
            "gen_ai.response.model": reply.model,
            "gen_ai.usage.input_tokens": reply.usage.input_tokens,
            "gen_ai.usage.output_tokens": reply.usage.output_tokens,
        }
        wanted = {name: value for name, value in wanted.items() if value is not None}
        came = {name: attributes.get(name) for name in wanted}
        require(came == wanted, f"the attributes {wanted}", attributes)
        require(bool(attributes.get("gen_ai.provider.name")), "gen_ai.provider.name", attributes)
        return attributes

    def test_a_failure_is_in_its_span(self, spans: Any) -> None:
        """error.type is the code of the error that the caller gets."""
        model = self.stand_in(LLMError("no", code=ErrorCode.RATE_LIMIT)).model(max_retries=1)

        error = error_of(lambda: model.generate(QUESTION), "after two tries")

        [span] = spans.get_finished_spans()
        came = span.attributes.get("error.type")
        require(came == error.code.value, f"error.type {error.code.value!r}", dict(span.attributes))
        require(not span.status.is_ok, "a span that did not go well", span.status.status_code)

    def test_a_span_keeps_secrets(self, spans: Any) -> None:
        """No key, and unless they are asked for, neither prompt nor answer."""
        server = self.stand_in(ANSWER)

        server.model(api_key=SECRET).generate(QUESTION)

        everything = "\n".join(span.to_json() for span in spans.get_finished_spans())
        for secret in (SECRET, QUESTION, ANSWER):
            require(secret not in everything, f"no {secret!r} in a span", everything)

    def test_a_stream_that_is_left_has_ended(self, spans: Any) -> None:
        """Its span too: none stays open for ever."""
        with self.stand_in(ANSWER).model().stream(QUESTION) as stream:
            next(stream)

        finished = spans.get_finished_spans()
        require(len(finished) == 1, "a finished span", finished)
