"""Content: recorded only where it is asked for, in the conventions' shape, and never as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from exported import Exported

from tapeline.errors import LLMError
from tapeline.media import Audio, Document, Image
from tapeline.telemetry import call_span
from tapeline.telemetry.content import content_attributes
from tapeline.telemetry.conventions import LATEST, V1_41
from tapeline.types import (
    CachePoint,
    ChatRequest,
    Message,
    Part,
    Refusal,
    Reply,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    assistant,
    system,
    user,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"canary"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
NAMES = {
    "gen_ai.system_instructions",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.tool.definitions",
}

WEATHER = Tool(name="get_weather", description="Look outside.", parameters={"type": "object"})
REQUEST = ChatRequest(
    model="m", messages=(system("Be brief."), user("Weather in Paris?")), tools=(WEATHER,), is_stream=True
)
CALL = ToolCall(id="c1", name="get_weather", raw_arguments='{"city": "Paris"}')
REPLY = Reply(message=assistant(CALL), finish_reason="tool_calls")
SAID = {
    "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
    "gen_ai.input.messages": [
        {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]},
    ],
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [
                {"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": {"city": "Paris"}}
            ],
            "finish_reason": "tool_call",
        }
    ],
    "gen_ai.tool.definitions": [
        {
            "type": "function",
            "name": "get_weather",
            "description": "Look outside.",
            "parameters": {"type": "object"},
        }
    ],
}


def test_what_was_said() -> None:
    assert content_attributes(REQUEST, REPLY, V1_41) == SAID


def test_what_is_empty_is_left_out() -> None:
    request = ChatRequest(model="m", messages=(user("Hi"),))

    assert content_attributes(request, None, V1_41).keys() == {"gen_ai.input.messages"}


REASONS = [("stop", "stop"), ("length", "length"), ("refusal", "content_filter"), (None, "error")]


@pytest.mark.parametrize(("ours", "theirs"), REASONS)
def test_an_answer_says_why_it_ended(ours: Any, theirs: str) -> None:
    [message] = content_attributes(REQUEST, replace(REPLY, finish_reason=ours), V1_41)[
        "gen_ai.output.messages"
    ]

    assert message["finish_reason"] == theirs


def test_in_the_newest_edition_the_reason_is_on_the_span_alone() -> None:
    [message] = content_attributes(REQUEST, REPLY, LATEST)["gen_ai.output.messages"]

    assert message.keys() == {"role", "parts"}


PARTS: dict[str, tuple[Part, list[dict[str, Any]]]] = {
    "text": (Text("hi"), [{"type": "text", "content": "hi"}]),
    "refusal": (Refusal("no"), [{"type": "text", "content": "no"}]),
    "reasoning": (
        Thinking(text="hm", signature="canary", redacted="canary"),
        [{"type": "reasoning", "content": "hm"}],
    ),
    "reasoning that cannot be read": (Thinking(redacted="canary"), []),
    "a cache mark": (CachePoint(), []),
    "arguments that are no JSON": (
        ToolCall(id="c1", name="f", raw_arguments='{"a'),
        [{"type": "tool_call", "id": "c1", "name": "f", "arguments": '{"a'}],
    ),
    "a result": (
        ToolResult(id="c1", content="21 C"),
        [{"type": "tool_call_response", "id": "c1", "response": "21 C"}],
    ),
    "a result with a picture": (
        ToolResult(id="c1", content=(Text("see"), Image(media_type="image/png", data=PNG))),
        [
            {
                "type": "tool_call_response",
                "id": "c1",
                "response": [
                    {"type": "text", "content": "see"},
                    {"type": "blob", "mime_type": "image/png", "modality": "image", "byte_size": 14},
                ],
            }
        ],
    ),
    "a picture": (
        Image(media_type="image/png", data=PNG),
        [{"type": "blob", "mime_type": "image/png", "modality": "image", "byte_size": 14}],
    ),
    "sound": (
        Audio(media_type="audio/wav", data=b"canary"),
        [{"type": "blob", "mime_type": "audio/wav", "modality": "audio", "byte_size": 6}],
    ),
    "a document": (
        Document(media_type="text/plain", data=b"canary", name="canary.txt"),
        [{"type": "blob", "mime_type": "text/plain", "modality": "document", "byte_size": 6}],
    ),
    "a picture somewhere else": (
        Image.from_url("https://canary:canary@host:8443/cat.png?sig=canary#canary"),
        [{"type": "uri", "mime_type": "image/png", "modality": "image", "uri": "https://host:8443/cat.png"}],
    ),
    "a picture in a URL": (
        Image(media_type="image/png", url="data:image/png;base64,canary=="),
        [{"type": "blob", "mime_type": "image/png", "modality": "image"}],
    ),
}


@pytest.mark.parametrize(("part", "expected"), PARTS.values(), ids=PARTS.keys())
def test_parts(part: Part, expected: list[dict[str, Any]]) -> None:
    """Each as the schemas have it; bytes, signatures and credentials are not in any."""
    request = ChatRequest(model="m", messages=(Message("user", (part,)),))

    [message] = content_attributes(request, None, V1_41)["gen_ai.input.messages"]

    assert message == {"role": "user", "parts": expected}
    assert "canary" not in json.dumps(message)


MODES = {"": (False, False), "SPAN_ONLY": (True, False), "EVENT_ONLY": (False, True)} | {
    "SPAN_AND_EVENT": (True, True)
}


@pytest.mark.parametrize(("mode", "places"), MODES.items(), ids=lambda value: str(value))
def test_content_is_where_it_is_wanted(
    mode: str, places: tuple[bool, bool], exporting: Callable[..., Exported]
) -> None:
    """As JSON text on spans, whose attributes cannot nest; as values on events."""
    exported = exporting({CAPTURE: mode})

    with call_span(REQUEST, provider="openai", base_url="") as record:
        record.finished(REPLY)

    on_span = {name: json.loads(value) for name, value in exported.attributes.items() if name in NAMES}
    on_event = [{name: facts[name] for name in NAMES & facts.keys()} for _, facts in exported.events]
    wants_span, wants_event = places
    assert on_span == (SAID if wants_span else {})
    assert json.loads(json.dumps(on_event)) == ([SAID] if wants_event else [])


def test_a_call_that_failed_has_a_prompt_and_what_came(exporting: Callable[..., Exported]) -> None:
    exported = exporting({CAPTURE: "SPAN_ONLY"})
    partial = Reply(message=assistant("Pa"), finish_reason=None)

    with call_span(REQUEST, provider="openai", base_url="") as record:
        record.failed(LLMError("no", partial=partial), total_s=1.0)

    [message] = json.loads(exported.attributes["gen_ai.output.messages"])
    assert message == {
        "role": "assistant",
        "parts": [{"type": "text", "content": "Pa"}],
        "finish_reason": "error",
    }
