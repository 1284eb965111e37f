"""Answers that real services gave: our codecs read in them what a plain reading finds.

The recordings are not part of the project; where the folder is absent the tests are skipped. The plain
readings here share no code with the codecs: `json`, and botocore's own event stream decoder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from botocore.eventstream import EventStreamBuffer

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.anthropic import AnthropicCodec
from tapeline.providers.assembly import Assembler
from tapeline.providers.bedrock import BedrockCodec
from tapeline.providers.codec import Codec
from tapeline.providers.openai import OpenAICodec
from tapeline.providers.openai_responses import OpenAIResponsesCodec
from tapeline.types import Reply, Usage

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "real-cassettes"
FILES = sorted(RECORDINGS.glob("*/*.yaml"))

pytestmark = pytest.mark.skipif(not FILES, reason="no external recordings here")

CODECS: dict[str, Codec] = {
    r"/chat/completions": OpenAICodec(),
    r"/responses(/resp_\w+)?": OpenAIResponsesCodec(),
    r"/v1/messages": AnthropicCodec(),
    r"/converse(-stream)?": BedrockCodec(),
}
"""End of a request's path -> who reads the answer. Responses can also be fetched again by their id."""

BLOCK_BYTES = (1, 7, 4096, 2**24)  # the last: all in one


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an answer says, as far as all formats agree. A tool call is its id, its name, its arguments."""

    text: str
    thinking: str
    tool_calls: list[tuple[str, str, Any]]
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded answer to a chat request."""

    codec: Codec
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_stream(self) -> bool:
        return "eventstream" in self.media_type or "event-stream" in self.media_type

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "")


def has_chat(path: Path) -> bool:
    """Whether a file may hold a chat request; a cheap look, as parsing all files takes seconds."""
    return any(re.search(rf"{end}(\?.*)?$", path.read_text(), re.MULTILINE) for end in CODECS)


def answers(path: Path) -> Iterator[Answer]:
    recording = yaml.load(path.read_text(), yaml.CSafeLoader)
    for interaction in recording["interactions"]:
        request, response = interaction["request"], interaction["response"]
        codec = codec_of(request["uri"])
        if codec is not None and request["method"] in ("GET", "POST"):
            yield Answer(codec, response["status"]["code"], headers_of(response), body_of(response))


def codec_of(uri: str) -> Codec | None:
    path = urlsplit(uri).path
    return next((codec for end, codec in CODECS.items() if re.search(f"{end}$", path)), None)


def headers_of(response: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): as_text(values[0]) for name, values in response["headers"].items()}


def body_of(response: dict[str, Any]) -> bytes:
    if "parsed_body" in response:
        return json.dumps(response["parsed_body"]).encode()
    body = response["body"]["string"]
    return body if isinstance(body, bytes) else body.encode()


def as_text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


# Plain readings: Chat Completions --------------------------------------------------------------------


def read_openai(answer: Answer) -> Said:
    if not answer.is_stream:
        body = json.loads(answer.body)
        choice = body["choices"][0]
        message = choice["message"]
        calls = [call | call["function"] for call in message.get("tool_calls") or []]
        return said_by_openai(message, calls, choice["finish_reason"], body["usage"])
    message = {"content": "", "reasoning_content": ""}
    calls: dict[int, dict[str, str]] = {}
    reason, usage = None, {}
    for event in sse_events(answer.body):
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            reason = choice["finish_reason"] or reason
            for name in message:
                message[name] += choice["delta"].get(name) or ""
            for call in choice["delta"].get("tool_calls") or []:
                whole = calls.setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
                whole["id"] += call.get("id") or ""
                whole["name"] += call["function"].get("name") or ""
                whole["arguments"] += call["function"].get("arguments") or ""
    return said_by_openai(message, list(calls.values()), reason, usage)


def said_by_openai(
    message: dict[str, Any], calls: list[dict[str, Any]], reason: str | None, usage: dict[str, Any]
) -> Said:
    into = usage.get("prompt_tokens_details") or {}
    out = usage.get("completion_tokens_details") or {}
    content = message.get("content") or ""
    thinking = message.get("reasoning_content") or message.get("reasoning") or ""
    if isinstance(content, list):  # as Mistral writes it
        thoughts = [piece["thinking"] for piece in content if piece["type"] == "thinking"]
        thinking = "".join(piece["text"] for thought in thoughts for piece in thought)
        content = "".join(piece["text"] for piece in content if piece["type"] == "text")
    return Said(
        text=content,
        thinking=thinking,
        tool_calls=[(call["id"], call["name"], json.loads(call["arguments"])) for call in calls],
        finish_reason=reason,
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cached_input_tokens=into.get("cached_tokens"),
        cache_write_tokens=into.get("cache_write_tokens"),
        reasoning_tokens=out.get("reasoning_tokens"),
    )


def sse_events(body: bytes) -> list[dict[str, Any]]:
    lines = body.decode().split("\n")
    datas = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return [json.loads(data) for data in datas if data != "[DONE]"]


# Plain readings: Responses ---------------------------------------------------------------------------


def read_responses(answer: Answer) -> Said:
    if not answer.is_stream:
        return said_by_response(json.loads(answer.body))
    events = sse_events(answer.body)
    said = said_by_response(events[-1]["response"])
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == said.text
    return said


def said_by_response(response: dict[str, Any]) -> Said:
    usage = response["usage"] or {}
    into = usage.get("input_tokens_details", {})
    items = {
        kind: [item for item in response["output"] if item["type"] == kind]
        for kind in ("message", "reasoning", "function_call")
    }
    ends = {"completed": "tool_calls" if items["function_call"] else "stop", "complete": "stop"}
    return Said(
        text="".join(piece["text"] for item in items["message"] for piece in item["content"]),
        thinking="".join("\n\n".join(piece["text"] for piece in i["summary"]) for i in items["reasoning"]),
        tool_calls=[(i["call_id"], i["name"], json.loads(i["arguments"])) for i in items["function_call"]],
        finish_reason=ends.get(response["status"]),
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
        cached_input_tokens=into.get("cached_tokens"),
        cache_write_tokens=into.get("cache_write_tokens"),
        reasoning_tokens=usage.get("output_tokens_details", {}).get("reasoning_tokens"),
    )


# Plain readings: Anthropic ---------------------------------------------------------------------------

STOP_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop"} | {
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}


def read_anthropic(answer: Answer) -> Said:
    if answer.is_stream:
        content, reason, usage = read_anthropic_stream(answer.body)
    else:
        body = json.loads(answer.body)
        content, reason, usage = body["content"], body["stop_reason"], body["usage"]
    cached = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    uses = [block for block in content if block["type"] == "tool_use"]
    return Said(
        text="".join(block["text"] for block in content if block["type"] == "text"),
        thinking="".join(block["thinking"] for block in content if block["type"] == "thinking"),
        tool_calls=[(use["id"], use["name"], use["input"]) for use in uses],
        finish_reason=STOP_REASONS[reason],
        input_tokens=usage["input_tokens"] + sum(count or 0 for count in cached),
        output_tokens=usage["output_tokens"],
        cached_input_tokens=cached[0],
        cache_write_tokens=cached[1],
        reasoning_tokens=(usage.get("output_tokens_details") or {}).get("thinking_tokens"),
    )


def read_anthropic_stream(body: bytes) -> tuple[list[dict[str, Any]], str, dict[str, Any]]:
    blocks: dict[int, dict[str, Any]] = {}
    reason, usage = "", {}
    for event in sse_events(body):
        index, delta = event.get("index", -1), event.get("delta", {})
        if "content_block" in event:
            blocks[index] = event["content_block"] | {"json": ""}
        for name, add_to in (("text", "text"), ("thinking", "thinking"), ("partial_json", "json")):
            if name in delta:
                blocks[index][add_to] += delta[name]
        reason = delta.get("stop_reason") or reason
        usage |= event.get("message", {}).get("usage", {}) | event.get("usage", {})
    for block in blocks.values():
        block["input"] = json.loads(block["json"]) if block["json"] else block.get("input")
    return list(blocks.values()), reason, usage


# Plain readings: Bedrock -----------------------------------------------------------------------------


def read_bedrock(answer: Answer) -> Said:
    if answer.is_stream:
        blocks, reason, usage = read_bedrock_stream(answer.body)
    else:
        body = json.loads(answer.body)
        blocks, reason, usage = body["output"]["message"]["content"], body["stopReason"], body["usage"]
    thoughts = [block["reasoningContent"] for block in blocks if "reasoningContent" in block]
    uses = [block["toolUse"] for block in blocks if "toolUse" in block]
    cached = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
    return Said(
        text="".join(block.get("text", "") for block in blocks),
        thinking="".join(thought.get("reasoningText", {}).get("text", "") for thought in thoughts),
        tool_calls=[
            (use["toolUseId"], use["name"], use["input"])
            for use in uses
            if use.get("type") != "server_tool_use"
        ],
        finish_reason=STOP_REASONS[reason],
        input_tokens=usage["inputTokens"] + sum(count or 0 for count in cached),
        output_tokens=usage["outputTokens"],
        cached_input_tokens=cached[0],
        cache_write_tokens=cached[1],
        reasoning_tokens=None,
    )


def read_bedrock_stream(body: bytes) -> tuple[list[dict[str, Any]], str, dict[str, Any]]:
    blocks: dict[int, dict[str, Any]] = {}
    reason, usage = "", {}
    for event in eventstream_events(body):
        index, delta = event.get("contentBlockIndex", -1), event.get("delta", {})
        block = blocks.setdefault(index, {"text": "", "thinking": "", "input": ""})
        block |= event.get("start", {}).get("toolUse", {})
        block["text"] += delta.get("text", "")
        block["thinking"] += delta.get("reasoningContent", {}).get("text", "")
        block["input"] += delta.get("toolUse", {}).get("input", "")
        reason = event.get("stopReason") or reason
        usage = event.get("usage", usage)
    return [as_plain_block(block) for block in blocks.values()], reason, usage


def as_plain_block(block: dict[str, Any]) -> dict[str, Any]:
    if "toolUseId" in block:
        return {"toolUse": block | {"input": json.loads(block["input"] or "{}")}}
    if block["thinking"]:
        return {"reasoningContent": {"reasoningText": {"text": block["thinking"]}}}
    return {"text": block["text"]}


def eventstream_events(body: bytes) -> list[dict[str, Any]]:
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [json.loads(message.payload) for message in buffer]


READERS = {
    "openai": read_openai,
    "openai-responses": read_responses,
    "anthropic": read_anthropic,
    "bedrock": read_bedrock,
}


# Our reading -----------------------------------------------------------------------------------------


def said(reply: Reply) -> Said:
    usage: Usage = reply.usage
    return Said(
        text=reply.text,
        thinking=reply.thinking,
        tool_calls=[(call.id, call.name, call.arguments) for call in reply.tool_calls],
        finish_reason=reply.finish_reason,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


def replies(answer: Answer) -> Iterator[Reply]:
    """Our reply, or of a stream one for each size of blocks."""
    if not answer.is_stream:
        yield answer.codec.decode_response(answer.body)
        return
    for size in BLOCK_BYTES:
        decoder, assembler = answer.codec.stream_decoder(), Assembler()
        for start in range(0, len(answer.body), size):
            for chunk in decoder.feed(answer.body[start : start + size]):
                assembler.add(chunk)
        for chunk in decoder.finish():
            assembler.add(chunk)
        yield assembler.reply()


def names(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", [path for path in FILES if has_chat(path)], ids=names)
def test_a_recorded_answer_is_read_as_a_plain_reading_finds_it(path: Path) -> None:
    """Text, thinking, tool calls, usage and the finish reason agree; an error gets a code of its own."""
    for answer in answers(path):
        if answer.status >= 400:
            error = answer.codec.decode_error(answer.status, answer.headers, answer.body)
            assert (type(error), error.status) == (LLMError, answer.status)
            assert error.message
            assert error.code in ErrorCode
            continue
        for reply in replies(answer):
            assert said(reply) == READERS[answer.codec.provider](answer)
