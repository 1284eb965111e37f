"""The Messages API as servers really speak it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.media import Audio, Document, Image
from tapeline.providers.anthropic import AnthropicCodec
from tapeline.providers.assembly import Assembler, chunks_of
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

CODEC = AnthropicCodec()


def event(type: str, **fields) -> bytes:
    return f"event: {type}\n".encode() + data({"type": type} | fields)


def data(value) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def start(usage: dict | None = None) -> bytes:
    message = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": []}
    return event("message_start", message=message | {"stop_reason": None, "usage": usage or {}})


def block(index: int, content: dict, *deltas: dict) -> bytes:
    """The events of one content block."""
    return b"".join(
        [
            event("content_block_start", index=index, content_block=content),
            *(event("content_block_delta", index=index, delta=delta) for delta in deltas),
            event("content_block_stop", index=index),
        ]
    )


def text_block(*texts: str, index: int = 0) -> bytes:
    deltas = ({"type": "text_delta", "text": text} for text in texts)
    return block(index, {"type": "text", "text": ""}, *deltas)


def tool_block(index: int, id: str, *fragments: str, input=None) -> bytes:
    deltas = ({"type": "input_json_delta", "partial_json": text} for text in fragments)
    return block(index, {"type": "tool_use", "id": id, "name": "f", "input": input or {}}, *deltas)


def end(stop_reason: str | None = "end_turn", usage: dict | None = None) -> bytes:
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage=usage or {}) + event("message_stop")


def streamed(*blocks: bytes) -> Reply:
    """The reply of a stream, without its bytes and times. Raises LLMError; `partial` is what had come."""
    assembler, decoder = Assembler(), CODEC.stream_decoder()
    try:
        for each in blocks:
            for chunk in decoder.feed(each):
                assembler.add(chunk)
        for chunk in decoder.finish():
            assembler.add(chunk)
    except LLMError as error:
        error.partial = assembler.reply()
        raise
    return replace(assembler.reply(), wire=b"", timing=Timing(total_s=0.0))


def reply(*content, finish_reason="stop", usage: Usage = Usage()) -> Reply:
    return Reply(message=assistant(*content), finish_reason=finish_reason, usage=usage, model="m", id="m1")


def sent(*messages: Message, **options) -> dict:
    """The body of a request."""
    return json.loads(CODEC.encode_request(ChatRequest(model="m", messages=messages, **options)).body)


def called(*calls: tuple[str, str]) -> Reply:
    parts = (ToolCall(id=id, name="f", raw_arguments=arguments) for id, arguments in calls)
    return reply(*parts, finish_reason="tool_calls")


HELLO = reply("Hello")
PING = event("ping")
GOOD = start() + text_block("Hel", "lo") + end()
USAGE = {"input_tokens": 9, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2}

STREAMS = {
    "as documented": (GOOD, HELLO),
    "pings anywhere": (PING + start() + PING + text_block("Hel", "lo") + PING + end() + PING, HELLO),
    "no event lines": (
        b"".join(line + b"\n\n" for line in GOOD.split(b"\n") if line.startswith(b"data:")),
        HELLO,
    ),
    "no type in the JSON": (GOOD.replace(b'{"type": "message_stop"}', b"{}"), HELLO),
    "CRLF": (GOOD.replace(b"\n", b"\r\n"), HELLO),
    "blanks after the JSON": (GOOD.replace(b"}\n\n", b"}     \n\n"), HELLO),
    "stop reason but no message_stop": (GOOD.removesuffix(event("message_stop")), HELLO),
    "message_stop but no stop reason": (
        start() + text_block("Hello") + end(None),
        replace(HELLO, finish_reason=None),
    ),
    "[DONE] at the end": (GOOD + b"data: [DONE]\n\n", HELLO),
    "text in the start of its block": (
        start() + block(0, {"type": "text", "text": "Hel"}, {"type": "text_delta", "text": "lo"}) + end(),
        HELLO,
    ),
    "separators of lines in the text": (
        start() + text_block("a\u2028b\u0085c\x0b") + end(),
        reply("a\u2028b\u0085c\x0b"),
    ),
    "stop reason unheard of": (start() + text_block("Hello") + end("tired"), HELLO),
    "stop_sequence": (start() + text_block("Hello") + end("stop_sequence"), HELLO),
    "pause_turn": (start() + text_block("Hello") + end("pause_turn"), HELLO),
    "max_tokens": (
        start() + text_block("Hello") + end("max_tokens"),
        replace(HELLO, finish_reason="length"),
    ),
    "model_context_window_exceeded": (
        start() + text_block("Hello") + end("model_context_window_exceeded"),
        replace(HELLO, finish_reason="length"),
    ),
    "refusal": (start() + text_block("Hello") + end("refusal"), replace(HELLO, finish_reason="refusal")),
    "thinking": (
        start()
        + block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm"},
            {"type": "thinking_delta", "thinking": "m"},
            {"type": "signature_delta", "signature": "c2ln"},
        )
        + text_block("Hello", index=1)
        + end(),
        reply(Thinking(text="Hmm", signature="c2ln"), "Hello"),
    ),
    "thinking between tools": (
        start()
        + block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm"},
            {"type": "signature_delta", "signature": "c2ln"},
        )
        + block(
            1,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "So"},
            {"type": "signature_delta", "signature": "bm8y"},
        )
        + tool_block(2, "a", "{}")
        + block(
            3,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "signature_delta", "signature": "bm8z"},
        )
        + text_block("Hello", index=4)
        + end(),
        reply(
            Thinking(text="Hm", signature="c2ln"),
            Thinking(text="So", signature="bm8y"),
            ToolCall(id="a", name="f"),
            Thinking(signature="bm8z"),
            "Hello",
        ),
    ),
    "thinking that is not shown": (
        start()
        + block(0, {"type": "thinking", "thinking": ""}, {"type": "signature_delta", "signature": "c2ln"})
        + end(),
        reply(Thinking(signature="c2ln")),
    ),
    "redacted thinking": (
        start()
        + block(0, {"type": "redacted_thinking", "data": "eA=="})
        + block(1, {"type": "redacted_thinking", "data": "eQ=="})
        + end(),
        reply(Thinking(redacted="eA=="), Thinking(redacted="eQ==")),
    ),
    "citations": (
        start()
        + block(
            0,
            {"type": "text", "text": "", "citations": []},
            {"type": "text_delta", "text": "Hello"},
            {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "Hi"}},
        )
        + end(),
        HELLO,
    ),
    "tool calls are numbered apart from blocks": (
        start()
        + block(0, {"type": "redacted_thinking", "data": "eA=="})
        + tool_block(1, "a", '{"x"', ": 1}")
        + tool_block(2, "b", "", '{"y": 2}')
        + end("tool_use"),
        replace(
            called(("a", '{"x": 1}'), ("b", '{"y": 2}')),
            message=Message(
                "assistant",
                (
                    Thinking(redacted="eA=="),
                    *called(("a", '{"x": 1}'), ("b", '{"y": 2}')).message.content,
                ),
            ),
        ),
    ),
    "tool without input": (start() + tool_block(0, "a", "") + end("tool_use"), called(("a", "{}"))),
    "tool with its input in the start": (
        start() + tool_block(0, "a", input={"x": 1}) + end("tool_use"),
        called(("a", '{"x": 1}')),
    ),
    "tool with its input in the start and in deltas": (
        start() + tool_block(0, "a", '{"x": 2}', input={"x": 1}) + end("tool_use"),
        called(("a", '{"x": 2}')),
    ),
    "tools of the server": (
        start()
        + block(
            0,
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"query": "x"}'},
        )
        + block(1, {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"title": "x"}]})
        + text_block("Hello", index=2)
        + end(),
        HELLO,
    ),
    "a block of a later API, with fields of other types": (
        start()
        + block(0, {"type": "hologram", "text": {"x": 1}, "id": 5}, {"type": "hologram_delta", "text": "no"})
        + text_block("Hello", index=1)
        + end(),
        HELLO,
    ),
    "deltas of a later API, in a block we know": (
        start()
        + block(
            0,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "Hel"},
            {"type": "hologram_delta", "text": {"depth": 3}},
            {"type": "hologram_delta", "text": "no"},
            {"type": "text_delta", "text": "lo"},
        )
        + end(),
        HELLO,
    ),
    "a refusal that is explained": (
        start()
        + text_block("Hello")
        + event(
            "message_delta",
            delta={
                "stop_reason": "refusal",
                "stop_details": {"type": "refusal", "explanation": "No, as ..."},
            },
        ),
        reply("Hello", Refusal("No, as ..."), finish_reason="refusal"),
    ),
    "an event of a later API": (event("weather", mood="fine") + GOOD, HELLO),
    "usage at both ends": (
        start(USAGE | {"output_tokens": 1}) + text_block("Hello") + end(usage={"output_tokens": 5}),
        reply(
            "Hello",
            usage=Usage(input_tokens=15, output_tokens=5, cached_input_tokens=4, cache_write_tokens=2),
        ),
    ),
    "usage corrected at the end": (
        start({"input_tokens": 0, "output_tokens": 0})
        + text_block("Hello")
        + end(usage=USAGE | {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 3}}),
        reply(
            "Hello",
            usage=Usage(
                input_tokens=15,
                output_tokens=5,
                cached_input_tokens=4,
                cache_write_tokens=2,
                reasoning_tokens=3,
            ),
        ),
    ),
}


@pytest.mark.parametrize(("body", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_is_read_whatever_its_quirks(body: bytes, expected: Reply) -> None:
    """In one block, event by event, and byte by byte."""
    assert streamed(body) == expected
    assert streamed(*(event + b"\n\n" for event in body.split(b"\n\n") if event)) == expected
    assert streamed(*(body[i : i + 1] for i in range(len(body)))) == expected


def test_each_event_is_a_chunk_that_keeps_its_bytes() -> None:
    """But for pings, which say nothing."""
    body = start({"input_tokens": 9, "output_tokens": 1}) + PING + tool_block(0, "a", "{}") + end("tool_use")

    chunks = CODEC.stream_decoder().feed(body)

    raws = [event.split(b"data: ")[1] for event in body.split(b"\n\n")[:-1] if b"ping" not in event]
    assert chunks == [
        Chunk(id="m1", model="m", usage=Usage(input_tokens=9, output_tokens=1), raw=raws[0]),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, id="a", name="f"),), raw=raws[1]),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, arguments="{}"),), raw=raws[2]),
        Chunk(raw=raws[3]),
        Chunk(finish_reason="tool_calls", usage=Usage(input_tokens=9, output_tokens=1), raw=raws[4]),
        Chunk(raw=raws[5]),
    ]


ERRORS_IN_STREAMS = [
    ("rate_limit_error", ErrorCode.RATE_LIMIT, None),
    ("overloaded_error", ErrorCode.OVERLOADED, None),
    ("api_error", ErrorCode.INTERNAL_ERROR, False),
    ("invalid_request_error", ErrorCode.INVALID_REQUEST, False),
    ("weather_error", ErrorCode.INTERNAL_ERROR, False),
]


@pytest.mark.parametrize(("word", "code", "should_retry"), ERRORS_IN_STREAMS)
def test_only_a_busy_server_is_asked_again_after_an_error_in_a_success(
    word: str, code: ErrorCode, should_retry: bool | None
) -> None:
    """In a stream; a plain answer was made, and paid for, whatever it holds."""
    body = {"type": "error", "error": {"type": word, "message": "oh"}}

    with pytest.raises(LLMError) as of_stream:
        streamed(event("error", error=body["error"]))
    with pytest.raises(LLMError) as of_plain:
        CODEC.decode_response(json.dumps(body).encode())

    assert (of_stream.value.code, of_stream.value.should_retry) == (code, should_retry)
    assert (of_plain.value.code, of_plain.value.should_retry) == (code, False)


@pytest.mark.parametrize("body", [b"", start() + text_block("Hel")], ids=["nothing", "cut"])
def test_a_stream_that_ended_early_is_the_callers_to_try_again(body: bytes) -> None:
    """Its tokens are paid for."""
    with pytest.raises(LLMError) as raised:
        streamed(body)

    assert (raised.value.retryable, raised.value.should_retry) == (True, False)


OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})

BROKEN = {
    "nothing": (b"", ErrorCode.EMPTY_RESPONSE, ""),
    "an HTML page": (b"<html>\n\nSign in</html>", ErrorCode.MALFORMED_RESPONSE, ""),
    "only a ping": (PING, ErrorCode.STREAM_CLOSED, ""),
    "cut after text": (start() + text_block("Hel"), ErrorCode.STREAM_CLOSED, "Hel"),
    "cut inside an event": (start() + text_block("Hel") + end()[:50], ErrorCode.STREAM_CLOSED, "Hel"),
    "error first": (OVERLOADED, ErrorCode.OVERLOADED, ""),
    "error after text": (start() + text_block("Hel") + OVERLOADED, ErrorCode.OVERLOADED, "Hel"),
    "error without its event line": (
        start() + text_block("Hel") + data({"type": "error", "error": {"type": "api_error"}}),
        ErrorCode.INTERNAL_ERROR,
        "Hel",
    ),
    "error by its event line alone": (
        start() + text_block("Hel") + b"event: error\n" + data({"message": "boom"}),
        ErrorCode.INTERNAL_ERROR,
        "Hel",
    ),
    "error of an unknown type": (
        start() + event("error", error={"type": "weather_error", "message": "rain"}),
        ErrorCode.INTERNAL_ERROR,
        "",
    ),
    "a delta of a type we know with other contents": (
        start() + block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": 5}),
        ErrorCode.MALFORMED_RESPONSE,
        "",
    ),
    "broken JSON in a delta": (
        start() + text_block("Hel") + b"event: content_block_delta\ndata: {bad\n\n",
        ErrorCode.MALFORMED_RESPONSE,
        "Hel",
    ),
    "broken JSON": (start() + text_block("Hel") + b"data: {bad\n\n", ErrorCode.MALFORMED_RESPONSE, "Hel"),
    "no object": (start() + text_block("Hel") + data(42), ErrorCode.MALFORMED_RESPONSE, "Hel"),
    "no message_start": (text_block("Hel") + end(), ErrorCode.MALFORMED_RESPONSE, ""),
    "delta for a block that never started": (
        start() + event("content_block_delta", index=3, delta={"type": "text_delta", "text": "x"}) + end(),
        ErrorCode.MALFORMED_RESPONSE,
        "",
    ),
}


@pytest.mark.parametrize(("body", "code", "text"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_stream_raises_and_loses_nothing(body: bytes, code: ErrorCode, text: str) -> None:
    """What came before the break has been delivered, also when both were in one block."""
    with pytest.raises(LLMError) as raised:
        streamed(body)

    assert (raised.value.code, raised.value.partial.text) == (code, text)


def plain(*content: dict, stop_reason: str = "end_turn", **fields) -> bytes:
    head = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": content}
    return json.dumps(head | {"stop_reason": stop_reason, "usage": {}} | fields).encode()


PLAIN = {
    "text": (plain({"type": "text", "text": "Hello", "citations": None}), HELLO),
    "no content": (plain(), reply()),
    "empty text": (plain({"type": "text", "text": ""}), reply()),
    "null usage": (plain({"type": "text", "text": "Hello"}, usage=None), HELLO),
    "all kinds of content, in their order": (
        plain(
            {"type": "thinking", "thinking": "Hmm", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "eA=="},
            {"type": "text", "text": "Hel"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
            {"type": "hologram", "text": {"x": 1}, "id": 5},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": [1, None]}},
            {"type": "text", "text": "lo"},
            stop_reason="tool_use",
        ),
        reply(
            Thinking(text="Hmm", signature="c2ln"),
            Thinking(redacted="eA=="),
            "Hel",
            ToolCall(id="a", name="f", raw_arguments='{"x": [1, null]}'),
            "lo",
            finish_reason="tool_calls",
        ),
    ),
    "texts around citations, and thinking in pieces": (
        plain(
            {"type": "thinking", "thinking": "H"},
            {"type": "thinking", "thinking": "m", "signature": "c2ln"},
            {"type": "text", "text": "Hel"},
            {"type": "text", "text": "lo", "citations": [{"type": "char_location", "cited_text": "Hi"}]},
        ),
        reply(Thinking(text="Hm", signature="c2ln"), "Hello"),
    ),
    "a refusal that is explained": (
        plain(
            {"type": "text", "text": "Hello"},
            stop_reason="refusal",
            stop_details={"type": "refusal", "category": "bio", "explanation": "No, as ..."},
        ),
        reply("Hello", Refusal("No, as ..."), finish_reason="refusal"),
    ),
    "a refusal that is not": (
        plain({"type": "text", "text": "Hello"}, stop_reason="refusal", stop_details={"explanation": None}),
        replace(HELLO, finish_reason="refusal"),
    ),
    "usage": (
        plain(usage=USAGE | {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 3}}),
        reply(
            usage=Usage(
                input_tokens=15,
                output_tokens=5,
                cached_input_tokens=4,
                cache_write_tokens=2,
                reasoning_tokens=3,
            )
        ),
    ),
}


@pytest.mark.parametrize(("body", "expected"), PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_answer_is_read_whatever_its_quirks(body: bytes, expected: Reply) -> None:
    """The body itself stays in `wire`."""
    assert CODEC.decode_response(body) == replace(expected, wire=body)


def test_a_success_without_content_is_an_empty_response() -> None:
    """An object of some other API, say."""
    with pytest.raises(LLMError) as raised:
        CODEC.decode_response(b'{"id": "m1"}')

    assert raised.value.code is ErrorCode.EMPTY_RESPONSE


def test_a_success_that_holds_an_error_raises_it() -> None:
    """With the provider's own code and the id of the request."""
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "req_1"}

    with pytest.raises(LLMError) as raised:
        CODEC.decode_response(json.dumps(body).encode())

    error = raised.value
    assert (error.code, error.provider_code, error.message, error.request_id) == (
        ErrorCode.OVERLOADED,
        "overloaded_error",
        "busy",
        "req_1",
    )


ERRORS = [
    (400, "invalid_request_error", "max_tokens: must be positive", ErrorCode.INVALID_REQUEST),
    (400, "invalid_request_error", "prompt is too long: 9 > 8", ErrorCode.CONTEXT_LENGTH_EXCEEDED),
    (400, "invalid_request_error", "Prompt is too long", ErrorCode.CONTEXT_LENGTH_EXCEEDED),
    (
        400,
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 9 + 9 > 8",
        ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    ),
    (400, "invalid_request_error", "Your credit balance is too low to ...", ErrorCode.QUOTA_EXCEEDED),
    (400, "invalid_request_error", 'tool "prompt is too long" is unknown', ErrorCode.INVALID_REQUEST),
    (400, "exceed_context_size_error", "the request exceeds ...", ErrorCode.CONTEXT_LENGTH_EXCEEDED),
    (401, "authentication_error", "invalid x-api-key", ErrorCode.AUTHENTICATION_ERROR),
    (402, "billing_error", "payment required", ErrorCode.QUOTA_EXCEEDED),
    (403, "permission_error", "not allowed", ErrorCode.AUTHORIZATION_ERROR),
    (404, "not_found_error", "model: x", ErrorCode.MODEL_NOT_AVAILABLE),
    (413, "request_too_large", "too large", ErrorCode.REQUEST_TOO_LARGE),
    (429, "rate_limit_error", "slow down", ErrorCode.RATE_LIMIT),
    (500, "api_error", "oops", ErrorCode.INTERNAL_ERROR),
    (504, "timeout_error", "too slow", ErrorCode.TIMEOUT),
    (529, "overloaded_error", "Overloaded", ErrorCode.OVERLOADED),
    (500, "weather_error", "rain", ErrorCode.INTERNAL_ERROR),
]


@pytest.mark.parametrize(("status", "word", "message", "code"), ERRORS)
def test_an_error_is_classified_by_its_type(status: int, word: str, message: str, code: ErrorCode) -> None:
    """The message counts only where the API has no code, and only its start."""
    body = {"type": "error", "error": {"type": word, "message": message}, "request_id": "req_1"}

    error = CODEC.decode_error(status, {}, json.dumps(body).encode())

    assert (error.code, error.message, error.provider_code, error.request_id, error.status) == (
        code,
        message,
        word,
        "req_1",
        status,
    )


def test_a_request_is_encoded_as_documented() -> None:
    """Every field of a request has its place, and `extra` has the last word."""
    request = ChatRequest(
        model="m",
        messages=(
            system("Be brief."),
            system("Be kind."),
            user("What is it?"),
            user(
                "And these?",
                Image(media_type="image/png", data=b"\x01\x02"),
                Image(media_type="image/*", url="https://example.org/cat"),
            ),
            assistant(
                Thinking(text="Hmm", signature="c2ln"),
                Thinking(redacted="eA=="),
                Text("Let me look."),
                ToolCall(id="a", name="look", raw_arguments='{"at": 1}'),
                ToolCall(id="b", name="look", raw_arguments=""),
            ),
            tool_result("a", "a cat"),
            tool_result("b", "too dark", is_error=True),
            user("Thanks."),
        ),
        is_stream=True,
        temperature=0.5,
        top_p=0.9,
        stop=("END",),
        tools=(Tool(name="look", description="Look.", parameters={"type": "object"}),),
        schema={"type": "string"},
        extra={"top_p": 0.8, "thinking": {"type": "adaptive"}},
    )

    http = CODEC.encode_request(request)

    assert (http.method, http.path, http.headers) == ("POST", "/v1/messages", {})
    assert json.loads(http.body) == {
        "model": "m",
        "max_tokens": 4096,
        "system": "Be brief.\n\nBe kind.",
        "messages": [
            {"role": "user", "content": "What is it?"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "And these?"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AQI="},
                    },
                    {"type": "image", "source": {"type": "url", "url": "https://example.org/cat"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hmm", "signature": "c2ln"},
                    {"type": "redacted_thinking", "data": "eA=="},
                    {"type": "text", "text": "Let me look."},
                    {"type": "tool_use", "id": "a", "name": "look", "input": {"at": 1}},
                    {"type": "tool_use", "id": "b", "name": "look", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "a cat"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "too dark", "is_error": True},
                ],
            },
            {"role": "user", "content": "Thanks."},
        ],
        "temperature": 0.5,
        "top_p": 0.8,
        "stop_sequences": ["END"],
        "tools": [{"name": "look", "description": "Look.", "input_schema": {"type": "object"}}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}},
        "stream": True,
        "thinking": {"type": "adaptive"},
    }


PARTS = [
    (
        Document(media_type="application/pdf", data=b"%PDF-1", name="report.pdf"),
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"},
            "title": "report.pdf",
        },
    ),
    (
        Document(media_type="text/plain", data="wörld".encode()),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "wörld"}},
    ),
    (
        Document.from_url("https://example.org/a.pdf"),
        {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
    ),
    (
        Image.from_url("https://example.org/a.png"),
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
    ),
    (
        ToolResult(id="a", content=(Text("See"), Image(media_type="image/png", data=b"\x01\x02"))),
        {
            "type": "tool_result",
            "tool_use_id": "a",
            "content": [
                {"type": "text", "text": "See"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AQI="}},
            ],
        },
    ),
    (
        ToolResult(id="a", content="boom", is_error=True),
        {"type": "tool_result", "tool_use_id": "a", "content": "boom", "is_error": True},
    ),
]


@pytest.mark.parametrize(("part", "encoded"), PARTS)
def test_a_part_has_its_block_and_survives_the_wire(part: Part, encoded: dict) -> None:
    """Documents, pictures by URL, and results with more than text."""
    role = "tool" if isinstance(part, ToolResult) else "user"
    request = ChatRequest(model="m", messages=(Message(role, (part,)),), max_tokens=9)

    http = CODEC.encode_request(request)

    assert json.loads(http.body)["messages"][0]["content"] == [encoded]
    assert CODEC.decode_request(http) == request


def test_any_text_is_a_plain_document() -> None:
    """The API has no other media type for text; JSON and Markdown are read all the same."""
    document = Document(media_type="application/json", data=b"{}")

    (message,) = sent(user(document))["messages"]

    assert message["content"][0]["source"] == {"type": "text", "media_type": "text/plain", "data": "{}"}


@pytest.mark.parametrize(
    ("part", "hint"),
    [
        (Audio(media_type="audio/wav", data=b"x"), "no audio here: send a transcript"),
        (Document(media_type="application/msword", data=b"x"), "convert it first"),
        (Document(media_type="text/plain", data=b"\xff"), "no UTF-8 text"),
    ],
)
def test_what_the_api_cannot_read_is_refused_before_sending(part: Part, hint: str) -> None:
    """The error says what to do instead."""
    with pytest.raises(LLMError, match=hint) as raised:
        sent(user(part))

    assert raised.value.code is ErrorCode.INVALID_REQUEST


MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def text(content: str, mark: dict | None = None) -> dict:
    return {"type": "text", "text": content} | (mark or {})


CACHED = {
    "in the system prompt": (
        (system("Be brief.", CachePoint()), system("Be kind."), user("Hi")),
        [text("Be brief.", MARK), text("Be kind.")],
        [{"role": "user", "content": "Hi"}],
    ),
    "in a message": (
        (user("One", CachePoint(ttl="1h"), "Two"),),
        None,
        [{"role": "user", "content": [text("One", HOUR), text("Two")]}],
    ),
    "after a tool's result": (
        (Message("tool", (ToolResult(id="a", content="x"), CachePoint())), tool_result("b", "y")),
        None,
        [
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "x"} | MARK,
                    {"type": "tool_result", "tool_use_id": "b", "content": "y"},
                ],
            }
        ],
    ),
    "first in a message": (
        (user("One"), user(CachePoint(), "Two")),
        None,
        [{"role": "user", "content": [text("One", MARK)]}, {"role": "user", "content": "Two"}],
    ),
    "first in the first message": (
        (system("Be brief."), user(CachePoint(), "Hi")),
        [text("Be brief.", MARK)],
        [{"role": "user", "content": "Hi"}],
    ),
    "after thinking, which takes no mark": (
        (assistant("Hm", Thinking(signature="c2ln"), CachePoint()),),
        None,
        [
            {
                "role": "assistant",
                "content": [text("Hm", MARK), {"type": "thinking", "thinking": "", "signature": "c2ln"}],
            }
        ],
    ),
    "after nothing": ((user(CachePoint(), "Hi"),), None, [{"role": "user", "content": "Hi"}]),
}


@pytest.mark.parametrize(("messages", "system_prompt", "turns"), CACHED.values(), ids=CACHED.keys())
def test_a_cache_point_marks_the_block_before_it(messages, system_prompt, turns) -> None:
    """Across messages too; where there is no such block it is ignored."""
    body = sent(*messages)

    assert (body.get("system"), body["messages"]) == (system_prompt, turns)


def test_cache_points_survive_the_wire() -> None:
    """Behind the system prompt, a text, and each of two results."""
    request = ChatRequest(
        model="m",
        max_tokens=9,
        messages=(
            system("Be brief.", CachePoint(ttl="5m")),
            user("Hi", CachePoint()),
            assistant(ToolCall(id="a", name="f"), ToolCall(id="b", name="f")),
            Message("tool", (ToolResult(id="a", content="x"), CachePoint())),
            Message("tool", (ToolResult(id="b", content="y"), CachePoint(ttl="1h"))),
        ),
    )

    assert CODEC.decode_request(CODEC.encode_request(request)) == request


EFFORTS = [
    ("none", {"thinking": {"type": "disabled"}}),
    ("minimal", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
    ("high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
    ("max", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
]


@pytest.mark.parametrize(("effort", "fields"), EFFORTS)
def test_an_effort_is_thinking_of_that_depth(effort, fields: dict) -> None:
    """The API has no "minimal": its least is "low"."""
    body = sent(user("Hi"), reasoning_effort=effort)

    assert {name: body[name] for name in ("thinking", "output_config") if name in body} == fields


def test_an_effort_and_a_schema_share_their_place() -> None:
    """Neither overwrites the other."""
    body = sent(user("Hi"), reasoning_effort="low", schema={"type": "string"})

    schema = {"type": "json_schema", "schema": {"type": "string"}}
    assert body["output_config"] == {"effort": "low", "format": schema}


CHOICES = [
    ("auto", None, {"type": "auto"}),
    ("none", False, {"type": "none"}),
    ("required", None, {"type": "any"}),
    ("look", False, {"type": "tool", "name": "look", "disable_parallel_tool_use": True}),
    (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
    (None, True, None),
    (None, None, None),
]


@pytest.mark.parametrize(("choice", "is_parallel", "encoded"), CHOICES)
def test_a_tool_choice_also_says_whether_calls_may_be_parallel(choice, is_parallel, encoded) -> None:
    """They may unless forbidden; and without tools the API refuses any choice."""
    options = {"tool_choice": choice, "parallel_tool_calls": is_parallel}

    assert sent(user("Hi"), tools=(Tool(name="look"),), **options).get("tool_choice") == encoded
    assert "tool_choice" not in sent(user("Hi"), **options)


def test_every_option_survives_the_wire() -> None:
    """But for the penalties and the seed, which the API does not have."""
    request = ChatRequest(
        model="m",
        messages=(user("Hi"),),
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop=("END",),
        reasoning_effort="xhigh",
        service_tier="standard_only",
        metadata={"user_id": "u1"},
        tools=(Tool(name="look"),),
        tool_choice="look",
        parallel_tool_calls=False,
        schema={"type": "object"},
    )

    assert CODEC.decode_request(CODEC.encode_request(request)) == request
    assert CODEC.encode_request(replace(request, seed=7)) == CODEC.encode_request(request)


def test_metadata_the_api_would_refuse_is_refused_before_sending() -> None:
    """It knows the user's id alone."""
    with pytest.raises(LLMError, match="leave out team, trace") as raised:
        sent(user("Hi"), metadata={"user_id": "u1", "trace": "t", "team": "x"})

    assert raised.value.code is ErrorCode.INVALID_REQUEST


CAPABILITIES = [
    ("claude-haiku-5-5", {"temperature", "top_p", "top_k"}, {"auto", "none", "required", "named"}),
    ("claude-opus-5-5", {"temperature", "top_p", "top_k"}, {"auto", "none"}),
    ("claude-fable-5-1", {"temperature", "top_p", "top_k"}, {"auto", "none"}),
    ("claude-fable-5", {"temperature", "top_p", "top_k"}, {"auto", "none", "required", "named"}),
    (
        "claude-haiku-4-5-20251001",
        {"temperature", "top_p", "top_k", "reasoning_effort"},
        {"auto", "none", "required", "named"},
    ),
    (
        "claude-opus-4-1-20250805",
        {"temperature", "top_p", "top_k", "reasoning_effort"},
        {"auto", "none", "required", "named"},
    ),
    ("claude-opus-4-6", {"temperature", "top_p", "top_k"}, {"auto", "none", "required", "named"}),
    ("qwen3", set(), {"auto", "none", "required", "named"}),
]


@pytest.mark.parametrize(("model", "refused", "choices"), CAPABILITIES)
def test_what_is_known_of_a_model(model: str, refused: set[str], choices: set[str]) -> None:
    """Anthropic's own are known by name; of another server's, no more than that there are no penalties."""
    known = CODEC.capabilities(model)

    assert set(known.refused) == refused | {"frequency_penalty", "presence_penalty"}
    assert known.tool_choices == choices
    assert known.ranges["temperature"] == (0.0, 1.0)


def test_what_the_api_would_refuse_in_a_history_is_left_out() -> None:
    """Another provider's thinking, empty texts, turns that hold nothing else, and pictures for the system."""
    messages = (
        system(Image(media_type="image/png", data=b"x")),
        user("Hi"),
        assistant(Thinking(text="Hmm")),
        assistant(Thinking(text="Hmm", signature="encrypted", id="rs_1")),
        assistant(Text(""), Thinking(text="Hmm"), ToolCall(id="a", name="f")),
        tool_result("a", "x"),
        assistant(Refusal("No.")),
    )

    body = sent(*messages)

    assert "system" not in body
    assert body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]},
        {"role": "assistant", "content": "No."},
    ]


@pytest.mark.parametrize("arguments", ["{bad", "[1]", "null", '{"a": NaN}'])
def test_arguments_that_are_no_object_are_refused_before_sending(arguments: str) -> None:
    """A model's broken JSON in the history would corrupt the whole body."""
    message = assistant(ToolCall(id="a", name="f", raw_arguments=arguments))

    with pytest.raises(LLMError) as raised:
        CODEC.encode_request(ChatRequest(model="m", messages=(message,)))

    assert raised.value.code is ErrorCode.TOOL_CALL_ERROR


def test_a_request_of_another_client_is_decoded() -> None:
    """System blocks, a system turn, results with blocks and text beside them, tools of the server."""
    body = {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "system", "content": "Be kind."},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "b",
                        "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}],
                    },
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
        "tools": [{"type": "web_search_20260101", "name": "web_search"}],
    }

    request = CODEC.decode_request(
        HttpRequest(method="POST", path="/v1/messages", headers={}, body=json.dumps(body).encode())
    )

    assert request == ChatRequest(
        model="m",
        max_tokens=9,
        messages=(
            system("Be brief.", CachePoint()),
            user("Hi"),
            system("Be kind."),
            tool_result("a", ""),
            tool_result("b", "x", "y"),
            user("So?"),
        ),
        tools=(Tool(name="web_search", parameters={}),),
    )


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ({"role": "robot", "content": "Hi"}, "role 'robot'"),
        ({"role": "user", "content": [{"type": "hologram"}]}, "type 'hologram'"),
        (
            {"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]},
            "image from .* 'file'",
        ),
        (
            {"role": "user", "content": [{"type": "document", "source": {"type": "file"}}]},
            "document from .* 'file'",
        ),
    ],
)
def test_a_request_we_cannot_read_is_refused(message: dict, hint: str) -> None:
    """A model that never saw the document would answer something else."""
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [message]}).encode()

    with pytest.raises(LLMError, match=hint) as raised:
        CODEC.decode_request(HttpRequest(method="POST", path="/v1/messages", headers={}, body=body))

    assert raised.value.code is ErrorCode.INVALID_REQUEST


def test_an_encoded_stream_is_what_the_api_sends() -> None:
    """Each block is started and stopped, in turn; the end says why and how much."""
    chunks = [
        Chunk(id="m1", model="m"),
        Chunk(thinking="Hmm"),
        Chunk(signature="c2ln"),
        Chunk(redacted="eA=="),
        Chunk(text="Hel"),
        Chunk(text="lo"),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, id="a", name="f"),)),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, arguments="{}"),)),
        Chunk(finish_reason="tool_calls"),
        Chunk(usage=Usage(input_tokens=15, output_tokens=5, cached_input_tokens=6)),
    ]

    events = list(CODEC.encode_stream(chunks, model="m"))

    usage = {"input_tokens": 0, "output_tokens": 0}
    head = {"id": "m1", "type": "message", "role": "assistant", "model": "m"}
    assert [json.loads(event.split(b"data: ")[1]) for event in events] == [
        {"type": "message_start", "message": head | {"content": [], "stop_reason": None, "usage": usage}},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "thinking_delta", "thinking": "Hmm"},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "signature_delta", "signature": "c2ln"},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "redacted_thinking", "data": "eA=="},
        },
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 2},
        {
            "type": "content_block_start",
            "index": 3,
            "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 3,
            "delta": {"type": "input_json_delta", "partial_json": "{}"},
        },
        {"type": "content_block_stop", "index": 3},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"input_tokens": 9, "cache_read_input_tokens": 6, "output_tokens": 5},
        },
        {"type": "message_stop"},
    ]
    assert [event.split(b"\n")[0] for event in events[:2]] == [
        b"event: message_start",
        b"event: content_block_start",
    ]


def test_several_thoughts_survive_the_wire() -> None:
    """Each keeps its own signature, in a stream and in a plain answer; so does the refusal's reason."""
    said = reply(
        Thinking(text="Hm", signature="c2ln"),
        Thinking(text="So", signature="bm8y"),
        Thinking(redacted="eA=="),
        Thinking(signature="bm8z"),
        "Hello",
        Refusal("No."),
        finish_reason="refusal",
        usage=Usage(input_tokens=1, output_tokens=1),
    )

    assert streamed(*CODEC.encode_stream(chunks_of(said), model="m")) == said
    assert replace(CODEC.decode_response(CODEC.encode_response(said)), wire=b"") == said


def test_interleaved_tool_calls_keep_their_fragments() -> None:
    """Other providers mix the fragments of parallel calls."""
    pieces = [(0, "a", ""), (1, "b", '{"y"'), (0, None, '{"x"'), (1, None, ":2}"), (0, None, ":1}")]
    chunks = [
        Chunk(tool_call_deltas=(ToolCallDelta(index=i, id=id, name="f" if id else None, arguments=text),))
        for i, id, text in pieces
    ]
    body = b"".join(CODEC.encode_stream([*chunks, Chunk(finish_reason="tool_calls")], model="m"))

    assert streamed(body).tool_calls == called(("a", '{"x":1}'), ("b", '{"y":2}')).tool_calls


@pytest.mark.parametrize("code", [ErrorCode.OVERLOADED, ErrorCode.RATE_LIMIT, ErrorCode.QUOTA_EXCEEDED])
def test_an_error_survives_the_wire(code: ErrorCode) -> None:
    """What the server encodes, the client classifies alike, whatever the status."""
    decoded = CODEC.decode_error(400, {}, CODEC.encode_error(LLMError("why", code=code)))

    assert (decoded.code, decoded.message) == (code, "why")
