"""Requests in Chat Completions: each thing said in the place the API has for it, or refused with advice."""

from __future__ import annotations

import json

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.media import Audio, Document, Image
from tapeline.providers.openai import OpenAICodec
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
    assistant,
    system,
    tool_result,
    user,
)

CODEC = OpenAICodec()


def sent(*messages: Message, **options) -> dict:
    """The body of a request with these messages."""
    request = ChatRequest(**{"model": "m", "messages": messages} | options)
    body: dict = json.loads(CODEC.encode_request(request).body)
    return body


def test_a_request_is_encoded_as_documented() -> None:
    """Every field of a request has its place, and `extra` has the last word."""
    request = ChatRequest(
        model="m",
        messages=(
            system("Be brief."),
            user("What is it?", Image(media_type="image/png", data=b"\x01\x02")),
            assistant(Text("Let me look."), ToolCall(id="c0", name="look", raw_arguments='{"at": 1}')),
            tool_result("c0", "a cat"),
        ),
        is_stream=True,
        max_tokens=9,
        temperature=0.5,
        stop=("END",),
        seed=7,
        tools=(Tool(name="look", description="Look.", parameters={"type": "object"}),),
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        reasoning_effort="low",
        service_tier="default",
        metadata={"team": "zoo"},
        tool_choice="look",
        parallel_tool_calls=False,
        schema={"type": "string"},
        schema_name="animal",
        extra={"seed": 8, "service_tier": "flex"},
    )

    http = CODEC.encode_request(request)

    assert (http.method, http.path, http.headers) == ("POST", "/chat/completions", {})
    assert json.loads(http.body) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQI="}},
                ],
            },
            {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [
                    {"id": "c0", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "c0", "content": "a cat"},
        ],
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "stop": ["END"],
        "seed": 8,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "reasoning_effort": "low",
        "metadata": {"team": "zoo"},
        "store": True,
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": False,
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}},
            }
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "animal", "schema": {"type": "string"}, "strict": False},
        },
        "stream": True,
        "stream_options": {"include_usage": True},
        "service_tier": "flex",
    }


def test_media_are_sent_in_the_parts_the_api_has_for_them() -> None:
    """A text document is text, because of files the API takes only PDF; a cache mark is left out."""
    question = user(
        "Read.",
        CachePoint(),
        Image.from_url("https://example.org/cat.png"),
        Document(media_type="application/pdf", data=b"%PDF", name="a.pdf"),
        Document(media_type="text/plain", data=b"Hi", name="b.txt"),
        Audio(media_type="audio/wav", data=b"\x01"),
        Audio(media_type="audio/mpeg", data=b"\x02"),
    )

    assert sent(question)["messages"][0]["content"] == [
        {"type": "text", "text": "Read."},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        {"type": "text", "text": '\n<document name="b.txt">\nHi\n</document>\n'},
        {"type": "input_audio", "input_audio": {"data": "AQ==", "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": "Ag==", "format": "mp3"}},
    ]


@pytest.mark.parametrize(
    ("part", "advice"),
    [
        (Document.from_url("https://example.org/a.pdf"), "load it first"),
        (Audio.from_url("https://example.org/a.wav"), "load it first"),
        (Audio(media_type="audio/flac", data=b"fLaC"), "convert it to audio/wav or audio/mpeg"),
    ],
    ids=["document by URL", "sound by URL", "FLAC"],
)
def test_media_the_api_has_no_part_for_are_refused_with_advice(part: Document | Audio, advice: str) -> None:
    """To leave them out in silence would change the question."""
    with pytest.raises(LLMError, match=advice) as raised:
        sent(user(part))

    assert raised.value.code is ErrorCode.INVALID_REQUEST


def test_pictures_of_tool_results_follow_when_all_results_are_there() -> None:
    """A tool's message takes text alone, and nothing may stand between calls and results."""
    picture = Image.from_url("https://example.org/cat.png")
    messages = sent(
        assistant(ToolCall(id="a", name="f"), ToolCall(id="b", name="g")),
        tool_result("a", "Here:", picture),
        tool_result("b", "none"),
        user("Well?"),
        tool_result("c", picture),
    )["messages"]

    shown = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": picture.url}}]}
    assert messages[1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "Here:"},
        {"role": "tool", "tool_call_id": "b", "content": "none"},
        shown,
        {"role": "user", "content": "Well?"},
        {"role": "tool", "tool_call_id": "c", "content": ""},
        shown,
    ]


def test_words_beside_a_tool_result_are_not_lost() -> None:
    """Other APIs have both in one message."""
    turn = Message("user", (*tool_result("a", "sunny").content, CachePoint(), Text("And tomorrow?")))

    assert sent(turn)["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "user", "content": "And tomorrow?"},
    ]


def test_a_refusal_is_given_back_as_one() -> None:
    """Also beside text; it is no text itself."""
    assert sent(assistant(Refusal("No.")), assistant("Hm.", Refusal("No.")))["messages"] == [
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "assistant", "content": "Hm.", "refusal": "No."},
    ]


@pytest.mark.parametrize(
    ("model", "given_back"),
    [("gpt-5.4-mini", None), ("llama-4", None), ("deepseek-v4-pro", "Hmm"), ("moonshotai/Kimi-K3", "Hmm")],
)
def test_reasoning_goes_back_only_to_models_that_want_it(model: str, given_back: str | None) -> None:
    """Beside tool calls, and never another API's; everybody else refuses the field."""
    call = ToolCall(id="a", name="f")
    turns = [
        assistant(Thinking(text="Hmm"), Thinking(text="Other", id="rs_1"), call),
        assistant(Thinking(text="Hmm"), "Hello"),
    ]

    called, said = sent(*turns, model=model)["messages"]

    assert called.get("reasoning_content") == given_back
    assert said == {"role": "assistant", "content": "Hello"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tool_choice": "required"}, {}),
        ({"parallel_tool_calls": False}, {}),
        ({"tools": (Tool(name="f"),), "tool_choice": "none"}, {"tool_choice": "none"}),
        ({"extra": {"tools": []}, "tool_choice": "auto"}, {"tool_choice": "auto"}),
    ],
)
def test_how_to_call_tools_is_said_only_where_there_are_tools(options: dict, expected: dict) -> None:
    """The API calls it an error otherwise, and such defaults are set once for many calls."""
    body = sent(user("Hi"), **options)

    assert {name: body[name] for name in ("tool_choice", "parallel_tool_calls") if name in body} == expected


def test_a_schema_is_strict_where_the_api_can_be() -> None:
    """With any other it would refuse the request."""
    strict = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}

    named = sent(user("Hi"), schema=strict)["response_format"]["json_schema"]

    assert named == {"name": "answer", "schema": strict, "strict": True}


def test_what_a_client_sends_in_parts_is_read() -> None:
    """Roles, media and refusals, as the SDK writes them."""
    pdf = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}
    content = [
        {"type": "text", "text": "Read."},
        {"type": "file", "file": pdf},
        {"type": "input_audio", "input_audio": {"data": "AQ==", "format": "mp3"}},
    ]
    body = {
        "model": "m",
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": content},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        ],
    }

    request = CODEC.decode_request(
        HttpRequest(method="POST", path="/", headers={}, body=json.dumps(body).encode())
    )

    assert request.messages == (
        system("Be brief."),
        user(
            "Read.",
            Document(media_type="application/pdf", data=b"%PDF", name="a.pdf"),
            Audio(media_type="audio/mpeg", data=b"\x01"),
        ),
        assistant(Refusal("No.")),
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": {"type": "allowed_tools"}},
        {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f1"}}]}]},
        {"messages": [{"role": "narrator", "content": "Hi"}]},
    ],
    ids=["tool choice", "part", "file by id", "role"],
)
def test_what_we_cannot_say_is_refused_to_the_client(fields: dict) -> None:
    """A request is answered as it was meant, or not at all."""
    body = json.dumps({"model": "m", "messages": []} | fields).encode()

    with pytest.raises(LLMError) as raised:
        CODEC.decode_request(HttpRequest(method="POST", path="/", headers={}, body=body))

    assert raised.value.code is ErrorCode.INVALID_REQUEST
