"""OpenTelemetry's own recorder for GenAI, told the same facts, exports the same. Skipped without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from exported import Exported

from tapeline.errors import ErrorCode, LLMError
from tapeline.telemetry import call_span, tool_span
from tapeline.types import (
    ChatRequest,
    Reply,
    Text,
    Thinking,
    Timing,
    Tool,
    ToolCall,
    Usage,
    assistant,
    system,
    tool_result,
    user,
)

genai = pytest.importorskip("opentelemetry.util.genai.handler", reason="opentelemetry-util-genai is optional")
theirs = pytest.importorskip("opentelemetry.util.genai.types")

CAPTURE = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT"}
TOOL = Tool(name="get_weather", description="Look outside.", parameters={"type": "object"})
REQUEST = ChatRequest(
    model="m",
    messages=(
        system("Be brief."),
        user("Weather in Paris?"),
        assistant(ToolCall(id="c1", name="get_weather", raw_arguments='{"city": "Paris"}')),
        tool_result("c1", "21 C"),
    ),
    max_tokens=9,
    temperature=0.5,
    top_p=0.25,
    top_k=40,
    frequency_penalty=0.1,
    presence_penalty=0.2,
    seed=7,
    stop=("END",),
    reasoning_effort="low",
    tools=(TOOL,),
)
PLAIN = ChatRequest(model="m", messages=(user("Hi"),))
REPLY = Reply(
    message=assistant(Thinking(text="hm"), Text("21 C.")),
    finish_reason="stop",
    usage=Usage(input_tokens=12, output_tokens=5, cached_input_tokens=8, reasoning_tokens=3),
    timing=Timing(total_s=0.75),
    model="m-2",
    id="answer-1",
)


def recorder(oracle: Exported) -> Any:
    return genai.TelemetryHandler(oracle.tracers, oracle.meters, oracle.loggers)


def tell(inference: Any) -> None:
    """Tell it what REQUEST and REPLY are about."""
    inference.max_tokens, inference.temperature, inference.top_p, inference.top_k = 9, 0.5, 0.25, 40.0
    inference.frequency_penalty, inference.presence_penalty = 0.1, 0.2
    inference.seed, inference.stop_sequences, inference.reasoning_level = 7, ["END"], "low"
    inference.response_model_name, inference.response_id, inference.finish_reasons = (
        "m-2",
        "answer-1",
        ["stop"],
    )
    inference.input_tokens, inference.output_tokens, inference.thinking_tokens = 12, 5, 3
    inference.data.usage_cache_read_input_tokens = 8
    call = theirs.ToolCallRequestPart(id="c1", name="get_weather", arguments={"city": "Paris"})
    inference.system_instruction = [theirs.TextPart("Be brief.")]
    inference.input_messages = [
        theirs.InputMessage("user", [theirs.TextPart("Weather in Paris?")]),
        theirs.InputMessage("assistant", [call]),
        theirs.InputMessage("tool", [theirs.ToolCallResponsePart(id="c1", response="21 C")]),
    ]
    answer = [theirs.ReasoningPart("hm"), theirs.TextPart("21 C.")]
    inference.output_messages = [theirs.OutputMessage("assistant", answer, "stop")]
    inference.tool_definitions = [
        theirs.FunctionToolDefinition("get_weather", "Look outside.", {"type": "object"})
    ]


def shape(exported: Exported) -> dict[str, Any]:
    """Names, attributes and buckets of all measurements; how long it really took is left out."""
    return {
        name: [(point.explicit_bounds, dict(point.attributes)) for point in points]
        for name, points in exported.points.items()
        if name.startswith("gen_ai.")
    }


def as_values(attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes as JSON values: text that holds some is read; a null is as good as nothing."""
    return {name: known(value if is_json(value) else json.dumps(value)) for name, value in attributes.items()}


def is_json(value: Any) -> bool:
    return str(value).startswith(("[{", '{"'))


def known(text: str) -> Any:
    return json.loads(text, object_hook=lambda facts: {k: v for k, v in facts.items() if v is not None})


def test_a_call_is_recorded_alike(exporting: Callable[..., Exported]) -> None:
    """The span, content on it included, the event and the measurements."""
    ours, oracle = exporting(CAPTURE), Exported()

    inference = recorder(oracle).inference("ollama", request_model="m", server_address="h", server_port=1)
    tell(inference)
    inference.stop()
    with call_span(REQUEST, provider="ollama", base_url="http://h:1") as record:
        record.finished(REPLY)

    assert (ours.span.name, ours.span.kind) == (oracle.span.name, oracle.span.kind)
    assert as_values(ours.attributes) == as_values(oracle.attributes)
    [(ours_name, ours_facts), (name, facts)] = [*ours.events, *oracle.events]
    assert (ours_name, as_values(ours_facts)) == (name, as_values(facts))
    assert shape(ours) == shape(oracle)


def test_a_failure_is_recorded_alike(exporting: Callable[..., Exported]) -> None:
    """But for the error's text in the status, which is not for others to read, and the missing reason."""
    ours, oracle = exporting(), Exported()
    error = LLMError("canary", code=ErrorCode.RATE_LIMIT)

    recorder(oracle).inference("ollama", request_model="m", server_address="h", server_port=1).fail(error)
    with call_span(PLAIN, provider="ollama", base_url="http://h:1") as record:
        record.failed(error, total_s=0.75)

    assert ours.span.status.status_code is oracle.span.status.status_code
    assert ours.attributes == oracle.attributes | {"gen_ai.response.finish_reasons": ("error",)}
    assert shape(ours) == shape(oracle)


def test_a_tool_is_recorded_alike(exporting: Callable[..., Exported]) -> None:
    ours, oracle = exporting(), Exported()

    tool = recorder(oracle).tool("get_weather", tool_type="function")
    tool.tool_call_id = "c1"
    tool.stop()
    with tool_span(name="get_weather", call_id="c1"):
        pass

    assert (ours.span.name, ours.span.kind) == (oracle.span.name, oracle.span.kind)
    assert ours.attributes == oracle.attributes
    assert shape(ours) == shape(oracle)
