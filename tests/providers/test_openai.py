"""Chat Completions as servers really speak it: what is odd about an answer does not change what it says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.assembly import Assembler
from tapeline.providers.openai import OpenAICodec
from tapeline.types import (
    Refusal,
    Reply,
    Thinking,
    Timing,
    ToolCall,
    Usage,
    assistant,
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
    arguments: str | dict | None = None, *, index: int | None = None, id: str | None = None, name=None
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
        reply(Refusal("I can't.")),
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
    "pieces of a kind unheard of": (
        [
            event(
                {"content": [{"type": "reference", "reference_ids": [1]}, {"type": "x", "text": {"y": 1}}]}
            ),
            event(
                {"content": [{"type": "text", "text": "Hello"}], "annotations": [{"type": "url_citation"}]}
            ),
            STOP,
            DONE,
        ],
        HELLO,
    ),
    "a refusal as a piece": (
        [event({"content": [{"type": "refusal", "refusal": "No."}]}), STOP, DONE],
        reply(Refusal("No.")),
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
    "null arguments": ([call(None, index=0, id="c0", name="f")], [("c0", "f", "{}")]),
    "arguments as an object": ([call({"a": "é"}, index=0, id="c0", name="f")], [("c0", "f", '{"a":"é"}')]),
    "id later on": ([call('{"a": ', index=0, name="f"), call('"é"}', index=0, id="c0")], [F]),
    "no ids": (
        [call('{"a": ', index=0, name="f"), call('"é"}', index=0), call('{"b": 2}', index=1, name="g")],
        [("call_0", *F[1:]), ("call_1", *G[1:])],
    ),
    "neither index nor id": (
        [call('{"a": ', name="f"), call('"é"}'), call('{"b"', name="g"), call(": 2}", name="g")],
        [("call_0", *F[1:]), ("call_1", *G[1:])],
    ),
    "same index, no ids": (
        [call('{"a": "é"}', index=0, name="f"), call('{"b": 2}', index=0, name="g")],
        [("call_0", *F[1:]), ("call_1", *G[1:])],
    ),
    "index from 1": ([call('{"a": ', index=1, id="c0", name="f"), call('"é"}', index=1)], [F]),
    "all in the event that ends it": (
        [
            event(
                {
                    "tool_calls": [
                        {"index": 0, "id": "c0", "function": {"name": "f", "arguments": '{"a": "é"}'}},
                        {"index": 1, "id": "c1", "function": {"name": "g", "arguments": '{"b": 2}'}},
                    ]
                },
                finish="tool_calls",
            )
        ],
        [F, G],
    ),
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


def test_an_id_that_no_server_gave_is_there_without_a_finish_reason_too() -> None:
    """Some servers end with [DONE] alone; a result has to find its call all the same."""
    expected = replace(calls(("call_0", "f", "{}")), finish_reason=None)

    assert streamed(call("{}", index=0, name="f"), DONE) == expected


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


@pytest.mark.parametrize(
    ("error", "should_retry", "retryable"),
    [
        ({"code": "rate_limit_exceeded"}, None, True),
        ({"code": 503}, None, True),
        ({"type": "server_error"}, False, True),
        ({"code": "insufficient_quota"}, False, False),
        ("CUDA out of memory", False, True),
    ],
)
def test_an_error_in_a_stream_is_tried_again_only_where_the_server_was_busy(
    error, should_retry: bool | None, retryable: bool
) -> None:
    """The rest may go well another time, but is not worth the price of another try at once."""
    with pytest.raises(LLMError) as raised:
        streamed(sse({"error": error}))

    assert (raised.value.should_retry, raised.value.retryable) == (should_retry, retryable)


@pytest.mark.parametrize("events", [[], [HEL, LO], [HEL, LO[:-12]]], ids=["nothing", "cut", "cut inside"])
def test_a_stream_without_an_end_is_the_callers_to_repeat(events: list[bytes]) -> None:
    """What it had is paid for: it may be asked for again, but not behind his back."""
    with pytest.raises(LLMError) as raised:
        streamed(*events)

    assert (raised.value.retryable, raised.value.should_retry) == (True, False)


def plain(message: dict, finish_reason: str | None = "stop", **fields) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return json.dumps({"id": "c1", "model": "m", "choices": [choice]} | fields).encode()


PLAIN = {
    "text": (plain({"role": "assistant", "content": "Hello"}), HELLO),
    "null content": (plain({"content": None}), reply()),
    "refusal": (plain({"content": None, "refusal": "No."}), reply(Refusal("No."))),
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
    "calls without ids, arguments as an object": (
        plain({"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": None}]}),
        reply(
            ToolCall(id="call_0", name="f", raw_arguments='{"a":1}'),
            ToolCall(id="call_1", name=""),
        ),
    ),
    "citations and audio": (
        plain({"content": "Hello", "annotations": [{"type": "url_citation"}], "audio": {"id": "a"}}),
        HELLO,
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


def test_an_error_in_the_body_of_a_success_is_not_tried_again_at_once() -> None:
    """It may go well later; but the server has answered."""
    with pytest.raises(LLMError) as raised:
        CODEC.decode_response(b'{"error": {"code": 429, "message": "Provider returned error"}}')

    assert (raised.value.retryable, raised.value.should_retry) == (True, False)


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


def test_an_error_survives_the_wire() -> None:
    """What the server encodes, the client classifies alike."""
    error = LLMError("slow down", code=ErrorCode.RATE_LIMIT)

    decoded = CODEC.decode_error(429, {}, CODEC.encode_error(error))

    assert (decoded.code, decoded.message) == (ErrorCode.RATE_LIMIT, "slow down")


SAMPLING = {"temperature", "top_p", "frequency_penalty", "presence_penalty"}


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        ("gpt-5.4-mini", set()),
        ("gpt-5.3-codex", set()),
        ("gpt-5.5", set()),
        ("gpt-6-luna", set()),
        ("gpt-oss-120b", set()),
        ("qwen3", set()),
        ("gpt-5", SAMPLING),
        ("gpt-5-mini-2025-08-07", SAMPLING),
        ("gpt-5.2-pro", SAMPLING),
        ("gpt-5.3-chat-latest", SAMPLING),
        ("gpt-5.1-codex-max", SAMPLING),
        ("o1", SAMPLING),
        ("o3-mini", SAMPLING | {"stop"}),
        ("ft:o4-mini-2025-04-16:acme", SAMPLING | {"stop"}),
        ("gpt-5-chat-latest", {"reasoning_effort"}),
        ("gpt-4.1-nano", {"reasoning_effort"}),
    ],
)
def test_a_model_refuses_what_it_is_known_not_to_take(model: str, refused: set[str]) -> None:
    """Names of other servers' models are let through; no model takes top_k, which has no field."""
    capabilities = CODEC.capabilities(model)

    assert capabilities.refused.keys() == refused | {"top_k"}
    assert capabilities.thinking == ("reasoning_effort" not in refused)
    assert capabilities.structured_output == "native"
    assert capabilities.ranges["temperature"] == (0.0, 2.0)
