"""What signals say of requests and replies, provider by provider."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import aws_attributes, gen_ai_attributes, openai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

from tapeline.telemetry.attributes import call_attributes, request_attributes, response_attributes
from tapeline.telemetry.conventions import LATEST, V1_41, Edition
from tapeline.types import ChatRequest, Reply, Timing, Usage, assistant, user

GUARDRAIL = {"guardrailConfig": {"guardrailIdentifier": "gr-1", "guardrailVersion": "1"}}
SETTINGS: dict[str, Any] = {
    "max_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.25,
    "top_k": 40,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "seed": 7,
    "stop": ("END",),
    "reasoning_effort": "low",
    "service_tier": "flex",
    "metadata": {"team": "canary"},
    "schema": {"type": "object"},
    "is_stream": True,
}
SAID = {
    "gen_ai.request.stream": True,
    "gen_ai.request.max_tokens": 9,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.top_p": 0.25,
    "gen_ai.request.top_k": 40.0,
    "gen_ai.request.frequency_penalty": 0.1,
    "gen_ai.request.presence_penalty": 0.2,
    "gen_ai.request.seed": 7,
    "gen_ai.request.stop_sequences": ("END",),
    "gen_ai.request.reasoning.level": "low",
    "gen_ai.output.type": "json",
}
USAGE = Usage(
    input_tokens=12, output_tokens=5, cached_input_tokens=8, cache_write_tokens=2, reasoning_tokens=3
)
ANSWERED = {
    "gen_ai.response.id": "answer-1",
    "gen_ai.response.model": "m-2",
    "gen_ai.response.time_to_first_chunk": 0.25,
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.cache_read.input_tokens": 8,
    "gen_ai.usage.cache_creation.input_tokens": 2,
    "gen_ai.usage.reasoning.output_tokens": 3,
}
UNRELEASED = {"gen_ai.request.reasoning.level"}
"""Names of the newest text for which v1.41 has none."""


def request(**options: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=(user("canary"),), **options)


def reply(wire: bytes | tuple[bytes, ...] = b"", usage: Usage = USAGE) -> Reply:
    timing = Timing(total_s=1.0, ttft_s=0.25)
    return Reply(
        message=assistant("canary"),
        finish_reason="stop",
        usage=usage,
        timing=timing,
        model="m-2",
        id="answer-1",
        wire=wire,
    )


# Whom we call ---------------------------------------------------------------------------------------

SERVERS = {
    "OpenAI by default": ("openai", "", "openai", ("api.openai.com", 443)),
    "its Responses API": ("openai-responses", "", "openai", ("api.openai.com", 443)),
    "Anthropic by default": ("anthropic", "", "anthropic", ("api.anthropic.com", 443)),
    "Bedrock": (
        "bedrock",
        "https://bedrock-runtime.us-east-1.amazonaws.com",
        "aws.bedrock",
        ("bedrock-runtime.us-east-1.amazonaws.com", 443),
    ),
    "Ollama": ("ollama", "http://127.0.0.1:11434", "ollama", ("127.0.0.1", 11434)),
    "plain HTTP": ("openai", "http://gateway/v1", "openai", ("gateway", 80)),
    "a URL with secrets": ("openai", "https://canary:canary@h:8443/canary?key=canary", "openai", ("h", 8443)),
}


@pytest.mark.parametrize(("provider", "url", "name", "server"), SERVERS.values(), ids=SERVERS.keys())
def test_whom_a_call_goes_to(provider: str, url: str, name: str, server: tuple[str, int]) -> None:
    """The provider by the conventions' name; of the URL host and port, and nothing else."""
    address, port = server

    assert call_attributes(provider, url, "m") == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": name,
        "gen_ai.request.model": "m",
        "server.address": address,
        "server.port": port,
    }


@pytest.mark.parametrize(("provider", "url"), [("mock", "http://mock.invalid/v1"), ("acme", "")])
def test_where_there_is_no_server_none_is_named(provider: str, url: str) -> None:
    """The mock answers in the process; a provider of a third party may not tell."""
    assert call_attributes(provider, url, "m") == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": "m",
    }


# What we ask for ------------------------------------------------------------------------------------

REQUESTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "nothing": ("ollama", {}, {}),
    "everything": ("anthropic", SETTINGS, SAID),
    "everything of OpenAI": (
        "openai",
        SETTINGS | {"extra": {"n": 2, "user": "canary"}},
        SAID
        | {
            "openai.api.type": "chat_completions",
            "openai.request.service_tier": "flex",
            "gen_ai.request.choice.count": 2,
        },
    ),
    "what OpenAI does anyway": (
        "openai",
        {"service_tier": "auto", "extra": {"n": 1}},
        {"openai.api.type": "chat_completions"},
    ),
    "the turn after another": (
        "openai-responses",
        {"extra": {"previous_response_id": "answer-0"}},
        {"openai.api.type": "responses", "gen_ai.request.previous_response.id": "answer-0"},
    ),
    "a guardrail": ("bedrock", {"extra": GUARDRAIL}, {"aws.bedrock.guardrail.id": "gr-1"}),
    "a guardrail of another shape": ("bedrock", {"extra": {"guardrailConfig": "canary"}}, {}),
    "zeros": ("ollama", {"temperature": 0.0, "seed": 0}, {
        "gen_ai.request.temperature": 0.0, "gen_ai.request.seed": 0,
    }),
}  # fmt: skip


@pytest.mark.parametrize(("provider", "options", "expected"), REQUESTS.values(), ids=REQUESTS.keys())
def test_what_is_asked_for(provider: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    """What was not said is not there; neither are labels and free fields."""
    assert request_attributes(request(**options), provider, V1_41) == expected


@pytest.mark.parametrize(("edition", "kind"), [(V1_41, float), (LATEST, int)], ids=["v1.41", "latest"])
def test_top_k_has_the_editions_type(edition: Edition, kind: type) -> None:
    top_k = request_attributes(request(top_k=40), "anthropic", edition)["gen_ai.request.top_k"]

    assert (top_k, type(top_k)) == (40, kind)


# What we get ----------------------------------------------------------------------------------------


def test_what_is_answered() -> None:
    assert response_attributes(reply(), "anthropic", V1_41) == ANSWERED


def test_in_the_newest_edition_tokens_are_written_to_a_cache() -> None:
    """v1.41 says they create one."""
    expected = dict(ANSWERED)
    expected["gen_ai.usage.cache_write.input_tokens"] = expected.pop(
        "gen_ai.usage.cache_creation.input_tokens"
    )

    assert response_attributes(reply(), "anthropic", LATEST) == expected


def test_an_answer_without_facts_has_none() -> None:
    bare = Reply(message=assistant(""), finish_reason=None)

    assert response_attributes(bare, "bedrock", V1_41) == {}


def body(**facts: Any) -> bytes:
    return json.dumps(facts).encode()


SERVED = {"service_tier": "default", "system_fingerprint": "fp_1"}
TOLD = {"openai.response.service_tier": "default", "openai.response.system_fingerprint": "fp_1"}
WIRES: dict[str, tuple[str, bytes | tuple[bytes, ...], dict[str, Any]]] = {
    "a body": ("openai", body(choices=[], **SERVED), TOLD),
    "a stream": ("openai", (body(choices=[]), body(choices=[], **SERVED)), TOLD),
    "a stream of the Responses API": ("openai-responses", (body(response=SERVED),), TOLD),
    "neither is known": ("openai", body(service_tier=None), {}),
    "nothing came": ("openai", (), {}),
    "another type": ("openai", body(service_tier=3), {}),
    "no JSON": ("openai", b"\xff<html>", {}),
    "another provider": ("anthropic", body(**SERVED), {}),
}


@pytest.mark.parametrize(("provider", "wire", "expected"), WIRES.values(), ids=WIRES.keys())
def test_openai_says_how_it_served_a_call(
    provider: str, wire: bytes | tuple[bytes, ...], expected: dict[str, Any]
) -> None:
    assert response_attributes(reply(wire), provider, V1_41) == ANSWERED | expected


# Names ----------------------------------------------------------------------------------------------


def test_the_names_are_those_of_the_conventions() -> None:
    """Every name we use by default is listed there, but for those that are newer and those of our own."""
    modules = (gen_ai_attributes, gen_ai_metrics, openai_attributes, aws_attributes)
    known = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    extra = {"n": 2} | GUARDRAIL
    used = {
        *request_attributes(request(**SETTINGS, extra=extra), "openai", V1_41),
        *request_attributes(request(extra=extra), "bedrock", V1_41),
        *response_attributes(reply(body(**SERVED)), "openai", V1_41),
        *(metric.name for metric in V1_41.token_metrics),
        V1_41.duration,
        V1_41.time_to_first_chunk,
        V1_41.time_per_output_chunk,
    }

    assert used - known == UNRELEASED
