"""Other people's SDKs, samplers and processors: asked early, spared work, and not trusted to function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from exported import Exported
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult

from tapeline.errors import ErrorCode, LLMError
from tapeline.telemetry import call_span
from tapeline.types import ChatRequest, Reply, Timing, Usage, assistant, user

Exporting = Callable[..., Exported]

URL = "https://openai.test/v1"
REQUEST = ChatRequest(model="gpt-5.4-mini", messages=(user("Hi"),), is_stream=True)
REPLY = Reply(
    message=assistant("Hello."),
    finish_reason="stop",
    usage=Usage(input_tokens=12, output_tokens=5),
    timing=Timing(total_s=0.75, ttft_s=0.25),
    model="gpt-5.4-mini-2026",
    id="answer-1",
)


class Keeping(Sampler):
    """Keeps what it was told, and drops every span."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}

    def should_sample(self, *args: Any, attributes: Any = None, **_: Any) -> SamplingResult:
        self.seen = dict(attributes or args[4])
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return "keeping"


def test_a_sampler_knows_whom_is_called(exporting: Exporting) -> None:
    sampler = Keeping()
    exporting(sampler=sampler)

    with call_span(REQUEST, provider="openai", base_url=URL) as record:
        record.finished(REPLY)

    assert sampler.seen == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.4-mini",
        "server.address": "openai.test",
        "server.port": 443,
    }


class Raising(SpanProcessor):
    """Somebody's processor that does not work."""

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        raise RuntimeError("canary")

    def on_end(self, span: Any) -> None:
        raise RuntimeError("canary")


class RaisingAtTheEnd(Raising):
    """It has worked for a while."""

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        pass


@pytest.mark.parametrize("processor", [Raising, RaisingAtTheEnd])
def test_a_broken_sdk_breaks_no_call(
    processor: type[SpanProcessor], exporting: Exporting, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the class of the error; no call stays open in the count."""
    exported = exporting(processor=processor())

    with call_span(REQUEST, provider="openai", base_url=URL) as record:
        record.retried(LLMError("no", code=ErrorCode.RATE_LIMIT), attempt=1, delay_s=0.5)
        record.finished(REPLY)

    assert {(line.message, line.error_type) for line in caplog.records} == {  # type: ignore[attr-defined]
        ("telemetry_failed", "RuntimeError")
    }
    assert sum(exported.active().values()) == 0


class Watched:
    """Stands in for a value and keeps the names of what was read of it."""

    def __init__(self, value: object) -> None:
        self._value = value
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self._value, name)


@pytest.mark.parametrize("options", [None, {"sampler": ALWAYS_OFF}], ids=["no SDK", "not sampled"])
def test_nothing_is_built_for_a_span_that_nobody_sees(
    options: dict[str, Any] | None, exporting: Exporting
) -> None:
    """Neither the request's settings nor the answer's ids and body are looked at."""
    if options is not None:
        exporting(**options)
    request, reply = Watched(REQUEST), Watched(REPLY)

    with call_span(request, provider="openai", base_url=URL) as record:  # type: ignore[arg-type]
        record.finished(reply)  # type: ignore[arg-type]

    assert request.read == {"model", "is_stream"}
    assert reply.read == {"model", "timing", "usage", "finish_reason"}
