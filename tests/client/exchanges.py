"""What tests of the client ask, and what a server may answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from wires import FACES, WIRES, Wire, plain, streamed, words

from tapeline.latency.pacing import ScheduledResponse
from tapeline.types import FinishReason, Part, Reply, ToolCall, assistant

every_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
both_faces = pytest.mark.parametrize("face", FACES.values(), ids=FACES.keys())
two_carriers = pytest.mark.parametrize("wire", [WIRES["openai"], WIRES["ollama"]], ids=["SDK", "httpx2"])

QUESTION = "What is the capital of France?"
MOCK = WIRES["mock"]
NOVA = replace(WIRES["bedrock"], name="bedrock:amazon.nova-lite-v1:0")
"""A model that answers to a schema by calling a tool."""
R1 = replace(WIRES["bedrock"], name="bedrock:deepseek.r1-v1:0")
"""A model that knows neither schemas nor tools."""
BLOCKING = FACES["blocking"]
TEXT = MOCK.reply().text


def answer(wire: Wire = MOCK, **options: Any) -> ScheduledResponse:
    """A plain answer of a provider."""
    return plain(wire.codec.encode_response(wire.reply()), **options)


def stream_of(wire: Wire = MOCK, **options: Any) -> ScheduledResponse:
    """The same answer streamed, a block for each event."""
    return streamed(wire.blocks(words(wire.reply())), **options)


def said(*content: str | Part, wire: Wire = MOCK, **options: Any) -> ScheduledResponse:
    """A plain answer of this content, which came to its end."""
    return plain(wire.codec.encode_response(reply_of(*content, wire=wire)), **options)


def called(
    *calls: ToolCall, finish_reason: FinishReason = "tool_calls", wire: Wire = MOCK
) -> ScheduledResponse:
    """A plain answer that asks for tools."""
    reply = replace(reply_of(*calls, wire=wire), finish_reason=finish_reason)
    return plain(wire.codec.encode_response(reply))


def reply_of(*content: str | Part, wire: Wire = MOCK) -> Reply:
    return replace(wire.reply(), message=assistant(*content))


def failure(status: int, *, headers: dict[str, str] | None = None, **error: Any) -> ScheduledResponse:
    """An error as OpenAI and its like send it."""
    body = json.dumps({"error": {"message": "no", **error}}).encode()
    return plain(body, status=status, headers={"content-type": "application/json"} | (headers or {}))


RATE_LIMITED = failure(429, headers={"retry-after": "1.5"})


def causes(error: BaseException) -> list[BaseException]:
    """The error and what is below it."""
    return [error, *causes(error.__cause__)] if error.__cause__ else [error]
