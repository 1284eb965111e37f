"""What leaves the process when a model is used: the same from both faces, no content and no key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from exported import Exported
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from wires import FACES, WIRES, Face, Server, plain, streamed, words

from tapeline.clock import VirtualClock
from tapeline.errors import LLMError

both_faces = pytest.mark.parametrize("face", FACES.values(), ids=FACES.keys())

OPENAI = WIRES["openai"]
QUESTION = "What is the capital of France?"
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5.4-mini",
    "server.address": "openai.test",
    "server.port": 80,
}
REQUEST = CALL | {"openai.api.type": "chat_completions"}
RESPONSE = {
    "gen_ai.response.id": "answer-1",
    "gen_ai.response.model": "gpt-5.4-mini",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 5,
}
MEASURED = CALL | {"gen_ai.response.model": "gpt-5.4-mini"}
TOKENS = [
    (12, MEASURED | {"gen_ai.token.type": "input"}),
    (5, MEASURED | {"gen_ai.token.type": "output"}),
]


def answer(**options: Any) -> Any:
    return plain(OPENAI.codec.encode_response(OPENAI.reply()), **options)


def events() -> list[bytes]:
    return OPENAI.blocks(words(OPENAI.reply()))


def failing(status: int, **headers: str) -> Any:
    return plain(b'{"error": {"message": "no"}}', status=status, headers=headers)


@both_faces
def test_a_plain_call(face: Face, exported: Exported, clock: VirtualClock) -> None:
    """One client span with these attributes and no others, its duration and its tokens."""
    model = face.model(Server(clock, answer(due_s=0.75)), OPENAI)

    face.generate(model, clock, QUESTION, max_tokens=9, temperature=0.5, top_p=0.25, seed=7)

    span = exported.span
    assert (span.name, span.kind) == ("chat gpt-5.4-mini", SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    assert exported.attributes == {
        **REQUEST,
        **RESPONSE,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.25,
        "gen_ai.request.seed": 7,
    }
    assert exported.measured() == {
        "gen_ai.client.operation.duration": [(0.75, MEASURED)],
        "gen_ai.client.token.usage": TOKENS,
    }


@both_faces
def test_a_streamed_call(face: Face, exported: Exported, clock: VirtualClock) -> None:
    """Also the time to its first content; and nothing for each chunk."""
    model = face.model(Server(clock, streamed(events(), head_s=0.25, gap_s=0.125)), OPENAI)

    face.stream(model, clock, QUESTION)

    first = {"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.25}
    assert exported.attributes == REQUEST | RESPONSE | first
    assert exported.steps == []
    assert exported.measured() == {
        "gen_ai.client.operation.duration": [(0.25 + (len(events()) - 1) * 0.125, MEASURED)],
        "gen_ai.client.operation.time_to_first_chunk": [(0.25, MEASURED)],
        "gen_ai.client.token.usage": TOKENS,
    }


@both_faces
def test_the_time_between_chunks_if_asked_for(
    face: Face, exporting: Callable[..., Exported], clock: VirtualClock
) -> None:
    """From the first content on: three words make two gaps."""
    exported = exporting({"TAPELINE_TELEMETRY_CHUNKS": "1"})
    model = face.model(Server(clock, streamed(events(), gap_s=0.125)), OPENAI)

    face.stream(model, clock, QUESTION)

    [point] = exported.points["gen_ai.client.operation.time_per_output_chunk"]
    assert (point.count, point.sum) == (2, 0.25)


@both_faces
def test_a_failed_call(face: Face, exported: Exported, clock: VirtualClock) -> None:
    """error.type is our code, on the span as on the duration; there are no tokens."""
    model = face.model(Server(clock, failing(401)), OPENAI)

    with pytest.raises(LLMError):
        face.generate(model, clock, QUESTION)

    error = {"error.type": "authentication_error"}
    assert exported.span.status.status_code is StatusCode.ERROR
    assert exported.attributes == REQUEST | error | {"gen_ai.response.finish_reasons": ("error",)}
    assert exported.measured() == {
        "gen_ai.client.operation.duration": [(0.0, CALL | error)],
        "tapeline.errors": [(1, {"gen_ai.provider.name": "openai"} | error)],
    }


@both_faces
def test_a_stream_that_breaks(face: Face, exported: Exported, clock: VirtualClock) -> None:
    """It is one failed call, as long as it lasted."""
    broken = streamed(events()[:2], head_s=0.5, error=httpx2.ReadError("reset"))
    model = face.model(Server(clock, broken), OPENAI)

    with pytest.raises(LLMError):
        face.stream(model, clock, QUESTION)

    error = {"error.type": "network_error"}
    assert exported.attributes["error.type"] == "network_error"
    assert exported.measured()["gen_ai.client.operation.duration"] == [(0.5, MEASURED | error)]


@both_faces
def test_retries_are_steps_of_one_span(face: Face, exported: Exported, clock: VirtualClock) -> None:
    """The call took as long as all its tries and the waits between them."""
    tries = [failing(429, **{"retry-after": "1.5"}), failing(429, **{"retry-after": "2"}), answer(due_s=0.5)]
    model = face.model(Server(clock, *tries), OPENAI)

    face.generate(model, clock, QUESTION)

    limited = {"code": "rate_limit", "http.response.status_code": 429}
    assert exported.steps == [
        ("retry", {"attempt": 1, "delay_s": 1.5} | limited),
        ("retry", {"attempt": 2, "delay_s": 2.0} | limited),
    ]
    assert exported.span.status.status_code is StatusCode.UNSET
    assert exported.measured()["gen_ai.client.operation.duration"] == [(4.0, MEASURED)]


def test_a_stream_that_is_left_is_no_error(exported: Exported, clock: VirtualClock) -> None:
    model = FACES["blocking"].model(Server(clock, streamed(events())), OPENAI)

    with model.stream(QUESTION) as stream:
        next(stream)

    assert exported.span.status.status_code is StatusCode.UNSET
    assert exported.attributes == {
        **REQUEST,
        "gen_ai.request.stream": True,
        "tapeline.stream.abandoned": True,
    }


def test_a_stream_that_is_cancelled_is_one(exported: Exported, clock: VirtualClock) -> None:
    """As the answer was wanted and did not come."""
    model = FACES["asyncio"].model(Server(clock, streamed(events(), gap_s=60.0)), OPENAI)

    async def main() -> None:
        async with asyncio.timeout(1.0):
            async for _ in model.astream(QUESTION):
                pass

    with pytest.raises(TimeoutError):
        clock.run(main())

    assert exported.span.status.status_code is StatusCode.ERROR
    assert exported.attributes["error.type"] == "context_canceled"
    assert exported.attributes["gen_ai.response.finish_reasons"] == ("error",)


def test_the_callers_span_is_the_parent_and_stays_the_current_one(
    exported: Exported, clock: VirtualClock
) -> None:
    """Between two chunks the caller is in its own span, not in ours."""
    model = FACES["blocking"].model(Server(clock, streamed(events())), OPENAI)

    with trace.get_tracer("caller").start_as_current_span("caller") as outer:
        current = {trace.get_current_span() for _ in model.stream(QUESTION)}

    ours, _ = exported.spans
    assert current == {outer}
    assert ours.parent == outer.get_span_context()


PROVIDERS = [
    ("openai", "openai", SpanKind.CLIENT),
    ("anthropic", "anthropic", SpanKind.CLIENT),
    ("bedrock", "aws.bedrock", SpanKind.CLIENT),
    ("ollama", "ollama", SpanKind.CLIENT),
    ("mock", "mock", SpanKind.INTERNAL),
]


@pytest.mark.parametrize(("name", "provider", "kind"), PROVIDERS)
def test_every_provider_makes_one_span(
    name: str, provider: str, kind: SpanKind, exported: Exported, clock: VirtualClock
) -> None:
    """Whatever its SDK does; and a model that is not elsewhere is not called as a client."""
    wire = WIRES[name]
    model = FACES["blocking"].model(Server(clock, plain(wire.codec.encode_response(wire.reply()))), wire)

    model.generate(QUESTION)

    assert (exported.span.kind, exported.attributes["gen_ai.provider.name"]) == (kind, provider)
    assert ("server.address" in exported.attributes) is (kind is SpanKind.CLIENT)


CONTENT = "canary-content"
KEY = "sk-canary-0123456789"


@both_faces
def test_neither_content_nor_key_leaves_the_process(
    face: Face, exporting: Callable[..., Exported], clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Not the prompt, the answer, the provider's error text or the key: good, failed, retried or cut."""
    caplog.set_level("DEBUG", "tapeline")
    events = {"OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true", "TAPELINE_TELEMETRY_EXCEPTIONS": "1"}
    exported = exporting(events)
    echo = plain(json.dumps({"error": {"message": f"{CONTENT} {KEY}"}}).encode(), status=500)
    said = OPENAI.blocks(words(OPENAI.reply(CONTENT)))
    whole = plain(OPENAI.codec.encode_response(OPENAI.reply(CONTENT)))
    server = Server(clock, echo, whole, streamed(said), streamed(said[:1]), echo)
    model = face.model(server, OPENAI, api_key=KEY, max_retries=1)

    face.generate(model, clock, CONTENT, metadata={"who": CONTENT}, extra={"user": CONTENT})
    face.stream(model, clock, CONTENT)
    for call in (face.stream, face.generate):
        with pytest.raises(LLMError):
            call(model, clock, CONTENT)

    lines = [str(vars(line)) for line in caplog.records]
    assert (len(exported.spans), len(exported.events) >= 6, len(lines) >= 2) == (4, True, True)
    assert [seen for seen in [exported.everything(), *lines] if "canary" in seen] == []
