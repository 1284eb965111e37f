"""Responses as servers really speak it: what is odd about an answer does not change what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.assembly import Assembler, chunks_of
from tapeline.providers.openai_responses import OpenAIResponsesCodec
from tapeline.types import (
    Chunk,
    Refusal,
    Reply,
    Text,
    Thinking,
    Timing,
    ToolCall,
    ToolCallDelta,
    Usage,
    assistant,
)

CODEC = OpenAIResponsesCodec()


def sse(type: str, **fields) -> bytes:
    data = json.dumps({"type": type, "sequence_number": 0, **fields}, ensure_ascii=False)
    return f"event: {type}\ndata: {data}\n\n".encode()


def delta(fragment: str, kind: str = "output_text", *, at: int = 0, **fields) -> bytes:
    return sse(f"response.{kind}.delta", output_index=at, item_id=f"id_{at}", delta=fragment, **fields)


def added(item: dict, *, at: int = 0) -> bytes:
    return sse("response.output_item.added", output_index=at, item=item)


def done(item: dict, *, at: int = 0) -> bytes:
    return sse("response.output_item.done", output_index=at, item=item)


def completed(*output: dict, **fields) -> bytes:
    return sse(
        "response.completed",
        response={"id": "r1", "model": "m", "status": "completed"} | fields | {"output": output},
    )


def message(*texts: str) -> dict:
    return {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": t} for t in texts]}


def refusing(text: str) -> dict:
    return {"id": "msg_1", "type": "message", "content": [{"type": "refusal", "refusal": text}]}


def reasoning(*paragraphs: str, encrypted: str | None = None, id: str = "rs_1", **fields) -> dict:
    summary = [{"type": "summary_text", "text": text} for text in paragraphs]
    return {"id": id, "type": "reasoning", "summary": summary, "encrypted_content": encrypted} | fields


def function_call(arguments: str = "", *, id: str = "c0", name: str = "f") -> dict:
    return {"id": f"fc_{id}", "type": "function_call", "call_id": id, "name": name, "arguments": arguments}


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
    return Reply(message=assistant(*content), finish_reason=finish_reason, usage=usage, model="m", id="r1")


CREATED = sse("response.created", response={"id": "r1", "model": "m", "status": "in_progress", "output": []})
HEL, LO = delta("Hel"), delta("lo")
END = completed(message("Hello"))
HELLO = reply("Hello")
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 14,
}
SPENT = Usage(
    input_tokens=9, output_tokens=5, cached_input_tokens=4, cache_write_tokens=2, reasoning_tokens=3
)

TEXT_QUIRKS = {
    "as documented": (
        [
            CREATED,
            sse("response.queued", response={"id": "r1", "model": "m"}),
            sse("response.in_progress", response={"id": "r1", "model": "m"}),
            added(message()),
            sse("response.content_part.added", output_index=0, part={"type": "output_text", "text": ""}),
            HEL,
            LO,
            sse("response.output_text.done", output_index=0, content_index=0, text="Hello"),
            sse("response.content_part.done", output_index=0, part={"type": "output_text", "text": "Hello"}),
            done(message("Hello")),
            END,
        ],
        HELLO,
    ),
    "nothing but deltas and an end without output": ([HEL, LO, completed()], HELLO),
    "no event lines": ([e.partition(b"\n")[2] for e in (CREATED, HEL, LO, END)], HELLO),
    "another event line": ([b"event: message\n" + e.partition(b"\n")[2] for e in (HEL, LO, END)], HELLO),
    "[DONE] and keep-alives": ([b"data:\n\n", HEL, b": ping\n\n", LO, END, b"data: [DONE]\n\n"], HELLO),
    "last event without its blank line": ([HEL, LO, END.rstrip()], HELLO),
    "CRLF": ([event.replace(b"\n", b"\r\n") for event in (HEL, LO, END)], HELLO),
    "text in the end of a text alone": ([sse("response.output_text.done", text="Hello"), END], HELLO),
    "text in the end of an item alone": ([added(message()), done(message("Hello")), END], HELLO),
    "text in the end of the response alone": ([CREATED, END], HELLO),
    "text in the start of an item": ([added(message("Hello")), END], HELLO),
    "a last delta missing": ([HEL, sse("response.output_text.done", text="Hello"), END], HELLO),
    "the end says it otherwise": ([HEL, LO, completed(message("Help"))], HELLO),
    "indexes and ids that do not last": (
        [added(message(), at=7), delta("Hel", at=7), delta("lo", at=7), completed(message("Hello"))],
        HELLO,
    ),
    "two texts in one message": (
        [HEL, LO, delta(" you", content_index=1), completed(message("Hello", " you"))],
        reply("Hello you"),
    ),
    "two messages": (
        [delta("Hello"), delta(" you", at=1), completed(message("Hello"), message(" you"))],
        reply("Hello you"),
    ),
    "a second message in the end alone": (
        [delta("Hello"), completed(message("Hello"), message(" you"))],
        reply("Hello you"),
    ),
    "unknown events and items": (
        [
            sse("response.web_search_call.searching", output_index=0, delta={"not": "a text"}),
            added({"type": "web_search_call", "id": "ws_1", "content": 7}),
            sse("response.output_text.annotation.added", annotation={"type": "url_citation"}),
            sse("response.mcp_call.failed", output_index=0, error={"message": "of the tool"}),
            delta("Hel", at=1),
            delta("lo", at=1),
            done({"type": "tool_search_call", "arguments": {"query": "x"}}, at=2),
            completed({"type": "web_search_call", "action": {}}, message("Hello"), {"type": "mcp_call"}),
        ],
        HELLO,
    ),
    "refusal": (
        [delta("I can't", "refusal"), delta(".", "refusal"), completed(refusing("I can't."))],
        reply(Refusal("I can't.")),
    ),
    "refusal in the end of an item alone": ([done(refusing("No.")), completed()], reply(Refusal("No."))),
    "usage": ([HEL, LO, completed(message("Hello"), usage=USAGE)], reply("Hello", usage=SPENT)),
    "usage without details": (
        [HEL, LO, completed(usage={"input_tokens": 9, "output_tokens": 5, "input_tokens_details": None})],
        reply("Hello", usage=Usage(input_tokens=9, output_tokens=5)),
    ),
}

F = ToolCall(id="c0", name="f", raw_arguments='{"a": "é"}')
G = ToolCall(id="c1", name="g", raw_arguments='{"b": 2}')
ARGUMENTS = "function_call_arguments"
F_ITEM, G_ITEM = function_call('{"a": "é"}'), function_call('{"b": 2}', id="c1", name="g")

TOOL_QUIRKS = {
    "as documented": (
        [
            added(function_call()),
            delta('{"a": ', ARGUMENTS),
            delta('"é"}', ARGUMENTS),
            sse("response.function_call_arguments.done", output_index=0, arguments='{"a": "é"}'),
            done(F_ITEM),
            completed(F_ITEM),
        ],
        [F],
    ),
    "arguments in single characters": (
        [added(function_call()), *(delta(c, ARGUMENTS) for c in '{"a": "é"}'), completed(F_ITEM)],
        [F],
    ),
    "arguments in their own end alone": (
        [
            added(function_call()),
            sse("response.function_call_arguments.done", arguments='{"a": "é"}'),
            completed(),
        ],
        [F],
    ),
    "arguments in the end of the item alone": ([added(function_call()), done(F_ITEM), completed()], [F]),
    "arguments in the start of the item": ([added(F_ITEM), done(F_ITEM), completed(F_ITEM)], [F]),
    "all in the end of the response": ([CREATED, completed(F_ITEM, G_ITEM)], [F, G]),
    "a fragment missing": ([added(function_call()), delta('{"a": ', ARGUMENTS), completed(F_ITEM)], [F]),
    "empty fragments": (
        [added(function_call()), delta("", ARGUMENTS), done(F_ITEM), completed(F_ITEM)],
        [F],
    ),
    "id and name in the end alone": (
        [delta('{"a": ', ARGUMENTS), delta('"é"}', ARGUMENTS), done(F_ITEM), completed(F_ITEM)],
        [F],
    ),
    "two, interleaved": (
        [
            added(function_call()),
            added(function_call(id="c1", name="g"), at=1),
            delta('{"a": ', ARGUMENTS),
            delta('{"b"', ARGUMENTS, at=1),
            delta('"é"}', ARGUMENTS),
            delta(": 2}", ARGUMENTS, at=1),
            completed(F_ITEM, G_ITEM),
        ],
        [F, G],
    ),
    "two at the same index": (
        [
            added(function_call()),
            delta('{"a": "é"}', ARGUMENTS),
            done(F_ITEM),
            added(function_call(id="c1", name="g")),
            delta('{"b": 2}', ARGUMENTS),
            done(G_ITEM),
            completed(F_ITEM, G_ITEM),
        ],
        [F, G],
    ),
    "no arguments": (
        [added(function_call()), done(function_call()), completed(function_call())],
        [ToolCall(id="c0", name="f")],
    ),
    "no call id": (
        [done({"type": "function_call", "id": "fc_9", "name": "f", "arguments": "{}"}), completed()],
        [ToolCall(id="fc_9", name="f")],
    ),
}

SUMMARY, REASONING = "reasoning_summary_text", "reasoning_text"

THINKING_QUIRKS = {
    "as documented": (
        [
            added(reasoning(encrypted="beg")),
            delta("Hm", SUMMARY, summary_index=0),
            delta("m.", SUMMARY, summary_index=0),
            delta("Ah!", SUMMARY, summary_index=1),
            sse("response.reasoning_summary_text.done", output_index=0, summary_index=1, text="Ah!"),
            done(reasoning("Hmm.", "Ah!", encrypted="begin")),
            delta("Hello", at=1),
            completed(reasoning("Hmm.", "Ah!", encrypted="begin"), message("Hello")),
        ],
        [Thinking(text="Hmm.\n\nAh!", signature="begin", id="rs_1"), Text("Hello")],
    ),
    "not a word of it": (
        [added(reasoning()), done(reasoning(encrypted="e")), delta("Hello", at=1), completed()],
        [Thinking(signature="e", id="rs_1"), Text("Hello")],
    ),
    "in the end of the response alone": (
        [completed(reasoning("Hmm.", "Ah!", encrypted="e"), reasoning("So.", encrypted="f", id="rs_2"))],
        [
            Thinking(text="Hmm.\n\nAh!", signature="e", id="rs_1"),
            Thinking(text="So.", signature="f", id="rs_2"),
        ],
    ),
    "two, the first not signed": (
        [
            added(reasoning()),
            delta("Hmm.", SUMMARY),
            done(reasoning("Hmm.")),
            added(reasoning(id="rs_2"), at=1),
            delta("Ah!", SUMMARY, at=1),
            done(reasoning("Ah!", encrypted="e", id="rs_2"), at=1),
            completed(),
        ],
        [Thinking(text="Hmm.", id="rs_1"), Thinking(text="Ah!", signature="e", id="rs_2")],
    ),
    "an open model's own words": (
        [
            delta("Hm", REASONING),
            delta("m.", REASONING),
            sse("response.reasoning_text.done", output_index=0, text="Hmm."),
            done({"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hmm."}]}),
            completed(),
        ],
        [Thinking(text="Hmm.")],
    ),
}


@pytest.mark.parametrize(("events", "expected"), TEXT_QUIRKS.values(), ids=TEXT_QUIRKS.keys())
def test_a_stream_is_read_whatever_its_quirks(events: list[bytes], expected: Reply) -> None:
    """Nothing is lost, and nothing comes twice; in one block or in one for each event."""
    assert streamed(*events) == expected
    assert streamed(b"".join(events)) == expected


@pytest.mark.parametrize(("events", "expected"), TOOL_QUIRKS.values(), ids=TOOL_QUIRKS.keys())
def test_tool_calls_are_put_together_whatever_the_fragments(
    events: list[bytes], expected: list[ToolCall]
) -> None:
    """Each call once, with its id, its name and all of its arguments."""
    assert streamed(*events) == reply(*expected, finish_reason="tool_calls")


@pytest.mark.parametrize(("events", "expected"), THINKING_QUIRKS.values(), ids=THINKING_QUIRKS.keys())
def test_reasoning_keeps_its_id_and_its_encrypted_form(events: list[bytes], expected: list) -> None:
    """So that it can be given back; its summary's paragraphs are apart by a blank line."""
    assert streamed(*events).message == assistant(*expected)


ENDS = {
    "completed": ({"status": "completed"}, "stop"),
    "no status": ({"status": None}, "stop"),
    "unheard of": ({"status": "complete"}, "stop"),
    "too long": (
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
        "length",
    ),
    "filtered": (
        {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        "content_filter",
    ),
    "incomplete, unheard of": ({"status": "incomplete", "incomplete_details": {"reason": "x"}}, "length"),
    "incomplete, no reason": ({"status": "incomplete", "incomplete_details": None}, "length"),
    "cancelled": ({"status": "cancelled"}, "error"),
    "still in the queue": ({"status": "queued"}, None),
    "still at work": ({"status": "in_progress"}, None),
}


@pytest.mark.parametrize(("fields", "reason"), ENDS.values(), ids=ENDS.keys())
def test_why_a_response_ended_is_read_alike_in_both_forms(fields: dict, reason: str | None) -> None:
    """The state of the response decides, and where it is incomplete, the reason for that."""
    body = {"id": "r1", "model": "m", "output": [message("Hello")]} | fields

    plain = CODEC.decode_response(json.dumps(body).encode())
    stream = streamed(HEL, LO, completed(message("Hello"), **fields))

    assert (plain.finish_reason, stream.finish_reason) == (reason, reason)
    assert plain.message == stream.message == assistant("Hello")


def test_calls_in_an_incomplete_response_do_not_hide_why_it_ended() -> None:
    """Arguments cut off by the token limit are not to be run."""
    cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    end = sse("response.incomplete", response={"id": "r1", "model": "m", "output": []} | cut)

    stream = streamed(added(function_call()), delta('{"a": ', ARGUMENTS), end)

    assert stream == reply(replace(F, raw_arguments='{"a": '), finish_reason="length")


BROKEN = {
    "nothing": ([], ErrorCode.EMPTY_RESPONSE, ""),
    "only keep-alives": ([b": ping\n\n", b"data:\n\n"], ErrorCode.EMPTY_RESPONSE, ""),
    "only [DONE]": ([b"data: [DONE]\n\n"], ErrorCode.EMPTY_RESPONSE, ""),
    "HTML": ([b"<html>\n\n</html>\n\n"], ErrorCode.MALFORMED_RESPONSE, ""),
    "no end": ([CREATED, HEL], ErrorCode.STREAM_CLOSED, "Hel"),
    "no end but [DONE]": ([CREATED, HEL, b"data: [DONE]\n\n"], ErrorCode.STREAM_CLOSED, "Hel"),
    "end of the item but not of the response": ([HEL, done(message("Hel"))], ErrorCode.STREAM_CLOSED, "Hel"),
    "cut inside an event": ([HEL, LO[:-9]], ErrorCode.STREAM_CLOSED, "Hel"),
    "failed": (
        [HEL, sse("response.failed", response={"error": {"code": "rate_limit_exceeded", "message": "slow"}})],
        ErrorCode.RATE_LIMIT,
        "Hel",
    ),
    "failed for a picture": (
        [CREATED, sse("response.failed", response={"error": {"code": "invalid_image_url"}})],
        ErrorCode.INVALID_REQUEST,
        "",
    ),
    "failed for what it was asked": (
        [CREATED, sse("response.failed", response={"error": {"code": "invalid_prompt", "message": "no"}})],
        ErrorCode.CONTENT_FILTERED,
        "",
    ),
    "failed without a word": (
        [HEL, sse("response.failed", response={"status": "failed", "error": None})],
        ErrorCode.INTERNAL_ERROR,
        "Hel",
    ),
    "error event": (
        [HEL, sse("error", code="server_error", message="boom", param=None)],
        ErrorCode.INTERNAL_ERROR,
        "Hel",
    ),
    "error event that holds an object": (
        [HEL, sse("error", error={"code": "insufficient_quota", "message": "pay"})],
        ErrorCode.QUOTA_EXCEEDED,
        "Hel",
    ),
    "error object without a type": (
        [HEL, b'data: {"error": {"message": "slow down", "code": 429}}\n\n'],
        ErrorCode.RATE_LIMIT,
        "Hel",
    ),
    "error that is a string": ([b'data: {"error": "CUDA out of memory"}\n\n'], ErrorCode.INTERNAL_ERROR, ""),
    "broken JSON": ([HEL, b"data: {bad\n\n", LO, END], ErrorCode.MALFORMED_RESPONSE, "Hel"),
    "no object": ([HEL, b"data: 42\n\n", LO, END], ErrorCode.MALFORMED_RESPONSE, "Hel"),
    "a delta that is no text": (
        [HEL, LO.replace(b'"lo"', b"7"), END],
        ErrorCode.MALFORMED_RESPONSE,
        "Hel",
    ),
    "invalid UTF-8": ([HEL, LO.replace(b"lo", b"\xff"), END], ErrorCode.MALFORMED_RESPONSE, "Hel"),
}


@pytest.mark.parametrize(("events", "code", "text"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_stream_raises_and_loses_nothing(events: list[bytes], code: ErrorCode, text: str) -> None:
    """What came before the break has been delivered, also when both were in one block."""
    for blocks in (events, [b"".join(events)]):
        with pytest.raises(LLMError) as raised:
            streamed(*blocks)

        assert (raised.value.code, raised.value.partial.text) == (code, text)


@pytest.mark.parametrize(
    ("events", "retryable", "should_retry"),
    [
        ([], True, False),
        ([HEL], True, False),
        ([sse("error", code="server_error", message="boom")], True, False),
        ([sse("error", code="rate_limit_exceeded", message="slow")], True, None),
        ([sse("response.failed", response={"error": {"code": "server_is_overloaded"}})], True, None),
        ([sse("response.failed", response={"error": {"code": "vector_store_timeout"}})], True, False),
        ([sse("response.failed", response={"error": {"code": "empty_image_file"}})], False, False),
    ],
)
def test_a_broken_stream_is_retried_at_once_only_if_the_server_was_busy(
    events: list[bytes], retryable: bool, should_retry: bool | None
) -> None:
    """Whether it may succeed later is another question."""
    with pytest.raises(LLMError) as raised:
        streamed(*events)

    assert (raised.value.retryable, raised.value.should_retry) == (retryable, should_retry)


def plain(*output: dict, **fields) -> bytes:
    body = {"id": "r1", "model": "m", "status": "completed", "error": None, "output": output}
    return json.dumps(body | fields).encode()


PLAIN = {
    "text": (plain(message("Hello"), usage=USAGE), reply("Hello", usage=SPENT)),
    "nothing": (plain(), reply()),
    "empty text": (plain(message("")), reply()),
    "empty reasoning": (plain(reasoning(id=""), message("Hello")), HELLO),
    "refusal": (plain(refusing("No.")), reply(Refusal("No."))),
    "everything": (
        plain(reasoning("Hmm.", "Ah!", encrypted="e"), message("Hello", " you"), F_ITEM, G_ITEM),
        reply(
            Thinking(text="Hmm.\n\nAh!", signature="e", id="rs_1"),
            "Hello you",
            F,
            G,
            finish_reason="tool_calls",
        ),
    ),
    "an open model's own words": (
        plain(reasoning(content=[{"type": "reasoning_text", "text": "Hmm."}])),
        reply(Thinking(text="Hmm.", id="rs_1")),
    ),
    "unknown items": (
        plain({"type": "web_search_call", "action": {}}, {"type": "x", "content": 1}, message("Hello")),
        HELLO,
    ),
    "no arguments": (
        plain(function_call()),
        reply(ToolCall(id="c0", name="f"), finish_reason="tool_calls"),
    ),
}


@pytest.mark.parametrize(("body", "expected"), PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_answer_is_read_whatever_its_quirks(body: bytes, expected: Reply) -> None:
    """The body itself stays in `wire`, and with it all that we do not map."""
    assert CODEC.decode_response(body) == replace(expected, wire=body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", ErrorCode.EMPTY_RESPONSE),
        (b'{"output": {"0": {}}}', ErrorCode.MALFORMED_RESPONSE),
        (b'{"output": [{"type": "message", "content": 7}]}', ErrorCode.MALFORMED_RESPONSE),
        (b'{"error": {"code": 429, "message": "Provider returned error"}}', ErrorCode.RATE_LIMIT),
        (b'{"status": "failed", "output": []}', ErrorCode.INTERNAL_ERROR),
        (b'{"status": "failed", "error": {"code": "image_too_small"}}', ErrorCode.INVALID_REQUEST),
        (b'{"error": "boom"}', ErrorCode.INTERNAL_ERROR),
    ],
)
def test_a_success_without_an_answer_raises(body: bytes, code: ErrorCode) -> None:
    """Status 200 does not make an answer, and what came with it is not worth another try at once."""
    with pytest.raises(LLMError) as raised:
        CODEC.decode_response(body)

    assert raised.value.code is code
    assert raised.value.should_retry is not True


def test_an_error_is_classified_by_its_code() -> None:
    """In the same words as that of Chat Completions."""
    body = (
        b'{"error": {"code": "context_length_exceeded", "type": "invalid_request_error", "message": "long"}}'
    )

    error = CODEC.decode_error(400, {"x-request-id": "req_1"}, body)

    assert (error.code, error.message, error.request_id) == (
        ErrorCode.CONTEXT_LENGTH_EXCEEDED,
        "long",
        "req_1",
    )


def types_of(blocks: Sequence[bytes]) -> list[str]:
    return [json.loads(block.partition(b"data: ")[2])["type"].removeprefix("response.") for block in blocks]


def test_a_stream_is_written_as_documented() -> None:
    """Each item, part and text has its start and its end, and the end of the response holds it all."""
    chunks = chunks_of(reply(Thinking(text="Hmm.", signature="e", id="rs_1"), "Hello", F, usage=SPENT))

    blocks = list(CODEC.encode_stream(chunks, model="m"))

    assert types_of(blocks) == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [json.loads(block.partition(b"data: ")[2])["sequence_number"] for block in blocks] == list(
        range(19)
    )
    end = json.loads(blocks[-1].partition(b"data: ")[2])["response"]
    assert [item["id"] for item in end["output"]] == ["rs_1", "msg_1", "fc_2"]
    assert end["usage"] == USAGE


def test_interleaved_calls_are_written_apart() -> None:
    """A late fragment goes to its own call, and a text between them is an item of its own."""
    chunks = [
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, id="c0", name="f", arguments='{"a": '),)),
        Chunk(tool_call_deltas=(ToolCallDelta(index=1, id="c1", name="g", arguments='{"b"'),)),
        Chunk(text="Hello"),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, arguments='"é"}'),)),
        Chunk(tool_call_deltas=(ToolCallDelta(index=1, arguments=": 2}"),)),
        Chunk(finish_reason="tool_calls"),
    ]

    read = streamed(*CODEC.encode_stream(chunks, model="m"))

    assert read.message == assistant(F, G, "Hello")


@pytest.mark.parametrize(
    "parts",
    [
        (Thinking(text="a", id="rs_1"), Thinking(text="b", id="rs_2")),
        (Thinking(text="a", signature="e", id="rs_1"), Thinking(signature="f", id="rs_2")),
        (Text("a"), Refusal("b")),
        (Thinking(text="a", id="rs_1"), Text("b"), Thinking(text="c", id="rs_2"), Text("d")),
    ],
)
def test_a_streamed_answer_keeps_its_parts(parts: tuple) -> None:
    """In their order, and each reasoning with its own id."""
    answer = reply(*parts)

    assert streamed(*CODEC.encode_stream(chunks_of(answer), model="m")).message == answer.message
    assert CODEC.decode_response(CODEC.encode_response(answer)).message == answer.message
