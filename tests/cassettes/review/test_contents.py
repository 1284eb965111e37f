"""A body is read as its media type says; one that is not what it says is text."""

from __future__ import annotations

import gzip

import pytest
from recordings import response

from tapeline.cassettes.interaction import RecordedResponse
from tapeline.cassettes.review.contents import Content, Event, content_of, media_type, plain_body
from tapeline.providers.eventstream import encode_event


def answer(media: str, body: bytes, **headers: str) -> RecordedResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return response(body, headers=[("Content-Type", media), *named.items()])


SSE = "text/event-stream; charset=utf-8"
FRAMES = "application/vnd.amazon.eventstream"
FRAME = encode_event("messageStop", b'{"stopReason":"end_turn"}')

CONTENTS = {
    "JSON": (answer("application/json", b'{"a": 1}'), Content("json", (Event("", {"a": 1}),))),
    "no JSON": (answer("application/json", b"<html>"), Content("text", (Event("", "<html>"),))),
    "bytes": (answer("image/png", b"\xff"), Content("text", (Event("", "\ufffd"),))),
    "nothing": (answer("", b""), Content("text", ())),
    "nothing, said to be JSON": (answer("application/json", b""), Content("text", ())),
    "events": (
        answer(SSE, b'event: a\ndata: {"x": 1}\n\n: comment\n\ndata: [DONE]\n\n'),
        Content("sse", (Event("a", {"x": 1}), Event("[DONE]", "[DONE]"))),
    ),
    "events without a name": (
        answer(SSE, b'data: {"object": "chunk"}\n\ndata: {"type": "t"}\n\ndata: {"type": 1}\n\ndata: hi'),
        Content(
            "sse",
            (
                Event("chunk", {"object": "chunk"}),
                Event("t", {"type": "t"}),
                Event("", {"type": 1}),
                Event("", "hi"),
            ),
        ),
    ),
    "an event without its blank line": (answer(SSE, b"data: 1"), Content("sse", (Event("", 1),))),
    "lines": (
        answer("application/x-ndjson", b'{"a": 1}\n{"b": 2}'),
        Content("ndjson", (Event("", {"a": 1}), Event("", {"b": 2}))),
    ),
    "frames": (
        answer(FRAMES, FRAME),
        Content("eventstream", (Event("messageStop", {"stopReason": "end_turn"}),)),
    ),
    "frames that break off": (
        answer(FRAMES, FRAME + FRAME[:20]),
        Content("eventstream", (Event("messageStop", {"stopReason": "end_turn"}),), is_whole=False),
    ),
    "frames that are none": (answer(FRAMES, b"x" * 99), Content("eventstream", (), is_whole=False)),
}


@pytest.mark.parametrize(("found", "expected"), CONTENTS.values(), ids=CONTENTS.keys())
def test_a_body_is_read_as_what_it_is(found: RecordedResponse, expected: Content) -> None:
    assert content_of(found) == expected


def test_a_media_type_has_no_parameters() -> None:
    assert media_type(answer("Text/Event-Stream; charset=utf-8", b"")) == "text/event-stream"
    assert media_type(response(b"")) == ""


def test_an_encoding_is_undone() -> None:
    assert plain_body(answer("text/plain", gzip.compress(b"plain"), Content_Encoding="gzip")) == b"plain"
