"""Chat Completions as servers really speak it: what is odd about an answer does not change what it says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.media import Image
from tapeline.providers.assembly import Assembler
from tapeline.providers.openai import OpenAICodec
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

CODEC = OpenAICodec()
DONE = b"data: [DONE]\n\n"


def event(delta: dict | None = None, *, finish: str | None = None, **fields) -> bytes:
    """One event of a stream, with the one choice that holds `delta`."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return sse({"id": "c1", "model": "m", "choices": [choice]} | fields)


def sse(value) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def call(
    arguments: str | None = None, *, index: int | None = None, id: str | None = None, name=None
) -> bytes:
    """One event with one fragment of a tool call."""
    fields = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
    return event({"tool_calls": [{key: value for key, value in fields.items() if value is not None}]})


def streamed(*blocks: bytes) -> Reply:
    """The reply of a stream, without its bytes and times. Raises LLMError; `partial` is what had come."""
    assembler, decoder = Assembler(), CODEC.stream_decoder()
    try:
        for block in blocks:
            for chunk in decoder.feed(block):
                assembler.add(chunk)
        for chunk in decoder.finish():
            assembler.add(chunk)
    except LLMError as error:
        error.partial = assembler.reply()
        raise
    return replace(assembler.reply(), wire=b"", timing=Timing(total_s=0.0))


def reply(*content, finish_reason="stop", usage: Usage = Usage()) -> Reply:
    return Reply(message=assistant(*content), finish_reason=finish_reason, usage=usage, model="m", id="c1")


def calls(*facts: tuple[str, str, str]) -> Reply:
    return reply(
        *(ToolCall(id=id, name=name, raw_arguments=arguments) for id, name, arguments in facts),
        finish_reason="tool_calls",
    )


HEL, LO, STOP = event({"content": "Hel"}), event({"content": "lo"}), event(finish="stop")
CALLED = event(finish="tool_calls")
HELLO = reply("Hello")
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}

TEXT_QUIRKS = {
    "as documented": ([event({"role": "assistant", "content": ""}), HEL, LO, STOP, DONE], HELLO),
    "finish reason but no [DONE]": ([HEL, LO, STOP], HELLO),
    "[DONE] but no finish reason": ([HEL, LO, DONE], replace(HELLO, finish_reason=None)),
    "[DONE] with blanks": ([HEL, LO, STOP, b"data:  [DONE] \n\n"], HELLO),
    "last event without its blank line": ([HEL, LO, STOP.rstrip()], HELLO),
    "null choices": ([event(choices=None), HEL, LO, STOP, DONE], HELLO),
    "no choices": ([event(choices=[]), HEL, LO, STOP, DONE], HELLO),
    "null delta": ([sse({"choices": [{"index": 0, "delta": None}]}), HEL, LO, STOP, DONE], HELLO),
    "null content": ([event({"content": None, "tool_calls": None}), HEL, LO, STOP, DONE], HELLO),
    "message for delta": ([event(choices=[{"message": {"content": "Hello"}}]), STOP, DONE], HELLO),
    "finish reason beside text": ([HEL, event({"content": "lo"}, finish="stop"), DONE], HELLO),
    "finish reason unheard of": ([HEL, LO, event(finish="eos"), DONE], HELLO),
    "empty data as keep-alive": ([b"data:\n\n", HEL, b"data: \n\n", LO, STOP, DONE], HELLO),
    "comments": ([b": OPENROUTER PROCESSING\n\n", HEL, b":\n\n", LO, STOP, DONE], HELLO),
    "id, retry and a type": ([b"id: 1\nretry: 3\nevent: message\n" + HEL, LO, STOP, DONE], HELLO),
    "BOM": ([b"\xef\xbb\xbf" + HEL, LO, STOP, DONE], HELLO),
    "CRLF": ([e.replace(b"\n", b"\r\n") for e in (HEL, LO, STOP, DONE)], HELLO),
    "CR": ([e.replace(b"\n", b"\r") for e in (HEL, LO, STOP, DONE)], HELLO),
    "CRLF cut in two": ([HEL[:-2] + b"\r", b"\n\r", b"\n" + LO, STOP, DONE], HELLO),
    "JSON over two data lines": ([HEL.replace(b', "choices"', b',\ndata: "choices"'), LO, STOP], HELLO),
    "separators of lines in the text": (
        [event({"content": "a\u2028b\u2029c\u0085d\x0b"}), STOP, DONE],
        reply("a\u2028b\u2029c\u0085d\x0b"),
    ),
    "several choices": (
        [
            HEL,
            event(choices=[{"index": 1, "delta": {"content": "Bye"}, "finish_reason": "length"}]),
            LO,
            STOP,
            DONE,
        ],
        HELLO,
    ),
    "usage in a last event of its own": (
        [HEL, LO, STOP, event(choices=[], usage=USAGE), DONE],
        reply("Hello", usage=Usage(input_tokens=9, output_tokens=5)),
    ),
    "usage with every event": (
        [event({"content": c}, usage=USAGE | {"completion_tokens": n}) for n, c in enumerate("Hello", 1)]
        + [event(finish="stop", usage=USAGE), DONE],
        reply("Hello", usage=Usage(input_tokens=9, output_tokens=5)),
    ),
    "usage in detail": (
        [
            HEL,
            LO,
            event(
                finish="stop",
                usage=USAGE
                | {
                    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 3},
                },
            ),
        ],
        reply(
            "Hello",
            usage=Usage(input_tokens=9, output_tokens=5, cached_input_tokens=4, reasoning_tokens=3),
        ),
    ),
    "refusal": (
        [event({"refusal": "I can't"}), event({"refusal": "."}), STOP, DONE],
        reply("I can't.", finish_reason="refusal"),
    ),
    "reasoning_content": (
        [event({"reasoning_content": "Hm"}), event({"reasoning_content": "m"}), HEL, LO, STOP, DONE],
        reply(Thinking(text="Hmm"), "Hello"),
    ),
    "reasoning": ([event({"reasoning": "Hmm"}), HEL, LO, STOP, DONE], reply(Thinking(text="Hmm"), "Hello")),
    "content in pieces": (
        [
            event({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hmm"}]}]}),
            event({"content": [{"type": "text", "text": "Hello"}]}),
            STOP,
            DONE,
        ],
        reply(Thinking(text="Hmm"), "Hello"),
    ),
}

F, G = ("c0", "f", '{"a": "é"}'), ("c1", "g", '{"b": 2}')

TOOL_QUIRKS = {
    "as documented": (
        [call("", index=0, id="c0", name="f"), call('{"a": ', index=0), call('"é"}', index=0)],
        [F],
    ),
    "two, interleaved": (
        [
            call("", index=0, id="c0", name="f"),
            call("", index=1, id="c1", name="g"),
            call('{"a": ', index=0),
            call('{"b"', index=1),
            call('"é"}', index=0),
            call(": 2}", index=1),
        ],
        [F, G],
    ),
    "no index": ([call('{"a": ', id="c0", name="f"), call('"é"}')], [F]),
    "two without index": (
        [
            call('{"a": ', id="c0", name="f"),
            call('"é"}'),
            call('{"b"', id="c1", name="g"),
            call(": 2}"),
        ],
        [F, G],
    ),
    "same index, new id": (
        [call('{"a": "é"}', index=0, id="c0", name="f"), call('{"b": 2}', index=0, id="c1", name="g")],
        [F, G],
    ),
    "id with every chunk": (
        [call('{"a": ', index=0, id="c0", name="f"), call('"é"}', index=0, id="c0")],
        [F],
    ),
    "id with every chunk, no index, interleaved": (
        [
            call('{"a": ', id="c0", name="f"),
            call('{"b"', id="c1", name="g"),
            call('"é"}', id="c0"),
            call(": 2}", id="c1"),
        ],
        [F, G],
    ),
    "name with every chunk": (
        [call('{"a": ', index=0, id="c0", name="f"), call('"é"}', index=0, name="f")],
        [F],
    ),
    "empty id and name later on": (
        [call('{"a": ', index=0, id="c0", name="f"), call('"é"}', index=0, id="", name="")],
        [F],
    ),
    "no arguments at all": ([call(index=0, id="c0", name="f")], [("c0", "f", "{}")]),
    "empty arguments": ([call("", index=0, id="c0", name="f"), call("", index=0)], [("c0", "f", "{}")]),
    "index from 1": ([call('{"a": ', index=1, id="c0", name="f"), call('"é"}', index=1)], [F]),
    "all in one event": (
        [
            event(
                {
                    "tool_calls": [
                        {"index": 0, "id": "c0", "function": {"name": "f", "arguments": '{"a": "é"}'}},
                        {"index": 1, "id": "c1", "function": {"name": "g", "arguments": '{"b": 2}'}},
                    ]
                }
            )
        ],
        [F, G],
    ),
}


@pytest.mark.parametrize(("events", "expected"), TEXT_QUIRKS.values(), ids=TEXT_QUIRKS.keys())
def test_a_quirk_of_the_stream_does_not_change_the_reply(events: list[bytes], expected: Reply) -> None:
    """Event by event, in one block, and byte by byte."""
    body = b"".join(events)

    assert streamed(*events) == expected
    assert streamed(body) == expected
    assert streamed(*(body[i : i + 1] for i in range(len(body)))) == expected


@pytest.mark.parametrize(("events", "expected"), TOOL_QUIRKS.values(), ids=TOOL_QUIRKS.keys())
def test_each_fragment_of_a_tool_call_finds_its_call(
    events: list[bytes], expected: list[tuple[str, str, str]]
) -> None:
    """Whatever the server made of `index`, `id` and `name`."""
    assert streamed(*events, CALLED, DONE) == calls(*expected)


BROKEN = {
    "nothing": ([], ErrorCode.EMPTY_RESPONSE, ""),
    "only comments": ([b": ping\n\n"], ErrorCode.EMPTY_RESPONSE, ""),
    "an HTML page": ([b"<html>\n\n<p>Sign in</p></html>"], ErrorCode.MALFORMED_RESPONSE, ""),
    "cut after text": ([HEL, LO], ErrorCode.STREAM_CLOSED, "Hello"),
    "cut inside an event": ([HEL, LO[:-12]], ErrorCode.STREAM_CLOSED, "Hel"),
    "error first": ([sse({"error": {"type": "server_error"}})], ErrorCode.INTERNAL_ERROR, ""),
    "error after text": (
        [HEL, sse({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})],
        ErrorCode.RATE_LIMIT,
        "Hel",
    ),
    "error with a status for a code": (
        [HEL, event({"content": ""}, finish="error", error={"code": 502, "message": "bad"})],
        ErrorCode.INTERNAL_ERROR,
        "Hel",
    ),
    "error that is a string": ([HEL, sse({"error": "CUDA out of memory"})], ErrorCode.INTERNAL_ERROR, "Hel"),
    "error by its event type alone": (
        [HEL, b"event: error\n" + sse({"type": "error", "code": "server_error", "message": "boom"})],
        ErrorCode.INTERNAL_ERROR,
        "Hel",
    ),
    "finish reason error": ([HEL, event(finish="error"), DONE], ErrorCode.STREAM_ERROR, "Hel"),
    "broken JSON": ([HEL, b"data: {bad\n\n", LO, STOP, DONE], ErrorCode.MALFORMED_RESPONSE, "Hel"),
    "no object": ([HEL, b"data: 42\n\n", LO, STOP, DONE], ErrorCode.MALFORMED_RESPONSE, "Hel"),
    "null": ([HEL, b"data: null\n\n", LO, STOP, DONE], ErrorCode.MALFORMED_RESPONSE, "Hel"),
    "invalid UTF-8": (
        [HEL, event({"content": "?"}).replace(b"?", b"\xff"), STOP, DONE],
        ErrorCode.MALFORMED_RESPONSE,
        "Hel",
    ),
    "bottomless nesting": ([HEL, b"data: " + b"[" * 99_999 + b"\n\n"], ErrorCode.MALFORMED_RESPONSE, "Hel"),
}


@pytest.mark.parametrize(("events", "code", "text"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_stream_raises_and_loses_nothing(events: list[bytes], code: ErrorCode, text: str) -> None:
    """What came before the break has been delivered, also when both were in one block."""
    for blocks in (events, [b"".join(events)]):
        with pytest.raises(LLMError) as raised:
            streamed(*blocks)

        assert (raised.value.code, raised.value.partial.text) == (code, text)


def plain(message: dict, finish_reason: str | None = "stop", **fields) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return json.dumps({"id": "c1", "model": "m", "choices": [choice]} | fields).encode()


PLAIN = {
    "text": (plain({"role": "assistant", "content": "Hello"}), HELLO),
    "null content": (plain({"content": None}), reply()),
    "refusal": (plain({"content": None, "refusal": "No."}), reply("No.", finish_reason="refusal")),
    "content in pieces": (
        plain({"content": [{"type": "thinking", "thinking": "Hmm"}, {"type": "text", "text": "Hello"}]}),
        reply(Thinking(text="Hmm"), "Hello"),
    ),
    "content filter": (
        plain({"content": "Hel"}, "content_filter"),
        reply("Hel", finish_reason="content_filter"),
    ),
    "function_call": (
        plain({"tool_calls": [{"id": "c0", "function": {"name": "f", "arguments": ""}}]}, "function_call"),
        calls(("c0", "f", "{}")),
    ),
    "null usage details": (
        plain({"content": "Hello"}, usage=USAGE | {"prompt_tokens_details": None}),
        reply("Hello", usage=Usage(input_tokens=9, output_tokens=5)),
    ),
}


@pytest.mark.parametrize(("body", "expected"), PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_answer_is_read_whatever_its_quirks(body: bytes, expected: Reply) -> None:
    """The body itself stays in `wire`."""
    assert CODEC.decode_response(body) == replace(expected, wire=body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"choices": []}', ErrorCode.EMPTY_RESPONSE),
        (b"{}", ErrorCode.EMPTY_RESPONSE),
        (b'{"choices": {"0": {}}}', ErrorCode.MALFORMED_RESPONSE),
        (b'{"error": {"code": 429, "message": "Provider returned error"}}', ErrorCode.RATE_LIMIT),
        (b'{"error": {"code": "insufficient_quota"}}', ErrorCode.QUOTA_EXCEEDED),
        (b'{"error": "boom"}', ErrorCode.INTERNAL_ERROR),
    ],
)
def test_a_success_without_an_answer_raises(body: bytes, code: ErrorCode) -> None:
    """Status 200 does not make an answer."""
    with pytest.raises(LLMError) as raised:
        CODEC.decode_response(body)

    assert raised.value.code is code


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (401, {"code": "invalid_api_key", "type": "invalid_request_error"}, ErrorCode.AUTHENTICATION_ERROR),
        (404, {"code": "model_not_found"}, ErrorCode.MODEL_NOT_AVAILABLE),
        (404, {"code": None, "type": "invalid_request_error"}, ErrorCode.NOT_FOUND),
        (400, {"code": "context_length_exceeded"}, ErrorCode.CONTEXT_LENGTH_EXCEEDED),
        (400, {"type": "exceed_context_size_error", "code": 400}, ErrorCode.CONTEXT_LENGTH_EXCEEDED),
        (400, {"code": "content_filter"}, ErrorCode.CONTENT_FILTERED),
        (429, {"code": "rate_limit_exceeded"}, ErrorCode.RATE_LIMIT),
        (429, {"code": "insufficient_quota", "type": "insufficient_quota"}, ErrorCode.QUOTA_EXCEEDED),
        (503, {"code": "server_is_overloaded"}, ErrorCode.OVERLOADED),
    ],
)
def test_an_error_is_classified_by_its_code(status: int, error: dict, code: ErrorCode) -> None:
    """The provider's own code says more than the status."""
    body = json.dumps({"error": error | {"message": "what happened"}}).encode()

    decoded = CODEC.decode_error(status, {"x-request-id": "req_1"}, body)

    assert (decoded.code, decoded.message, decoded.request_id) == (code, "what happened", "req_1")


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
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}},
            }
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "animal", "schema": {"type": "string"}, "strict": True},
        },
        "stream": True,
        "stream_options": {"include_usage": True},
        "service_tier": "flex",
    }


def test_an_error_survives_the_wire() -> None:
    """What the server encodes, the client classifies alike."""
    error = LLMError("slow down", code=ErrorCode.RATE_LIMIT)

    decoded = CODEC.decode_error(429, {}, CODEC.encode_error(error))

    assert (decoded.code, decoded.message) == (ErrorCode.RATE_LIMIT, "slow down")
