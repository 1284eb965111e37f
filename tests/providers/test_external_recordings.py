"""Answers that real services gave: our codecs read in them what a plain reading finds.

The recordings are not part of the project; where the folder is absent the tests are skipped. The plain
readings here share no code with the codecs: `json`, and botocore's own event stream decoder.
"""

from __future__ import annotations

import json
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
from tapeline.types import Reply, Usage

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "real-cassettes"
FILES = sorted(RECORDINGS.glob("*/*.yaml"))

pytestmark = pytest.mark.skipif(not FILES, reason="no external recordings here")

OPENAI, ANTHROPIC, BEDROCK = "/chat/completions", "/v1/messages", "/converse"
CODECS: dict[str, Codec] = {OPENAI: OpenAICodec(), ANTHROPIC: AnthropicCodec(), BEDROCK: BedrockCodec()}
BLOCK_BYTES = (1, 7, 4096)


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says, as far as all formats agree."""

    text: str
    tool_calls: list[tuple[str, Any]]
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded answer to a chat request."""

    api: str
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
    text = path.read_text()
    return any(api in text for api in CODECS)


def answers(path: Path) -> Iterator[Answer]:
    recording = yaml.load(path.read_text(), yaml.CSafeLoader)
    for interaction in recording["interactions"]:
        response = interaction["response"]
        api = api_of(interaction["request"]["uri"])
        if api in CODECS:
            yield Answer(api, response["status"]["code"], headers_of(response), body_of(response))


def api_of(uri: str) -> str:
    path = urlsplit(uri).path.removesuffix("-stream")
    return next((api for api in (OPENAI, ANTHROPIC, BEDROCK) if path.endswith(api)), "")


def headers_of(response: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): as_text(values[0]) for name, values in response["headers"].items()}


def body_of(response: dict[str, Any]) -> bytes:
    if "parsed_body" in response:
        return json.dumps(response["parsed_body"]).encode()
    body = response["body"]["string"]
    return body if isinstance(body, bytes) else body.encode()


def as_text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


# Plain readings --------------------------------------------------------------------------------------


def read_openai(answer: Answer) -> Said:
    if not answer.is_stream:
        body = json.loads(answer.body)
        message = body["choices"][0]["message"]
        calls = [call["function"] for call in message.get("tool_calls") or []]
        return said_by_openai(message.get("content") or "", calls, body["usage"])
    text, calls, usage = "", {}, {}
    for event in sse_events(answer.body):
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            text += choice["delta"].get("content") or ""
            for call in choice["delta"].get("tool_calls") or []:
                whole = calls.setdefault(call["index"], {"name": "", "arguments": ""})
                whole["name"] += call["function"].get("name") or ""
                whole["arguments"] += call["function"].get("arguments") or ""
    return said_by_openai(text, list(calls.values()), usage)


def said_by_openai(text: str, calls: list[dict[str, str]], usage: dict[str, Any]) -> Said:
    into = usage.get("prompt_tokens_details") or {}
    out = usage.get("completion_tokens_details") or {}
    return Said(
        text=text,
        tool_calls=[(call["name"], json.loads(call["arguments"])) for call in calls],
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cached_input_tokens=into.get("cached_tokens"),
        cache_write_tokens=into.get("cache_write_tokens"),
        reasoning_tokens=out.get("reasoning_tokens"),
    )


def read_anthropic(answer: Answer) -> Said:
    if answer.is_stream:
        blocks, usage = {}, {}
        for event in sse_events(answer.body):
            index, delta = event.get("index"), event.get("delta", {})
            if "content_block" in event:
                blocks[index] = event["content_block"] | {"json": ""}
            for name, add_to in (("text", "text"), ("partial_json", "json")):
                if name in delta:
                    blocks[index][add_to] += delta[name]
            usage |= event.get("message", {}).get("usage", {}) | event.get("usage", {})
        for block in blocks.values():
            block["input"] = json.loads(block["json"]) if block["json"] else block.get("input")
        content = list(blocks.values())
    else:
        body = json.loads(answer.body)
        content, usage = body["content"], body["usage"]
    cached = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    return Said(
        text="".join(block["text"] for block in content if block["type"] == "text"),
        tool_calls=[(block["name"], block["input"]) for block in content if block["type"] == "tool_use"],
        input_tokens=usage["input_tokens"] + sum(count or 0 for count in cached),
        output_tokens=usage["output_tokens"],
        cached_input_tokens=cached[0],
        cache_write_tokens=cached[1],
        reasoning_tokens=(usage.get("output_tokens_details") or {}).get("thinking_tokens"),
    )


def sse_events(body: bytes) -> list[dict[str, Any]]:
    lines = body.decode().split("\n")
    datas = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return [json.loads(data) for data in datas if data != "[DONE]"]


def read_bedrock(answer: Answer) -> Said:
    if answer.is_stream:
        blocks: dict[int, dict[str, str]] = {}
        usage: dict[str, int] = {}
        for event in eventstream_events(answer.body):
            block = blocks.setdefault(
                event.get("contentBlockIndex", -1), {"text": "", "name": "", "input": ""}
            )
            delta = event.get("delta", {})
            block["text"] += delta.get("text", "")
            block["input"] += delta.get("toolUse", {}).get("input", "")
            block["name"] += event.get("start", {}).get("toolUse", {}).get("name", "")
            usage = event.get("usage", usage)
        text = "".join(block["text"] for block in blocks.values())
        calls = [(b["name"], json.loads(b["input"] or "{}")) for b in blocks.values() if b["name"]]
    else:
        body = json.loads(answer.body)
        content, usage = body["output"]["message"]["content"], body["usage"]
        text = "".join(block.get("text", "") for block in content)
        uses = [block["toolUse"] for block in content if "toolUse" in block]
        calls = [(use["name"], use["input"]) for use in uses if use.get("type") != "server_tool_use"]
    cached = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
    return Said(
        text=text,
        tool_calls=calls,
        input_tokens=usage["inputTokens"] + sum(count or 0 for count in cached),
        output_tokens=usage["outputTokens"],
        cached_input_tokens=cached[0],
        cache_write_tokens=cached[1],
        reasoning_tokens=None,
    )


def eventstream_events(body: bytes) -> list[dict[str, Any]]:
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [json.loads(message.payload) for message in buffer]


READERS = {OPENAI: read_openai, ANTHROPIC: read_anthropic, BEDROCK: read_bedrock}


# Our reading -----------------------------------------------------------------------------------------


def said(reply: Reply) -> Said:
    usage: Usage = reply.usage
    return Said(
        text=reply.text,
        tool_calls=[(call.name, call.arguments) for call in reply.tool_calls],
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


def replies(answer: Answer) -> Iterator[Reply]:
    """Our reply, or of a stream one for each size of blocks."""
    codec = CODECS[answer.api]
    if not answer.is_stream:
        yield codec.decode_response(answer.body)
        return
    for size in BLOCK_BYTES:
        decoder, assembler = codec.stream_decoder(), Assembler()
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
    """Text, tool calls and usage agree; an error gets a code of its own."""
    for answer in answers(path):
        if answer.status >= 400:
            error = CODECS[answer.api].decode_error(answer.status, answer.headers, answer.body)
            assert (type(error), error.status) == (LLMError, answer.status)
            assert error.message
            assert error.code in ErrorCode
            continue
        for reply in replies(answer):
            assert said(reply) == READERS[answer.api](answer)
            assert reply.finish_reason in {"stop", "length", "tool_calls", "content_filter", "refusal"}
