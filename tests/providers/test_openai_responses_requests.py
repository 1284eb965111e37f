"""Requests to the Responses API: all in its place, and what the API cannot read left out or refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.media import Audio, Document, Image
from tapeline.providers.openai_responses import OpenAIResponsesCodec
from tapeline.types import (
    CachePoint,
    ChatRequest,
    HttpRequest,
    Message,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    assistant,
    system,
    tool_result,
    user,
)

CODEC = OpenAIResponsesCodec()

PNG = Image(media_type="image/png", data=b"\x01\x02")
PDF = Document(media_type="application/pdf", data=b"\x01\x02", name="a.pdf")

MESSAGES = (
    system("Be brief."),
    user("What is it?", CachePoint(), PNG, PDF),
    assistant(
        Thinking(text="A cat?", signature="e", id="rs_1"),
        Text("Let me look."),
        Refusal("I won't."),
        ToolCall(id="c0", name="look", raw_arguments='{"at": 1}'),
    ),
    Message("tool", (ToolResult(id="c0", content="a cat"), ToolResult(id="c1", content=(Text("this"), PNG)))),
)
INPUT = [
    {"type": "message", "role": "system", "content": "Be brief."},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AQI="},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AQI="},
        ],
    },
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "A cat?"}],
        "encrypted_content": "e",
    },
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Let me look.", "annotations": []}],
    },
    {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "I won't."}]},
    {"type": "function_call", "call_id": "c0", "name": "look", "arguments": '{"at": 1}'},
    {"type": "function_call_output", "call_id": "c0", "output": "a cat"},
    {
        "type": "function_call_output",
        "call_id": "c1",
        "output": [
            {"type": "input_text", "text": "this"},
            {"type": "input_image", "image_url": "data:image/png;base64,AQI="},
        ],
    },
]


def test_a_request_is_encoded_as_documented() -> None:
    """Every field of a request has its place, and `extra` has the last word."""
    request = ChatRequest(
        model="m",
        messages=MESSAGES,
        is_stream=True,
        max_tokens=9,
        temperature=0.5,
        top_p=0.25,
        seed=7,
        reasoning_effort="low",
        service_tier="flex",
        metadata={"team": "a"},
        tools=(Tool(name="look", description="Look.", parameters={"type": "object"}),),
        tool_choice="look",
        parallel_tool_calls=False,
        schema={"type": "object", "properties": {}, "additionalProperties": False},
        schema_name="animal",
        extra={"service_tier": "auto", "truncation": "auto"},
    )

    http = CODEC.encode_request(request)

    assert (http.method, http.path, http.headers) == ("POST", "/responses", {})
    assert json.loads(http.body) == {
        "model": "m",
        "input": INPUT,
        "max_output_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.25,
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
        "service_tier": "auto",
        "metadata": {"team": "a"},
        "store": True,
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "Look.",
                "parameters": {"type": "object"},
                "strict": False,
            }
        ],
        "tool_choice": {"type": "function", "name": "look"},
        "parallel_tool_calls": False,
        "text": {
            "format": {
                "type": "json_schema",
                "name": "animal",
                "schema": {"type": "object", "properties": {}, "additionalProperties": False},
                "strict": True,
            }
        },
        "stream": True,
        "truncation": "auto",
    }


def test_a_bare_request_asks_for_nothing_but_not_to_be_kept() -> None:
    """No field is sent that was not set; models that do not reason refuse to be asked for reasoning."""
    http = CODEC.encode_request(ChatRequest(model="m", messages=(user("Hi"),), tool_choice="auto"))

    assert json.loads(http.body) == {
        "model": "m",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "store": False,
    }


def encoded(*messages: Message) -> list[dict]:
    return json.loads(CODEC.encode_request(ChatRequest(model="m", messages=messages)).body)["input"]


@pytest.mark.parametrize(
    "thinking",
    [Thinking(text="Hm"), Thinking(text="Hm", signature="another API's"), Thinking(text="Hm", id="rs_1")],
    ids=["bare", "not of this API", "not encrypted"],
)
def test_reasoning_that_the_api_cannot_read_is_not_given_back(thinking: Thinking) -> None:
    """It would refuse the whole request for it."""
    assert encoded(assistant(thinking, "Hello")) == encoded(assistant("Hello"))


def test_documents_go_by_name_or_by_url() -> None:
    """One without a name gets one, as the API goes by its ending; beside a URL it takes none."""
    documents = [
        replace(PDF, name=None),
        replace(PDF, media_type="application/x-unheard-of", name=None),
        Document.from_url("https://example.org/a.pdf"),
    ]

    content = encoded(user(*documents))[0]["content"]

    assert [part.get("filename") for part in content] == ["document.pdf", "document", None]
    assert content[2] == {"type": "input_file", "file_url": "https://example.org/a.pdf"}


def test_what_stands_beside_a_tools_result_is_not_lost() -> None:
    """It follows as the user's, for the API's own item has no place for it."""
    result = ToolResult(id="c0", content="a cat")

    assert encoded(Message("tool", (result, Text("See?")))) == encoded(
        tool_result("c0", "a cat"), user("See?")
    )


def test_sound_is_refused_with_advice() -> None:
    """The API takes none."""
    with pytest.raises(LLMError, match="use the provider 'openai'") as raised:
        encoded(user(Audio(media_type="audio/wav", data=b"\x00")))

    assert raised.value.code is ErrorCode.INVALID_REQUEST


def test_messages_survive_the_wire() -> None:
    """Also what the shared property test knows nothing of. Cache marks have no place here."""
    request = ChatRequest(
        model="m",
        messages=(
            system("Be brief."),
            user("What is it?", PNG, PDF, replace(PDF, name=None)),
            user(Image(media_type="image/*", url="https://example.org/a.png")),
            user(Document(media_type="application/*", url="https://example.org/a.pdf")),
            MESSAGES[2],
            tool_result("c0", "a cat"),
            tool_result("c1", "this", PNG, PDF),
            assistant("One.", "Two."),
            user("And?"),
        ),
        reasoning_effort="high",
        service_tier="flex",
        metadata={"team": "a"},
        tools=(Tool(name="look"),),
        tool_choice="look",
        parallel_tool_calls=True,
    )

    assert CODEC.decode_request(CODEC.encode_request(request)) == request


def decoded(input: object, **fields) -> ChatRequest:
    body = json.dumps({"model": "m", "input": input} | fields).encode()
    return CODEC.decode_request(HttpRequest(method="POST", path="/responses", headers={}, body=body))


def test_a_clients_request_may_take_short_cuts() -> None:
    """A bare string, instructions, the developer's role, and the items of an answer as they were sent."""
    summary = [{"type": "summary_text", "text": "Hmm."}, {"type": "summary_text", "text": "Ah!"}]
    text = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "e"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]},
        {"type": "function_call", "id": "fc_1", "call_id": "c0", "name": "f", "arguments": "{}"},
    ]
    items = [{"role": "developer", "content": "Rhyme."}, {"role": "user", "content": "Hi"}, *output]

    assert decoded("Hi", instructions="Be brief.").messages == (system("Be brief."), user("Hi"))
    assert decoded(items).messages == (
        system("Rhyme."),
        user("Hi"),
        assistant(
            Thinking(text="Hmm.\n\nAh!", signature="e", id="rs_1"), "Hello", ToolCall(id="c0", name="f")
        ),
    )


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "item_reference"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input_image"),
        ({"tools": [{"type": "web_search"}]}, "web_search"),
        ({"tool_choice": {"type": "allowed_tools"}}, "allowed_tools"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
def test_what_only_openai_can_do_is_refused_by_name(fields: dict, word: str) -> None:
    """To leave it out in silence would answer another question."""
    with pytest.raises(LLMError, match=word) as raised:
        decoded(**({"input": "Hi"} | fields))

    assert raised.value.code is ErrorCode.INVALID_REQUEST


def test_what_the_api_has_no_field_for_is_known_beforehand() -> None:
    """Each with advice. A seed is a best effort everywhere, and just left out."""
    known = CODEC.capabilities("gpt-5.4-mini")

    assert known.refused.keys() == {"top_k", "stop", "frequency_penalty", "presence_penalty"}
    assert not known.audio
    assert "temperature" in CODEC.capabilities("o3").refused
