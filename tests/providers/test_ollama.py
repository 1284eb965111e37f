"""Ollama's own chat API, one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.media import Image
from tapeline.providers.assembly import Assembler
from tapeline.providers.ollama import OllamaCodec
from tapeline.types import (
    ChatRequest,
    Chunk,
    HttpRequest,
    Reply,
    Text,
    Thinking,
    Timing,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
    assistant,
    system,
    tool_result,
    user,
)

CODEC = OllamaCodec()
COUNTS = {"prompt_eval_count": 9, "eval_count": 5, "total_duration": 1}


def line(content: str = "", **fields) -> bytes:
    """One line of a stream; fields of the message besides `content`."""
    message = {"role": "assistant", "content": content} | fields
    return encoded({"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False})


def end(content: str = "", **fields) -> bytes:
    message = {"role": "assistant", "content": content}
    return encoded({"model": "m", "message": message, "done": True, "done_reason": "stop"} | COUNTS | fields)


def encoded(value) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def tool(name: str, arguments, **fields) -> dict:
    return {"function": {"name": name, "arguments": arguments}} | fields


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


def reply(*content, finish_reason="stop") -> Reply:
    usage = Usage(input_tokens=9, output_tokens=5)
    return Reply(message=assistant(*content), finish_reason=finish_reason, usage=usage, model="m")


def call(id: str, name: str, arguments: str) -> ToolCall:
    return ToolCall(id=id, name=name, raw_arguments=arguments)


HELLO = reply("Hello")
GOOD = line("Hel") + line("lo") + end()

STREAMS = {
    "as documented": (GOOD, HELLO),
    "text in the last line": (line("Hel") + end("lo"), HELLO),
    "one line": (end("Hello"), HELLO),
    "blank lines": (b"\n" + line("Hel") + b"\n \n" + line("lo") + b"\r\n" + end() + b"\n", HELLO),
    "CRLF": (GOOD.replace(b"\n", b"\r\n"), HELLO),
    "no line end at the end": (GOOD.rstrip(), HELLO),
    "separators of lines in the text": (line("a\u2028b\u0085c") + end(), reply("a\u2028b\u0085c")),
    "no message in the last line": (line("Hello") + end(message=None), HELLO),
    "length": (GOOD[: -len(end())] + end(done_reason="length"), replace(HELLO, finish_reason="length")),
    "no done_reason": (line("Hello") + end(done_reason=None), HELLO),
    "load, but with an answer": (line("Hello") + end(done_reason="load"), HELLO),
    "no counts": (
        line("Hello") + end(prompt_eval_count=None, eval_count=None),
        replace(HELLO, usage=Usage()),
    ),
    "thinking": (
        line(thinking="Hm") + line(thinking="m") + line("Hello") + end(),
        reply(Thinking(text="Hmm"), "Hello"),
    ),
    "tool calls without ids, over two lines": (
        line(tool_calls=[tool("f", {"x": 1}), tool("g", {})]) + line(tool_calls=[tool("h", None)]) + end(),
        reply(
            call("call_0", "f", '{"x": 1}'),
            call("call_1", "g", "{}"),
            call("call_2", "h", "{}"),
            finish_reason="tool_calls",
        ),
    ),
    "tool calls with ids": (
        line(tool_calls=[tool("f", {}, id="abc")]) + end(),
        reply(call("abc", "f", "{}"), finish_reason="tool_calls"),
    ),
}


@pytest.mark.parametrize(("body", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_is_read_whatever_its_quirks(body: bytes, expected: Reply) -> None:
    """In one block and byte by byte."""
    assert streamed(body) == expected
    assert streamed(*(body[i : i + 1] for i in range(len(body)))) == expected


def test_each_line_is_a_chunk_that_keeps_its_bytes() -> None:
    """A tool call comes whole."""
    body = line("Hi") + line(tool_calls=[tool("f", {"x": 1})]) + end()

    chunks = CODEC.stream_decoder().feed(body)

    raws = body.split(b"\n")
    delta = ToolCallDelta(index=0, id="call_0", name="f", arguments='{"x": 1}')
    assert chunks == [
        Chunk(text="Hi", model="m", raw=raws[0]),
        Chunk(tool_call_deltas=(delta,), model="m", raw=raws[1]),
        Chunk(
            finish_reason="tool_calls",
            usage=Usage(input_tokens=9, output_tokens=5),
            model="m",
            raw=raws[2],
        ),
    ]


BROKEN = {
    "nothing": (b"", ErrorCode.EMPTY_RESPONSE, ""),
    "blank lines": (b"\n\n", ErrorCode.EMPTY_RESPONSE, ""),
    "an HTML page": (b"<html>\n</html>\n", ErrorCode.MALFORMED_RESPONSE, ""),
    "another page": (b"Ollama is running", ErrorCode.MALFORMED_RESPONSE, ""),
    "cut after a line": (line("Hel"), ErrorCode.STREAM_CLOSED, "Hel"),
    "cut inside a line": (line("Hel") + line("lo")[:-9], ErrorCode.STREAM_CLOSED, "Hel"),
    "cut inside the first line": (line("Hel")[:-9], ErrorCode.STREAM_CLOSED, ""),
    "error first": (encoded({"error": "boom"}), ErrorCode.INTERNAL_ERROR, ""),
    "error after text": (line("Hel") + encoded({"error": "boom"}), ErrorCode.INTERNAL_ERROR, "Hel"),
    "error without a line end": (line("Hel") + b'{"error": "boom"}', ErrorCode.INTERNAL_ERROR, "Hel"),
    "broken JSON": (line("Hel") + b"{bad\n" + end(), ErrorCode.MALFORMED_RESPONSE, "Hel"),
    "no object": (line("Hel") + b"[1]\n" + end(), ErrorCode.MALFORMED_RESPONSE, "Hel"),
    "only loaded": (end(done_reason="load"), ErrorCode.EMPTY_RESPONSE, ""),
    "only unloaded": (end(done_reason="unload"), ErrorCode.EMPTY_RESPONSE, ""),
}


@pytest.mark.parametrize(("body", "code", "text"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_stream_raises_and_loses_nothing(body: bytes, code: ErrorCode, text: str) -> None:
    """What came before the break has been delivered, also when both were in one block."""
    with pytest.raises(LLMError) as raised:
        streamed(body)

    assert (raised.value.code, raised.value.partial.text) == (code, text)


PLAIN = {
    "text": (end("Hello"), HELLO),
    "length": (end("Hello", done_reason="length"), replace(HELLO, finish_reason="length")),
    "empty, but not for loading": (end(), reply()),
    "all kinds of content": (
        end(
            message={
                "role": "assistant",
                "content": "Hello",
                "thinking": "Hmm",
                "tool_calls": [tool("f", {"x": [1, None]}), tool("g", {}, id="abc")],
            }
        ),
        reply(
            Thinking(text="Hmm"),
            "Hello",
            call("call_0", "f", '{"x": [1, null]}'),
            call("abc", "g", "{}"),
            finish_reason="tool_calls",
        ),
    ),
}


@pytest.mark.parametrize(("body", "expected"), PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_answer_is_read_whatever_its_quirks(body: bytes, expected: Reply) -> None:
    """The body itself stays in `wire`."""
    assert CODEC.decode_response(body) == replace(expected, wire=body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error": "unexpected EOF"}', ErrorCode.INTERNAL_ERROR),
        (end(done_reason="load"), ErrorCode.EMPTY_RESPONSE),
        (b'{"models": []}', ErrorCode.EMPTY_RESPONSE),
        (b"Ollama is running", ErrorCode.MALFORMED_RESPONSE),
    ],
)
def test_a_success_without_an_answer_raises(body: bytes, code: ErrorCode) -> None:
    """Status 200 does not make an answer."""
    with pytest.raises(LLMError) as raised:
        CODEC.decode_response(body)

    assert raised.value.code is code


def test_an_error_is_classified_by_its_status() -> None:
    """Its body is a sentence; a model that is not there is the one case of 404."""
    error = CODEC.decode_error(404, {}, b'{"error": "model \'x\' not found"}')

    assert (error.code, error.message) == (ErrorCode.MODEL_NOT_AVAILABLE, "model 'x' not found")


def test_a_request_is_encoded_as_documented() -> None:
    """Every field of a request has its place; options of `extra` join ours."""
    request = ChatRequest(
        model="m",
        messages=(
            system("Be brief."),
            user("What is it?", Image(media_type="image/png", data=b"\x01\x02")),
            assistant(
                Thinking(text="Hmm"),
                Text("Let me look."),
                ToolCall(id="a", name="look", raw_arguments='{"at": 1}'),
                ToolCall(id="b", name="ask"),
            ),
            tool_result("a", "a cat"),
            tool_result("b", "dunno"),
        ),
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        stop=("END",),
        seed=7,
        tools=(Tool(name="look", description="Look.", parameters={"type": "object"}),),
        schema={"type": "string"},
        extra={"think": True, "options": {"num_ctx": 8192}},
    )

    http = CODEC.encode_request(request)

    assert (http.method, http.path, http.headers) == ("POST", "/api/chat", {})
    assert json.loads(http.body) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is it?", "images": ["AQI="]},
            {
                "role": "assistant",
                "content": "Let me look.",
                "thinking": "Hmm",
                "tool_calls": [tool("look", {"at": 1}, id="a"), tool("ask", {}, id="b")],
            },
            {"role": "tool", "content": "a cat", "tool_name": "look", "tool_call_id": "a"},
            {"role": "tool", "content": "dunno", "tool_name": "ask", "tool_call_id": "b"},
        ],
        "options": {
            "num_predict": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "stop": ["END"],
            "seed": 7,
            "num_ctx": 8192,
        },
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}},
            }
        ],
        "format": {"type": "string"},
        "stream": False,
        "think": True,
    }


def test_a_picture_by_url_is_refused_before_sending() -> None:
    """The API has no field for it; to leave it out in silence would change the question."""
    question = user("What is it?", Image(media_type="image/*", url="https://example.org/cat"))

    with pytest.raises(LLMError) as raised:
        CODEC.encode_request(ChatRequest(model="m", messages=(question,)))

    assert raised.value.code is ErrorCode.INVALID_REQUEST


def test_a_request_of_another_client_is_decoded() -> None:
    """Streaming unless told otherwise; calls and results without ids are paired in their order."""
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "", "tool_calls": [tool("f", {"x": 1}), tool("g", {})]},
            {"role": "tool", "tool_name": "f", "content": "1"},
            {"role": "tool", "tool_name": "g", "content": "2"},
        ],
        "format": "json",
        "options": {"stop": "END"},
    }

    request = CODEC.decode_request(
        HttpRequest(method="POST", path="/api/chat", headers={}, body=json.dumps(body).encode())
    )

    assert request == ChatRequest(
        model="m",
        messages=(
            user("Hi"),
            assistant(call("call_0", "f", '{"x":1}'), call("call_1", "g", "{}")),
            tool_result("call_0", "1"),
            tool_result("call_1", "2"),
        ),
        is_stream=True,
        stop=("END",),
    )


def test_fragments_of_a_tool_call_are_encoded_as_one_line() -> None:
    """Ollama sends a call whole, before the last line."""
    chunks = [
        Chunk(text="Hi", model="m"),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, id="a", name="f", arguments='{"x"'),)),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, arguments=":1}"),)),
        Chunk(finish_reason="tool_calls", usage=Usage(input_tokens=9, output_tokens=5)),
    ]

    lines = [json.loads(each) for each in CODEC.encode_stream(chunks, model="m")]

    said = {"role": "assistant", "content": ""}
    assert lines == [
        {"model": "m", "message": said | {"content": "Hi"}, "done": False},
        {"model": "m", "message": said | {"tool_calls": [tool("f", {"x": 1}, id="a")]}, "done": False},
        {
            "model": "m",
            "message": said,
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 9,
            "eval_count": 5,
        },
    ]


def test_separators_of_lines_are_escaped_in_the_lines_we_write() -> None:
    """Ollama's own client splits text lines, and would cut the JSON in two."""
    chunks = [Chunk(text="a\u2028b\u2029c\u0085d")]

    first, _ = CODEC.encode_stream(chunks, model="m")

    assert len(first.decode().splitlines()) == 1
    assert json.loads(first)["message"]["content"] == "a\u2028b\u2029c\u0085d"


def test_an_error_survives_the_wire() -> None:
    """Its sentence does; its code is the status."""
    decoded = CODEC.decode_error(503, {}, CODEC.encode_error(LLMError("busy")))

    assert (decoded.code, decoded.message) == (ErrorCode.OVERLOADED, "busy")
