"""Ollama's own chat API, one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.media import Audio, Document, Image
from tapeline.providers.assembly import Assembler
from tapeline.providers.ollama import OllamaCodec
from tapeline.types import (
    CachePoint,
    ChatRequest,
    Chunk,
    HttpRequest,
    Message,
    Refusal,
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


@pytest.mark.parametrize("body", [b"", line("Hel"), line("Hel")[:-9]], ids=["nothing", "cut", "cut inside"])
def test_a_stream_without_an_end_is_the_callers_to_repeat(body: bytes) -> None:
    """Another try costs as much again: that is not decided behind his back."""
    with pytest.raises(LLMError) as raised:
        streamed(body)

    assert (raised.value.retryable, raised.value.should_retry) == (True, False)


@pytest.mark.parametrize("read", [CODEC.decode_response, streamed], ids=["plain", "stream"])
def test_a_runner_that_failed_will_fail_again(read) -> None:
    """An error inside a success is one of the model's process, such as for want of memory."""
    with pytest.raises(LLMError) as raised:
        read(b'{"error": "unexpected EOF"}')

    assert (raised.value.retryable, raised.value.should_retry) == (False, False)


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
        top_k=40,
        stop=("END",),
        seed=7,
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        reasoning_effort="low",
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
            "top_k": 40,
            "stop": ["END"],
            "seed": 7,
            "frequency_penalty": 0.1,
            "presence_penalty": -0.1,
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


def sent(*messages: Message, **options) -> dict:
    """The body of a request with these messages."""
    request = ChatRequest(**{"model": "m", "messages": messages} | options)
    body: dict = json.loads(CODEC.encode_request(request).body)
    return body


@pytest.mark.parametrize(
    ("part", "advice"),
    [
        (Image.from_url("https://example.org/cat.png"), "load it first"),
        (Document.from_url("https://example.org/a.txt"), "turn it into text"),
        (Document(media_type="application/pdf", data=b"%PDF"), "turn it into text"),
        (Audio(media_type="audio/wav", data=b"\x01"), "turn it into text"),
    ],
    ids=["picture by URL", "document by URL", "PDF", "sound"],
)
def test_media_the_api_has_no_field_for_are_refused_with_advice(part, advice: str) -> None:
    """To leave them out in silence would change the question."""
    with pytest.raises(LLMError, match=advice) as raised:
        sent(user("What is it?", part))

    assert raised.value.code is ErrorCode.INVALID_REQUEST


def test_what_can_be_said_as_text_is() -> None:
    """Text documents and refusals; a cache mark and another API's reasoning are left out."""
    document = Document(media_type="text/plain", data=b"Hi", name="a.txt")
    turns = [
        user("Read.", CachePoint(), document),
        assistant(Thinking(text="Hm", id="rs_1"), Refusal("No.")),
    ]

    assert sent(*turns)["messages"] == [
        {"role": "user", "content": 'Read.\n<document name="a.txt">\nHi\n</document>\n'},
        {"role": "assistant", "content": "No."},
    ]


def test_pictures_of_a_tool_result_stay_with_it() -> None:
    """The server takes the pictures of every message, whoever it is from."""
    picture = Image(media_type="image/png", data=b"\x01\x02")

    result = {"role": "tool", "content": "Here:", "images": ["AQI="], "tool_call_id": "a"}
    assert sent(tool_result("a", "Here:", picture))["messages"] == [result]


@pytest.mark.parametrize(
    ("effort", "think"),
    [
        ("none", False),
        ("minimal", "low"),
        ("low", "low"),
        ("high", "high"),
        ("xhigh", "max"),
        ("max", "max"),
        (None, None),
    ],
)
def test_effort_is_said_in_the_words_of_think(effort, think) -> None:
    """Those it lacks by the nearest it has: a 400 would name a field that nobody set."""
    assert sent(user("Hi"), reasoning_effort=effort).get("think") == think


@pytest.mark.parametrize(("choice", "is_offered"), [(None, True), ("auto", True), ("none", False)])
def test_tools_that_must_not_be_called_are_not_offered(choice: str | None, is_offered: bool) -> None:
    """The API has no other way to say it."""
    body = sent(user("Hi"), tools=(Tool(name="f"),), tool_choice=choice)

    assert ("tools" in body) == is_offered


def test_what_the_api_has_no_field_for_is_known_beforehand() -> None:
    """Of its models nothing is: what one of them can do, only the server knows."""
    capabilities = CODEC.capabilities("qwen3:0.6b")

    assert capabilities.refused.keys() == {"metadata", "parallel_tool_calls", "service_tier"}
    assert capabilities.tool_choices == {"auto", "none"}
    assert (capabilities.images, capabilities.documents, capabilities.audio) == (True, True, False)


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
        "think": True,
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
        reasoning_effort="medium",
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
