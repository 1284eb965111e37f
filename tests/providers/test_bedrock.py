"""Converse and ConverseStream: against boto3 with its HTTP answered in process, and against what AWS sent.

What every wire format has in common is in test_every_codec.py.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EventStreamError
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tapeline.errors import ErrorCode, LLMError
from tapeline.media import Audio, Document, Image
from tapeline.providers.assembly import Assembler, chunks_of
from tapeline.providers.bedrock import BedrockCodec
from tapeline.providers.eventstream import EventStreamDecoder, encode_event, encode_frame
from tapeline.types import (
    CachePoint,
    ChatRequest,
    Chunk,
    HttpRequest,
    Message,
    Part,
    Refusal,
    Reply,
    Text,
    Thinking,
    Timing,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    assistant,
    system,
    tool_result,
    user,
)

CODEC = BedrockCodec()
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

WEATHER = Tool(
    name="get_weather",
    description="Weather of a city",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}},
)
REQUEST = ChatRequest(
    model=MODEL,
    messages=(
        system("Be brief.", CachePoint(ttl="1h")),
        user(
            "What is this, and how is the weather?",
            Image(media_type="image/png", data=b"\x89PNG"),
            Document(media_type="text/plain", data=b"fog", name="report"),
        ),
        assistant(
            Thinking(text="Two questions.", signature="c2ln"),
            Text("A map. Let me look."),
            ToolCall(id="call-1", name="get_weather", raw_arguments='{"city": "Paris"}'),
            ToolCall(id="call-2", name="get_weather", raw_arguments='{"city": "Wien"}'),
        ),
        tool_result("call-1", "sunny"),
        tool_result("call-2", "no such city", is_error=True),
    ),
    max_tokens=256,
    temperature=0.5,
    top_p=0.25,
    top_k=5,
    stop=("END",),
    reasoning_effort="high",
    service_tier="flex",
    metadata={"team": "maps"},
    tools=(WEATHER,),
    tool_choice="get_weather",
    schema={"type": "object"},
    schema_name="weather",
)
BODY = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "What is this, and how is the weather?"},
                {"image": {"format": "png", "source": {"bytes": "iVBORw=="}}},
                {"document": {"name": "report", "format": "txt", "source": {"bytes": "Zm9n"}}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Two questions.", "signature": "c2ln"}}},
                {"text": "A map. Let me look."},
                {"toolUse": {"toolUseId": "call-1", "name": "get_weather", "input": {"city": "Paris"}}},
                {"toolUse": {"toolUseId": "call-2", "name": "get_weather", "input": {"city": "Wien"}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "toolResult": {
                        "toolUseId": "call-1",
                        "content": [{"text": "sunny"}],
                        "status": "success",
                    }
                },
                {
                    "toolResult": {
                        "toolUseId": "call-2",
                        "content": [{"text": "no such city"}],
                        "status": "error",
                    }
                },
            ],
        },
    ],
    "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
    "inferenceConfig": {"maxTokens": 256, "temperature": 0.5, "topP": 0.25, "stopSequences": ["END"]},
    "toolConfig": {
        "tools": [
            {
                "toolSpec": {
                    "name": "get_weather",
                    "description": "Weather of a city",
                    "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
                }
            }
        ],
        "toolChoice": {"tool": {"name": "get_weather"}},
    },
    "outputConfig": {
        "effort": "high",
        "textFormat": {
            "type": "json_schema",
            "structure": {"jsonSchema": {"name": "weather", "schema": '{"type":"object"}'}},
        },
    },
    "additionalModelRequestFields": {"top_k": 5, "thinking": {"type": "adaptive"}},
    "serviceTier": {"type": "flex"},
    "requestMetadata": {"team": "maps"},
}
REPLY = Reply(
    message=assistant(
        Thinking(text="Wörld?", signature="c2ln"),
        Text("Hello 🌍!"),
        ToolCall(id="call-1", name="get_weather", raw_arguments='{"city":"Paris"}'),
        ToolCall(id="call-2", name="get_weather", raw_arguments="{}"),
    ),
    finish_reason="tool_calls",
    usage=Usage(input_tokens=12, output_tokens=5, cached_input_tokens=4, cache_write_tokens=2),
)


def events(*pairs: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(encode_event(type, json.dumps(payload).encode()) for type, payload in pairs)


def delta(content: dict[str, Any], block: int = 0) -> tuple[str, dict[str, Any]]:
    return "contentBlockDelta", {"delta": content, "contentBlockIndex": block}


def text_delta(text: str, block: int = 0) -> tuple[str, dict[str, Any]]:
    return delta({"text": text}, block)


START = ("messageStart", {"role": "assistant"})
STOP = ("messageStop", {"stopReason": "end_turn"})
METADATA = (
    "metadata",
    {"usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}, "metrics": {"latencyMs": 10}},
)
HELLO = events(START, text_delta("Hello"), text_delta(", w"))


def decoded(*blocks: bytes) -> list[Chunk]:
    decoder = CODEC.stream_decoder()
    return [chunk for block in blocks for chunk in decoder.feed(block)] + decoder.finish()


def assembled(chunks: list[Chunk]) -> Reply:
    assembler = Assembler()
    for chunk in chunks:
        assembler.add(chunk)
    return replace(assembler.reply(), wire=b"", timing=Timing(total_s=0.0))


def failure(*blocks: bytes) -> tuple[str, LLMError]:
    """What a stream delivered, and the error it then raised."""
    decoder = CODEC.stream_decoder()
    text = ""
    try:
        for block in blocks:
            text += "".join(chunk.text for chunk in decoder.feed(block))
        decoder.finish()
    except LLMError as error:
        return text, error
    raise AssertionError("the stream ended well")


# boto3, its HTTP answered in process --------------------------------------------------------------


class Body:
    """What botocore reads a response from."""

    def __init__(self, *blocks: bytes) -> None:
        self._blocks = blocks

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        return iter(self._blocks)

    def close(self) -> None:
        pass


class Wire:
    """A boto3 client whose next request is kept in `sent` and answered with `status`, `headers`, `blocks`."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.client.meta.events.register("before-send.bedrock-runtime.*", self._answer)
        self.answer(b"{}")

    def answer(self, *blocks: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self._blocks, self._status, self._headers = blocks, status, dict(headers or {})

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        self.sent = request
        return AWSResponse(request.url, self._status, self._headers, Body(*self._blocks))

    @property
    def request(self) -> HttpRequest:
        path = self.sent.url.removeprefix("https://bedrock-runtime.us-east-1.amazonaws.com")
        return HttpRequest(
            method=self.sent.method, path=path, headers=dict(self.sent.headers), body=self.sent.body
        )


@pytest.fixture(scope="module")
def wire() -> Wire:
    return Wire()


def as_boto3_takes(body: dict[str, Any]) -> dict[str, Any]:
    """The body as keyword arguments: boto3 wants plain bytes where the wire has base64."""
    arguments: dict[str, Any] = json.loads(json.dumps(body))
    _, image, document = arguments["messages"][0]["content"]
    image["image"]["source"]["bytes"] = b"\x89PNG"
    document["document"]["source"]["bytes"] = b"fog"
    return arguments


@pytest.mark.parametrize("is_stream", [False, True])
def test_what_boto3_sends_is_what_we_send(wire: Wire, is_stream: bool) -> None:
    """The same conversation gives the same path and body, and decodes to the same request."""
    request = replace(REQUEST, is_stream=is_stream)
    ours = CODEC.encode_request(request)
    wire.answer(CODEC.encode_response(REPLY))
    call = wire.client.converse_stream if is_stream else wire.client.converse

    call(modelId=MODEL, **as_boto3_takes(BODY))

    assert (ours.method, ours.path) == (wire.request.method, wire.request.path)
    assert json.loads(ours.body) == json.loads(wire.request.body)
    assert CODEC.decode_request(wire.request) == request
    assert CODEC.decode_request(ours) == request


def test_boto3_reads_the_answer_we_write(wire: Wire) -> None:
    """Text, reasoning, tool input, stop reason, usage and latency come out of `client.converse`."""
    wire.answer(CODEC.encode_response(replace(REPLY, timing=Timing(total_s=0.25))))

    answer = wire.client.converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": "Hi"}]}])

    del answer["ResponseMetadata"]
    calls = [
        {"toolUse": {"toolUseId": "call-1", "name": "get_weather", "input": {"city": "Paris"}}},
        {"toolUse": {"toolUseId": "call-2", "name": "get_weather", "input": {}}},
    ]
    thinking = {"reasoningContent": {"reasoningText": {"text": "Wörld?", "signature": "c2ln"}}}
    assert answer == {
        "output": {"message": {"role": "assistant", "content": [thinking, {"text": "Hello 🌍!"}, *calls]}},
        "stopReason": "tool_use",
        "usage": {
            "inputTokens": 6,
            "outputTokens": 5,
            "totalTokens": 17,
            "cacheReadInputTokens": 4,
            "cacheWriteInputTokens": 2,
        },
        "metrics": {"latencyMs": 250},
    }


def test_boto3_reads_the_stream_we_write(wire: Wire) -> None:
    """Blocks are numbered, only tool calls are started, and the usage comes after the stop reason."""
    chunks = [*chunks_of(replace(REPLY, message=assistant(*REPLY.message.content[1:]))), Chunk(at_s=0.25)]
    wire.answer(*CODEC.encode_stream(chunks, model=MODEL))

    answer = wire.client.converse_stream(
        modelId=MODEL, messages=[{"role": "user", "content": [{"text": "Hi"}]}]
    )

    def tool_use(block: int, call: str, arguments: str) -> list[dict[str, Any]]:
        start = {"toolUse": {"toolUseId": call, "name": "get_weather"}}
        return [
            {"contentBlockStart": {"start": start, "contentBlockIndex": block}},
            {
                "contentBlockDelta": {
                    "delta": {"toolUse": {"input": arguments}},
                    "contentBlockIndex": block,
                }
            },
            {"contentBlockStop": {"contentBlockIndex": block}},
        ]

    usage = {"inputTokens": 6, "outputTokens": 5, "totalTokens": 17}
    cached = {"cacheReadInputTokens": 4, "cacheWriteInputTokens": 2}
    assert list(answer["stream"]) == [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "Hello 🌍!"}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        *tool_use(1, "call-1", '{"city":"Paris"}'),
        *tool_use(2, "call-2", "{}"),
        {"messageStop": {"stopReason": "tool_use"}},
        {"metadata": {"usage": usage | cached, "metrics": {"latencyMs": 250}}},
    ]


def test_boto3_reads_the_reasoning_we_stream(wire: Wire) -> None:
    """Text and signature share a block, redacted reasoning gets one of its own."""
    chunks = [Chunk(thinking="Hm"), Chunk(thinking="m"), Chunk(signature="c2ln"), Chunk(redacted="AAE=")]
    wire.answer(*CODEC.encode_stream(chunks, model=MODEL))

    answer = wire.client.converse_stream(modelId=MODEL, messages=[])

    deltas = [event["contentBlockDelta"] for event in answer["stream"] if "contentBlockDelta" in event]
    assert [(delta["contentBlockIndex"], delta["delta"]["reasoningContent"]) for delta in deltas] == [
        (0, {"text": "Hm"}),
        (0, {"text": "m"}),
        (0, {"signature": "c2ln"}),
        (1, {"redactedContent": b"\x00\x01"}),
    ]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (ErrorCode.AUTHORIZATION_ERROR, "AccessDeniedException"),
        (ErrorCode.AUTHENTICATION_ERROR, "UnrecognizedClientException"),
        (ErrorCode.QUOTA_EXCEEDED, "ServiceQuotaExceededException"),
        (ErrorCode.MODEL_NOT_AVAILABLE, "ResourceNotFoundException"),
        (ErrorCode.INVALID_REQUEST, "ValidationException"),
        (ErrorCode.REQUEST_TOO_LARGE, "ValidationException"),
        (ErrorCode.NETWORK_ERROR, "InternalServerException"),
    ],
)
def test_boto3_reads_the_errors_we_write(wire: Wire, code: ErrorCode, name: str) -> None:
    """Body and `x-amzn-errortype` make the exception botocore would raise for AWS."""
    error = LLMError("Nope.", code=code)
    wire.answer(CODEC.encode_error(error), status=400, headers={"x-amzn-errortype": CODEC.error_type(error)})

    with pytest.raises(ClientError) as caught:
        wire.client.converse(modelId=MODEL, messages=[])

    assert caught.value.response["Error"] == {"Code": name, "Message": "Nope."}


def test_boto3_and_we_raise_on_the_same_frame(wire: Wire) -> None:
    """An exception frame is an error to both, and both deliver what came before it."""
    body = HELLO + exception("throttlingException", {"message": "Slow down."})
    wire.answer(body)
    stream = wire.client.converse_stream(modelId=MODEL, messages=[])["stream"]
    seen = []

    with pytest.raises(EventStreamError) as caught:
        seen.extend(stream)
    text, error = failure(body)

    assert [event.get("contentBlockDelta", {}).get("delta") for event in seen] == [
        None,
        {"text": "Hello"},
        {"text": ", w"},
    ]
    assert caught.value.response["Error"]["Code"] == error.provider_code == "throttlingException"
    assert (text, error.message) == ("Hello, w", "Slow down.")


def exception(name: str, payload: dict[str, Any]) -> bytes:
    headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return encode_frame(headers, json.dumps(payload).encode())


# Requests -----------------------------------------------------------------------------------------


def test_a_request_has_this_body() -> None:
    """Every field at its place, and no null among them."""
    request = CODEC.encode_request(REQUEST)

    assert json.loads(request.body) == BODY
    assert request.path == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"


def test_a_request_without_options_has_messages_only() -> None:
    """What nobody set is left to the model."""
    request = CODEC.encode_request(ChatRequest(model="m", messages=(user("Hi"),)))

    assert json.loads(request.body) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}


@pytest.mark.parametrize("is_stream", [False, True])
def test_the_model_stands_quoted_in_the_path(is_stream: bool) -> None:
    """ARNs have colons and slashes, and survive the way through the path."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/mi1dadi0g15f"
    request = ChatRequest(model=arn, messages=(user("Hi"),), is_stream=is_stream)

    encoded = CODEC.encode_request(request)

    quoted = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fmi1dadi0g15f"
    assert encoded.path == f"/model/{quoted}/converse" + ("-stream" if is_stream else "")
    assert CODEC.decode_request(encoded) == request


def test_neighbours_of_one_role_become_one_turn() -> None:
    """Converse refuses two turns of the same role; results, too, are the user's."""
    messages = (user("One."), user("Two."), tool_result("a", "1"), tool_result("b", "2"), user("Three."))

    body = json.loads(CODEC.encode_request(ChatRequest(model="m", messages=messages)).body)

    assert [turn["role"] for turn in body["messages"]] == ["user"]
    assert [next(iter(block)) for block in body["messages"][0]["content"]] == [
        "text",
        "text",
        "toolResult",
        "toolResult",
        "text",
    ]


def test_redacted_reasoning_goes_back_as_it_came() -> None:
    """It is base64 on the wire, and only the model can read it: not a character may change."""
    request = ChatRequest(model="m", messages=(user("Hi"), assistant(Thinking(redacted="RXU4RQ=="))))

    encoded = CODEC.encode_request(request)

    content = json.loads(encoded.body)["messages"][1]["content"]
    assert content == [{"reasoningContent": {"redactedContent": "RXU4RQ=="}}]
    assert CODEC.decode_request(encoded) == request


def test_extra_joins_objects_and_replaces_the_rest() -> None:
    """What else the field carries is not lost, and `extra` wins."""
    extra = {
        "additionalModelRequestFields": {"thinking": {"type": "enabled"}},
        "inferenceConfig": {"maxTokens": 9},
        "system": [],
    }

    body = json.loads(CODEC.encode_request(replace(REQUEST, extra=extra)).body)

    assert body["additionalModelRequestFields"] == {"top_k": 5, "thinking": {"type": "enabled"}}
    assert body["inferenceConfig"] == {**BODY["inferenceConfig"], "maxTokens": 9}
    assert body["system"] == []


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PARTS = [
    (
        Document(media_type="application/pdf", data=b"%PDF-1", name="report"),
        {"document": {"name": "report", "format": "pdf", "source": {"bytes": "JVBERi0x"}}},
    ),
    (
        Document(media_type=DOCX, url="s3://bucket/key.docx", name="report"),
        {
            "document": {
                "name": "report",
                "format": "docx",
                "source": {"s3Location": {"uri": "s3://bucket/key.docx"}},
            }
        },
    ),
    (
        Audio(media_type="audio/mpeg", data=b"x"),
        {"audio": {"format": "mp3", "source": {"bytes": "eA=="}}},
    ),
    (
        ToolResult(
            id="a",
            content=(
                Text("See"),
                Image(media_type="image/webp", data=b"x"),
                Document(media_type="text/csv", data=b"a,b", name="table"),
            ),
        ),
        {
            "toolResult": {
                "toolUseId": "a",
                "content": [
                    {"text": "See"},
                    {"image": {"format": "webp", "source": {"bytes": "eA=="}}},
                    {"document": {"name": "table", "format": "csv", "source": {"bytes": "YSxi"}}},
                ],
                "status": "success",
            }
        },
    ),
    (
        ToolResult(id="a", content="", is_error=True),
        {"toolResult": {"toolUseId": "a", "content": [], "status": "error"}},
    ),
]


@pytest.mark.parametrize(("part", "encoded"), PARTS)
def test_a_part_has_its_block_and_survives_the_wire(part: Part, encoded: dict[str, Any]) -> None:
    """Documents, sound, places in S3, and results with more than text."""
    role = "tool" if isinstance(part, ToolResult) else "user"
    request = ChatRequest(model="m", messages=(Message(role, (part,)),))

    http = CODEC.encode_request(request)

    assert json.loads(http.body)["messages"] == [{"role": "user", "content": [encoded]}]
    assert CODEC.decode_request(http) == request


NAMES = [
    (None, "document"),
    ("Q3 report_final (v2) [ok].pdf", "Q3 report final (v2) [ok]"),
    ("über.pdf", "ber"),
    ("../..", "document"),
    ("a" * 300, "a" * 200),
]


@pytest.mark.parametrize(("name", "encoded"), NAMES)
def test_a_document_is_named_as_converse_wants_it(name: str | None, encoded: str) -> None:
    """It refuses most signs, and a document without a name."""
    body = sent(user(Document(media_type="application/json", data=b"{}", name=name)))

    (block,) = body["messages"][0]["content"]
    assert (block["document"]["name"], block["document"]["format"]) == (encoded, "txt")


def test_documents_of_one_name_are_told_apart() -> None:
    """Also across messages and inside the results of tools: Converse refuses two of one name."""
    document = Document(media_type="text/plain", data=b"x", name="a.txt")

    body = sent(user(document, document), tool_result("t", "see", document))

    *blocks, result = body["messages"][0]["content"]
    blocks.append(result["toolResult"]["content"][1])
    assert [block["document"]["name"] for block in blocks] == ["a", "a 2", "a 3"]


def sent(*messages: Message, model: str = "m", **options: Any) -> dict[str, Any]:
    """The body of a request."""
    body = CODEC.encode_request(ChatRequest(model=model, messages=messages, **options)).body
    return json.loads(body)  # type: ignore[no-any-return]


POINT = {"cachePoint": {"type": "default"}}
CACHED = {
    "where it stands": (
        (system("Be brief.", CachePoint()), user("One", CachePoint(), "Two")),
        [{"text": "Be brief."}, POINT],
        [("user", [{"text": "One"}, POINT, {"text": "Two"}])],
    ),
    "first in a turn": (
        (user("One"), assistant(CachePoint(), "Two")),
        None,
        [("user", [{"text": "One"}, POINT]), ("assistant", [{"text": "Two"}])],
    ),
    "first in the first turn": (
        (system("Be brief."), user(CachePoint(), "One")),
        [{"text": "Be brief."}, POINT],
        [("user", [{"text": "One"}])],
    ),
    "after nothing": ((user(CachePoint(), "One"),), None, [("user", [{"text": "One"}])]),
}


@pytest.mark.parametrize(("messages", "system_blocks", "turns"), CACHED.values(), ids=CACHED.keys())
def test_a_cache_point_stands_behind_what_it_caches(messages: Any, system_blocks: Any, turns: Any) -> None:
    """Never first in a turn, where Converse refuses it."""
    body = sent(*messages)

    assert body.get("system") == system_blocks
    assert [(turn["role"], turn["content"]) for turn in body["messages"]] == turns


@pytest.mark.parametrize(
    ("model", "point"),
    [
        (MODEL, {"type": "default", "ttl": "1h"}),
        ("amazon.nova-lite-v1:0", {"type": "default"}),
        ("meta.llama3-70b-instruct-v1:0", None),
    ],
)
def test_a_cache_point_is_left_out_where_the_model_would_refuse_it(model: str, point: Any) -> None:
    """Nova knows no time to live, and others know no cache."""
    content = sent(user("Hi", CachePoint(ttl="1h")), model=model)["messages"][0]["content"]

    assert [block["cachePoint"] for block in content[1:]] == ([point] if point else [])


def test_what_converse_would_refuse_in_a_history_is_left_out() -> None:
    """Thinking without its maker's proof or of another API, empty texts, and turns that hold nothing else."""
    body = sent(
        user("Hi", ""),
        assistant(Thinking(text="Hm")),
        assistant(Thinking(text="Hm", signature="x", id="rs_1"), Refusal("No.")),
        user("Why?"),
        assistant(
            Thinking(text="A", signature="c2ln"), Thinking(redacted="AAE="), Thinking(signature="bm8y")
        ),
    )

    def thought(text: str, signature: str) -> dict[str, Any]:
        return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}

    assert [turn["content"] for turn in body["messages"]] == [
        [{"text": "Hi"}],
        [{"text": "No."}],
        [{"text": "Why?"}],
        [thought("A", "c2ln"), {"reasoningContent": {"redactedContent": "AAE="}}, thought("", "bm8y")],
    ]


NOVA, OSS, QWEN = "us.amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0", "qwen.qwen3-32b-v1:0"
MODEL_FIELDS = [
    (MODEL, {"top_k": 5, "seed": 7}, {"top_k": 5}, None),
    (MODEL, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, None),
    (MODEL, {"reasoning_effort": "minimal"}, {"thinking": {"type": "adaptive"}}, {"effort": "low"}),
    (NOVA, {"top_k": 5, "seed": 7}, {"inferenceConfig": {"topK": 5}}, None),
    (NOVA, {"reasoning_effort": "none"}, {"reasoningConfig": {"type": "disabled"}}, None),
    (
        NOVA,
        {"reasoning_effort": "max"},
        {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
        None,
    ),
    (OSS, {"reasoning_effort": "medium", "seed": 7}, {"reasoning_effort": "medium", "seed": 7}, None),
    (QWEN, {"reasoning_effort": "low", "seed": 7}, {"reasoning_config": "low", "seed": 7}, None),
    ("deepseek.v3-v1:0", {"seed": 7}, {"seed": 7}, None),
    ("meta.llama3-70b-instruct-v1:0", {"seed": 7}, None, None),
    ("my-model", {"top_k": 5, "seed": 7}, {"top_k": 5, "seed": 7}, None),
    ("my-model", {"reasoning_effort": "max"}, None, {"effort": "max"}),
]


@pytest.mark.parametrize(("model", "options", "fields", "output_config"), MODEL_FIELDS)
def test_what_converse_has_no_field_for_is_said_in_the_models_own_words(
    model: str, options: dict[str, Any], fields: Any, output_config: Any
) -> None:
    """Bedrock refuses a field that the model does not know; a seed is left out there."""
    body = sent(user("Hi"), model=model, **options)

    assert (body.get("additionalModelRequestFields"), body.get("outputConfig")) == (fields, output_config)


@pytest.mark.parametrize("effort", ["none", "low", "medium", "high"])
@pytest.mark.parametrize("model", [MODEL, NOVA])
def test_an_effort_survives_the_wire(model: str, effort: Any) -> None:
    """Whichever words it goes by."""
    request = ChatRequest(model=model, messages=(user("Hi"),), reasoning_effort=effort, top_k=3)

    assert CODEC.decode_request(CODEC.encode_request(request)) == request


CALLED = (assistant(ToolCall(id="a", name="get_weather")), tool_result("a", "fog"))
CHOICES = [
    ((), None, {"tools"}, None),
    ((), "auto", {"tools", "toolChoice"}, {"auto": {}}),
    ((), "required", {"tools", "toolChoice"}, {"any": {}}),
    ((), "get_weather", {"tools", "toolChoice"}, {"tool": {"name": "get_weather"}}),
    ((), "none", set(), None),
    (CALLED, "none", {"tools"}, None),
]


@pytest.mark.parametrize(("history", "choice", "fields", "encoded"), CHOICES)
def test_a_tool_choice_is_said_in_converses_words(
    history: tuple[Message, ...], choice: Any, fields: set[str], encoded: Any
) -> None:
    """It has none for "none": no tools then, unless earlier calls require them."""
    config = sent(user("Hi"), *history, tools=(WEATHER,), tool_choice=choice).get("toolConfig", {})

    assert (set(config), config.get("toolChoice")) == (fields, encoded)


def test_parallel_calls_cannot_be_forbidden() -> None:
    """To let them go out all the same would break what the caller relies on."""
    with pytest.raises(LLMError, match="run them in turn") as caught:
        sent(user("Hi"), tools=(WEATHER,), parallel_tool_calls=False)

    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert sent(user("Hi"), tools=(WEATHER,), parallel_tool_calls=True) == sent(user("Hi"), tools=(WEATHER,))


SAMPLING = {"temperature", "top_p", "top_k"}
CAPABILITIES = [
    (MODEL, "native", {"reasoning_effort"}, True),
    ("anthropic.claude-3-5-sonnet-20240620-v1:0", "tool", {"reasoning_effort"}, True),
    ("us.anthropic.claude-opus-4-8", "tool", SAMPLING, True),
    ("us.anthropic.claude-opus-5-5-v1:0", "prompt", SAMPLING, False),
    ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "tool", {"reasoning_effort"}, True),
    (NOVA, "tool", set(), True),
    ("amazon.titan-text-express-v1", "prompt", {"reasoning_effort"}, True),
    (OSS, "native", {"top_k"}, False),
    (QWEN, "native", {"top_k"}, False),
    ("us.deepseek.r1-v1:0", "prompt", {"top_k", "reasoning_effort"}, False),
    ("meta.llama3-70b-instruct-v1:0", "tool", {"top_k", "reasoning_effort"}, False),
    ("arn:aws:bedrock:us-east-1:1:application-inference-profile/mi1d", "native", {"top_k"}, True),
]


@pytest.mark.parametrize(("model", "structured_output", "refused", "has_named_choice"), CAPABILITIES)
def test_what_is_known_of_a_model(
    model: str, structured_output: str, refused: set[str], has_named_choice: bool
) -> None:
    """By id, by ARN, and of a name that tells nothing."""
    known = CODEC.capabilities(model)

    assert known.structured_output == structured_output
    assert set(known.refused) == refused | {"frequency_penalty", "presence_penalty"}
    assert ("named" in known.tool_choices) is has_named_choice


@pytest.mark.parametrize(
    ("message", "code", "hint"),
    [
        (user(Image(media_type="image/bmp", data=b"x")), ErrorCode.INVALID_REQUEST, "image/bmp: convert it"),
        (
            user(Document(media_type="application/zip", data=b"x")),
            ErrorCode.INVALID_REQUEST,
            "application/zip: convert it",
        ),
        (
            user(Image(media_type="image/*", url="https://example.org/a.png")),
            ErrorCode.INVALID_REQUEST,
            "https://example.org/a.png",
        ),
        (assistant(ToolCall(id="a", name="f", raw_arguments='{"a":')), ErrorCode.TOOL_CALL_ERROR, "of f"),
    ],
)
def test_what_converse_cannot_take_is_refused_before_it_is_sent(
    message: Message, code: ErrorCode, hint: str
) -> None:
    """An image by URL, and arguments that are no object: the error names the culprit."""
    with pytest.raises(LLMError, match=hint) as caught:
        CODEC.encode_request(ChatRequest(model="m", messages=(message,)))

    assert caught.value.code is code


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/chat/completions", {}, ErrorCode.NOT_FOUND),
        ("/model/m/invoke", {}, ErrorCode.NOT_FOUND),
        ("/model/m/converse", [], ErrorCode.INVALID_REQUEST),
        ("/model/m/converse", {"messages": "Hi"}, ErrorCode.INVALID_REQUEST),
        ("/model/m/converse", {"messages": [{"role": "robot"}]}, ErrorCode.INVALID_REQUEST),
        (
            "/model/m/converse",
            {"messages": [{"role": "user", "content": [{"document": {"name": "a"}}]}]},
            ErrorCode.INVALID_REQUEST,
        ),
        (
            "/model/m/converse",
            {"outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": "{"}}}}},
            ErrorCode.INVALID_REQUEST,
        ),
    ],
)
def test_a_request_that_is_none_is_refused(path: str, body: Any, code: ErrorCode) -> None:
    """The server side names what it cannot read, also a document no model of ours would see."""
    with pytest.raises(LLMError) as caught:
        CODEC.decode_request(
            HttpRequest(method="POST", path=path, headers={}, body=json.dumps(body).encode())
        )

    assert caught.value.code is code


def test_cache_points_and_json_results_are_read() -> None:
    """What other clients send: a result given as JSON becomes its text; tools have no cache point of ours."""
    body = {
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
        "messages": [
            {"role": "system", "content": [{"text": "Be kind."}]},
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "a", "content": [{"json": {"n": 1}}]}},
                    {"document": {"name": "note", "format": "txt", "source": {"text": "wörld"}}},
                    {"text": "Hi"},
                    {"cachePoint": {"type": "default"}},
                ],
            },
        ],
        "toolConfig": {"tools": [{"cachePoint": {"type": "default"}}, {"systemTool": {"name": "code"}}]},
    }

    request = CODEC.decode_request(
        HttpRequest(method="POST", path="/model/m/converse", headers={}, body=json.dumps(body).encode())
    )

    assert request == ChatRequest(
        model="m",
        messages=(
            system("Be brief.", CachePoint()),
            system("Be kind."),
            tool_result("a", '{"n":1}'),
            user(Document(media_type="text/plain", data="wörld".encode(), name="note"), "Hi", CachePoint()),
        ),
    )


# Answers ------------------------------------------------------------------------------------------


def answer(content: list[dict[str, Any]], **fields: Any) -> bytes:
    return json.dumps({"output": {"message": {"role": "assistant", "content": content}}, **fields}).encode()


def test_a_recorded_answer_is_read_whole() -> None:
    """As claude-sonnet-4-5 gave it to a request that was in its cache."""
    body = (
        b'{"metrics": {"latencyMs": 1990}, "output": {"message": {"content": [{"text": "21"}], "role": '
        b'"assistant"}}, "stopReason": "end_turn", "usage": {"cacheReadInputTokenCount": 1322, '
        b'"cacheReadInputTokens": 1322, "cacheWriteInputTokenCount": 0, "cacheWriteInputTokens": 0, '
        b'"inputTokens": 2, "outputTokens": 5, "serverToolUsage": {}, "totalTokens": 1329}}'
    )

    reply = CODEC.decode_response(body)

    assert reply == Reply(
        message=assistant("21"),
        finish_reason="stop",
        usage=Usage(input_tokens=1324, output_tokens=5, cached_input_tokens=1322, cache_write_tokens=0),
        wire=body,
    )
    assert reply.usage.total_tokens == reply.raw["usage"]["totalTokens"]


def test_blocks_of_every_kind_are_read_and_unknown_ones_skipped() -> None:
    """Cited text counts as text; what Bedrock's own tools did is not for the caller to do again.

    Pictures stay in `raw`, as they do in a stream, whose chunks have no place for them.
    """
    body = answer(
        [
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
            {"reasoningContent": {"redactedContent": "AAE="}},
            {"reasoningContent": {"later": 1}},
            {"text": "See "},
            {"citationsContent": {"content": [{"text": "the map."}], "citations": [{}]}},
            {"image": {"format": "png", "source": {"bytes": "iVBORw=="}}},
            {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}},
            {"toolUse": {"toolUseId": "s", "name": "code", "input": {}, "type": "server_tool_use"}},
            {"toolResult": {"toolUseId": "s", "content": [{"json": 1}], "type": "code_result"}},
            {"toolUse": {"toolUseId": "c", "name": "f", "input": {"n": 1.0}, "type": "tool_use"}},
            {"hologram": {"depth": 3}},
        ],
        stopReason="tool_use",
    )

    reply = CODEC.decode_response(body)

    assert reply.message == assistant(
        Thinking(text="Hm.", signature="c2ln"),
        Thinking(redacted="AAE="),
        "See the map.",
        ToolCall(id="c", name="f", raw_arguments='{"n": 1.0}'),
    )
    assert (reply.finish_reason, reply.usage) == ("tool_calls", Usage())


FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "refusal": "refusal",
    "a_word_of_tomorrow": "stop",
}


@pytest.mark.parametrize(("word", "reason"), FINISH_REASONS.items())
def test_a_stop_reason_means_the_same_in_both_forms(word: str, reason: str) -> None:
    """Bedrock's word becomes ours; a word we do not know is a regular end."""
    plain = CODEC.decode_response(answer([{"text": "Hi"}], stopReason=word))
    stream = assembled(decoded(events(START, text_delta("Hi"), ("messageStop", {"stopReason": word}))))

    assert (plain.finish_reason, stream.finish_reason) == (reason, reason)


def test_a_malformed_tool_call_is_an_error_in_both_forms() -> None:
    """The answer is on the error or was delivered, with its usage, and says that it ended in an error."""
    stop = ("messageStop", {"stopReason": "malformed_tool_use"})
    decoder = CODEC.stream_decoder()

    with pytest.raises(LLMError) as plain:
        CODEC.decode_response(answer([{"text": "Hi"}], stopReason="malformed_tool_use"))
    delivered = assembled(decoder.feed(events(START, text_delta("Hi"), stop, METADATA)))
    with pytest.raises(LLMError) as streamed:
        decoder.finish()

    assert plain.value.code is streamed.value.code is ErrorCode.TOOL_CALL_ERROR
    assert plain.value.partial is not None
    assert (plain.value.partial.text, plain.value.partial.finish_reason) == ("Hi", "error")
    assert (delivered.text, delivered.finish_reason) == ("Hi", "error")
    assert delivered.usage == Usage(input_tokens=9, output_tokens=5)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ErrorCode.EMPTY_RESPONSE),
        (b"{}", ErrorCode.EMPTY_RESPONSE),
        (b'{"Output": {"__type": "UnknownOperationException"}}', ErrorCode.EMPTY_RESPONSE),
        (b'{"output": []}', ErrorCode.MALFORMED_RESPONSE),
        (b'{"output": {"message": {"content": [{"text": 1}]}}}', ErrorCode.MALFORMED_RESPONSE),
        (answer([]).replace(b"assistant", b"\xff\xfe"), ErrorCode.MALFORMED_RESPONSE),
        (answer([{"image": {"source": {"bytes": "*"}}}]), ErrorCode.MALFORMED_RESPONSE),
    ],
)
def test_an_answer_that_is_none_is_an_error(body: bytes, code: ErrorCode) -> None:
    """No empty success, and no exception but ours."""
    with pytest.raises(LLMError) as caught:
        CODEC.decode_response(body)

    assert caught.value.code is code


# Streams ------------------------------------------------------------------------------------------


def test_each_event_becomes_a_chunk_that_keeps_it() -> None:
    """`raw` is a JSON object that still names the event's type, padding and unmapped fields included."""
    tool = {"toolUse": {"toolUseId": "t", "name": "f"}}
    body = events(
        ("messageStart", {"p": "abc", "role": "assistant"}),
        delta({"reasoningContent": {"text": "Hm"}}),
        delta({"reasoningContent": {"signature": "s"}}),
        delta({"reasoningContent": {"redactedContent": "r"}}, 1),
        ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"text": "Hi 🌍"}, "p": "abc"}),
        delta({"citation": {"title": "Map"}}, 2),
        ("contentBlockStop", {"contentBlockIndex": 2}),
        ("contentBlockStart", {"contentBlockIndex": 3, "start": tool}),
        delta({"toolUse": {"input": '{"a":1}'}}, 3),
        ("messageStop", {"stopReason": "tool_use"}),
        METADATA,
    )

    chunks = decoded(body)

    assert [structs.replace(chunk, raw=b"") for chunk in chunks] == [
        Chunk(),
        Chunk(thinking="Hm"),
        Chunk(signature="s"),
        Chunk(redacted="r"),
        Chunk(text="Hi 🌍"),
        Chunk(),
        Chunk(),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, id="t", name="f"),)),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, arguments='{"a":1}'),)),
        Chunk(finish_reason="tool_calls"),
        Chunk(usage=Usage(input_tokens=9, output_tokens=5)),
    ]
    assert [json.loads(chunk.raw) for chunk in chunks] == [
        {frame.type: json.loads(frame.payload)} for frame in EventStreamDecoder().feed(body)
    ]


def test_a_stream_is_read_the_same_however_it_was_cut() -> None:
    """Cut in two at every position: the same chunks, bytes included."""
    body = b"".join(CODEC.encode_stream(chunks_of(REPLY), model=MODEL))
    whole = decoded(body)

    for cut in range(len(body) + 1):
        assert decoded(body[:cut], body[cut:]) == whole
    assert assembled(whole) == REPLY


def test_several_thoughts_survive_the_wire() -> None:
    """Each keeps its own signature, in a stream and in a plain answer."""
    said = replace(
        REPLY,
        message=assistant(
            Thinking(text="Hm", signature="c2ln"),
            Thinking(text="So", signature="bm8y"),
            Thinking(redacted="AAE="),
            Thinking(redacted="AAI="),
            Thinking(signature="bm8z"),
            "Hello",
        ),
        finish_reason="stop",
    )

    assert assembled(decoded(*CODEC.encode_stream(chunks_of(said), model=MODEL))) == said
    assert replace(CODEC.decode_response(CODEC.encode_response(said)), wire=b"") == said


def test_tool_calls_that_alternate_stay_apart() -> None:
    """Fragments of two calls, mixed, arrive at the call they belong to."""
    chunks = [
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, id="a", name="f", arguments='{"n"'),)),
        Chunk(tool_call_deltas=(ToolCallDelta(index=1, id="b", name="g", arguments='{"m"'),)),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, arguments=":1}"),)),
        Chunk(tool_call_deltas=(ToolCallDelta(index=1, arguments=":2}"),), finish_reason="tool_calls"),
    ]

    reply = assembled(decoded(*CODEC.encode_stream(chunks, model=MODEL)))

    assert reply.tool_calls == (
        ToolCall(id="a", name="f", raw_arguments='{"n":1}'),
        ToolCall(id="b", name="g", raw_arguments='{"m":2}'),
    )


def test_what_a_later_api_adds_is_ignored() -> None:
    """Unknown events, blocks and deltas, an empty payload, and the tools Bedrock runs itself."""
    server_tool = {"toolUse": {"toolUseId": "s", "name": "code", "type": "server_tool_use"}}
    body = events(
        START,
        ("hologramDelta", {"depth": 3}),
        ("contentBlockStart", {"contentBlockIndex": 0, "start": {"image": {"format": "png"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"image": {"source": {}}}}),
        ("contentBlockStart", {"contentBlockIndex": 1, "start": server_tool}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{}"}}}),
        text_delta("Hi", 2),
    )

    empty = encode_event("contentBlockDelta", b"") + encode_event("contentBlockStop", b"")
    reply = assembled(decoded(body, empty, events(STOP)))

    assert reply == Reply(message=assistant("Hi"), finish_reason="stop")


@pytest.mark.parametrize(
    ("name", "message", "code", "is_retryable"),
    [
        ("throttlingException", "boom", ErrorCode.RATE_LIMIT, True),
        ("throttlingException", "Too many tokens per day, please wait", ErrorCode.QUOTA_EXCEEDED, False),
        ("modelStreamErrorException", "boom", ErrorCode.STREAM_ERROR, False),
        ("internalServerException", "boom", ErrorCode.INTERNAL_ERROR, True),
        ("serviceUnavailableException", "boom", ErrorCode.OVERLOADED, True),
        ("modelTimeoutException", "boom", ErrorCode.TIMEOUT, True),
        ("validationException", "boom", ErrorCode.INVALID_REQUEST, False),
        ("validationException", "Input is too long.", ErrorCode.CONTEXT_LENGTH_EXCEEDED, False),
        ("exceptionOfTomorrow", "boom", ErrorCode.STREAM_ERROR, False),
    ],
)
def test_an_exception_in_the_stream_is_an_error(
    name: str, message: str, code: ErrorCode, is_retryable: bool
) -> None:
    """It comes after the text before it, in the same block or not, and its type decides the code."""
    frame = exception(name, {"message": message})

    texts, errors = zip(failure(HELLO + frame), failure(HELLO, frame), failure(frame), strict=True)

    assert texts == ("Hello, w", "Hello, w", "")
    assert {(e.code, e.message, e.provider_code, e.retryable) for e in errors} == {
        (code, message, name, is_retryable)
    }
    is_busy = code in {ErrorCode.RATE_LIMIT, ErrorCode.OVERLOADED}
    assert {e.should_retry for e in errors} == {None if is_busy else False}


@pytest.mark.parametrize("body", [b"", HELLO], ids=["nothing", "cut"])
def test_a_stream_that_ended_early_is_the_callers_to_try_again(body: bytes) -> None:
    """Its tokens are paid for."""
    _, error = failure(body)

    assert (error.retryable, error.should_retry) == (True, False)


def test_an_error_of_the_transport_is_an_error() -> None:
    """An error frame has no payload: code and message stand in its headers."""
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "disk full"}

    _, error = failure(encode_frame(headers, b""))

    assert (error.code, error.message) == (ErrorCode.STREAM_ERROR, "disk full")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ErrorCode.EMPTY_RESPONSE),
        (HELLO, ErrorCode.STREAM_CLOSED),
        (HELLO[:-1], ErrorCode.STREAM_CLOSED),
        (HELLO + events(METADATA), ErrorCode.STREAM_CLOSED),
        (HELLO + encode_event("contentBlockDelta", b"{"), ErrorCode.MALFORMED_RESPONSE),
        (HELLO + encode_event("contentBlockDelta", b"[]"), ErrorCode.MALFORMED_RESPONSE),
        (HELLO + encode_event("contentBlockDelta", b'{"p":"\xff"}'), ErrorCode.MALFORMED_RESPONSE),
        (
            HELLO + events(("contentBlockDelta", {"delta": {"toolUse": {"input": "{"}}})),
            ErrorCode.MALFORMED_RESPONSE,
        ),
        (HELLO + b"<html>Bad Gateway</html>", ErrorCode.MALFORMED_RESPONSE),
    ],
)
def test_a_stream_that_breaks_is_an_error(body: bytes, code: ErrorCode) -> None:
    """No messageStop, no answer; and what had come was delivered."""
    text, error = failure(body)

    assert (text, error.code) == ({b"": "", HELLO[:-1]: "Hello"}.get(body, "Hello, w"), code)


def test_an_answer_without_metadata_is_whole() -> None:
    """messageStop ends the answer; only the usage is then unknown."""
    assert assembled(decoded(HELLO + events(STOP))) == Reply(
        message=assistant("Hello, w"), finish_reason="stop"
    )


@settings(max_examples=250)
@given(st.data())
def test_flipped_bytes_raise_nothing_but_our_error(data: st.DataObject) -> None:
    """A stream with bytes changed in the frames, or in payloads whose checksums are right."""
    body = bytearray(b"".join(CODEC.encode_stream(chunks_of(REPLY), model=MODEL)))
    if data.draw(st.booleans()):
        frames = EventStreamDecoder().feed(bytes(body))
        frame = data.draw(st.sampled_from(frames))
        payload = flipped(frame.payload, data)
        body[:0] = encode_event(frame.type, payload)
    else:
        body[:] = flipped(bytes(body), data)
    decoder = CODEC.stream_decoder()

    with contextlib.suppress(LLMError):
        for chunk in decoder.feed(bytes(body)):
            json.loads(chunk.raw)
        decoder.finish()


@settings(max_examples=150)
@given(st.data())
def test_flipped_bytes_of_a_body_raise_nothing_but_our_error(data: st.DataObject) -> None:
    """The same for plain answers, requests and errors."""
    request = CODEC.encode_request(REQUEST)

    CODEC.decode_error(400, {}, flipped(b'{"__type": "a#ValidationException:b", "message": "c"}', data))
    for decode, argument in (
        (CODEC.decode_response, flipped(CODEC.encode_response(REPLY), data)),
        (CODEC.decode_request, replace(request, body=flipped(request.body, data))),
    ):
        with contextlib.suppress(LLMError):
            decode(argument)


def flipped(body: bytes, data: st.DataObject) -> bytes:
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 2))):
        changed[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed)


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "name", "message", "code", "is_retryable"),
    [
        (403, "AccessDeniedException", "", ErrorCode.AUTHORIZATION_ERROR, False),
        (403, "ExpiredTokenException", "", ErrorCode.AUTHENTICATION_ERROR, False),
        (403, "UnrecognizedClientException", "", ErrorCode.AUTHENTICATION_ERROR, False),
        (403, "InvalidSignatureException", "", ErrorCode.AUTHENTICATION_ERROR, False),
        (403, "MissingAuthenticationToken", "", ErrorCode.AUTHENTICATION_ERROR, False),
        (403, "MissingAuthenticationTokenException", "", ErrorCode.AUTHENTICATION_ERROR, False),
        (400, "IncompleteSignature", "", ErrorCode.AUTHENTICATION_ERROR, False),
        (429, "ThrottlingException", "Too many requests", ErrorCode.RATE_LIMIT, True),
        (429, "ThrottlingException", "Too many tokens per day.", ErrorCode.QUOTA_EXCEEDED, False),
        (400, "ServiceQuotaExceededException", "", ErrorCode.QUOTA_EXCEEDED, False),
        (404, "ResourceNotFoundException", "", ErrorCode.MODEL_NOT_AVAILABLE, False),
        (429, "ModelNotReadyException", "", ErrorCode.MODEL_NOT_AVAILABLE, True),
        (424, "ModelErrorException", "", ErrorCode.INTERNAL_ERROR, False),
        (408, "ModelTimeoutException", "", ErrorCode.TIMEOUT, True),
        (500, "InternalServerException", "", ErrorCode.INTERNAL_ERROR, True),
        (503, "ServiceUnavailableException", "", ErrorCode.OVERLOADED, True),
        (400, "ValidationException", "Malformed input request", ErrorCode.INVALID_REQUEST, False),
        (
            400,
            "ValidationException",
            "Input is too long for requested model.",
            ErrorCode.CONTEXT_LENGTH_EXCEEDED,
            False,
        ),
        (
            400,
            "ValidationException",
            "The model returned the following errors: prompt is too long: 227255 tokens > 200000 maximum",
            ErrorCode.CONTEXT_LENGTH_EXCEEDED,
            False,
        ),
        (413, "ExceptionOfTomorrow", "", ErrorCode.REQUEST_TOO_LARGE, False),
    ],
)
@pytest.mark.parametrize("place", ["header", "body"])
def test_an_error_is_classified_by_its_type(
    place: str, status: int, name: str, message: str, code: ErrorCode, is_retryable: bool
) -> None:
    """Wherever AWS puts the type, and whatever it hangs on it; prose decides only where no type does."""
    headers = {"x-amzn-requestid": "11111111-2222"}
    body = {"message" if place == "header" else "Message": message}
    if place == "header":
        headers["x-amzn-errortype"] = f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    else:
        body["__type"] = f"com.amazon.coral.service#{name}"

    error = CODEC.decode_error(status, headers, json.dumps(body).encode())

    assert (error.code, error.retryable, error.provider_code) == (code, is_retryable, name)
    assert (error.status, error.request_id) == (status, "11111111-2222")
    assert error.message == (message or f"HTTP {status}")


@pytest.mark.parametrize(
    ("status", "name", "should_retry"),
    [
        (429, "ThrottlingException", None),
        (429, "ModelNotReadyException", True),
        (408, "ModelTimeoutException", False),
        (500, "InternalServerException", None),
    ],
)
def test_some_errors_say_whether_to_try_again_at_once(
    status: int, name: str, should_retry: bool | None
) -> None:
    """A model that is being loaded is worth a wait, one that took minutes to fail is not."""
    error = CODEC.decode_error(status, {"x-amzn-errortype": name}, b"{}")

    assert error.should_retry is should_retry


def test_a_prompt_that_is_too_long_is_said_in_bedrocks_words() -> None:
    """Its prose is the only sign there is, and survives the wire."""
    error = LLMError("9 > 8 tokens", code=ErrorCode.CONTEXT_LENGTH_EXCEEDED)

    decoded_error = CODEC.decode_error(
        400, {"x-amzn-errortype": CODEC.error_type(error)}, CODEC.encode_error(error)
    )

    assert decoded_error.message == "Input is too long for requested model: 9 > 8 tokens"
