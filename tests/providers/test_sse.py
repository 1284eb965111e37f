"""Server-sent events follow the standard, and tolerate what servers send besides."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.sse import Event, SSEDecoder, encode_event

BOM = b"\xef\xbb\xbf"

CASES = {
    "nothing": (b"", []),
    "one event": (b"data: a\n\n", [Event("", b"a")]),
    "no space after the colon": (b"data:a\n\n", [Event("", b"a")]),
    "only the first space is dropped": (b"data:  a\n\n", [Event("", b" a")]),
    "several data lines": (b"data: a\ndata: b\n\n", [Event("", b"a\nb")]),
    "data without a colon is an empty line": (b"data\ndata\n\n", [Event("", b"\n")]),
    "empty data": (b"data:\n\n", [Event("", b"")]),
    "a type": (b"event: ping\ndata: a\n\n", [Event("ping", b"a")]),
    "a type after the data": (b"data: a\nevent: ping\n\n", [Event("ping", b"a")]),
    "a type without data is no event": (b"event: ping\n\ndata: a\n\n", [Event("", b"a")]),
    "comments": (b": hello\n\n:\n\ndata: a\n: in between\ndata: b\n\n", [Event("", b"a\nb")]),
    "id, retry and unknown fields": (b"id: 1\nretry: 2\nfoo: 3\ndata: a\n\n", [Event("", b"a")]),
    "a field's name must match wholly": (b"data-x: a\nxdata: b\n data: c\n\n", []),
    "many blank lines": (b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [Event("", b"a"), Event("", b"b")]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [Event("", b"a"), Event("", b"b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [Event("", b"a"), Event("", b"b")]),
    "mixed line ends": (b"data: a\r\n\rdata: b\n\r\n", [Event("", b"a"), Event("", b"b")]),
    "a BOM": (BOM + b"data: a\n\n", [Event("", b"a")]),
    "a second BOM is part of a name": (BOM + BOM + b"data: a\n\n", []),
    "no blank line at the end": (b"data: a\n\ndata: b", [Event("", b"a"), Event("", b"b")]),
    "no line end for text's sake": (
        "data: \u2028\u2029\u0085\x0b\x0c\x1c\n\n".encode(),
        [Event("", "\u2028\u2029\u0085\x0b\x0c\x1c".encode())],
    ),
}


def decoded(*blocks: bytes) -> list[Event]:
    decoder = SSEDecoder()
    return [event for block in blocks for event in decoder.feed(block)] + decoder.finish()


@pytest.mark.parametrize(("body", "events"), CASES.values(), ids=CASES.keys())
def test_events_are_those_of_the_standard_wherever_the_body_is_cut(body: bytes, events: list[Event]) -> None:
    """Whole, in two at each position, and in single bytes."""
    assert decoded(body) == events
    for position in range(len(body) + 1):
        assert decoded(body[:position], body[position:]) == events
    assert decoded(*(body[i : i + 1] for i in range(len(body)))) == events


def by_the_book(body: bytes) -> list[Event]:
    """The standard's algorithm, line by line and without a thought for speed."""
    events, kind, data = [], "", []
    for line in [*re.split(rb"\r\n|\n|\r", body.removeprefix(BOM)), b""]:
        if not line:
            events += [Event(kind, b"\n".join(data))] if data else []
            kind, data = "", []
            continue
        name, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value.decode("utf-8", "replace")
    return events


PIECES = [b"data", b"event", b"id", b":", b" ", b"\n", b"\n\n", b"\r", b"\r\n", b"x", b"{}", BOM, b"\xff"]


@settings(max_examples=300)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join), max_size=6))
def test_any_bytes_in_any_blocks_decode_as_by_the_book(blocks: list[bytes]) -> None:
    """Also nonsense: the same events as the plain algorithm gives."""
    assert decoded(*blocks) == by_the_book(b"".join(blocks))


def test_an_encoded_event_decodes_to_itself() -> None:
    """With and without a type."""
    assert decoded(encode_event(b"{}", "ping") + encode_event(b"[1]")) == [
        Event("ping", b"{}"),
        Event("", b"[1]"),
    ]


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([b"data: 0123456789"], id="without an end"),
        pytest.param([b"data: ", b"01234", b"56789\n\n"], id="in blocks"),
        pytest.param([b"data: a\n\ndata: 0123456789\n\n"], id="after a small one"),
        pytest.param([b"data: 012\ndata: 345\n\n"], id="in lines"),
    ],
)
def test_an_event_over_the_limit_is_refused(blocks: list[bytes]) -> None:
    """Memory stays bounded whatever a server sends."""
    decoder = SSEDecoder(event_bytes_limit=12)

    with pytest.raises(LLMError) as raised:
        [decoder.feed(block) for block in blocks]

    assert raised.value.code is ErrorCode.RESPONSE_TOO_LARGE


def test_many_small_events_are_within_the_limit() -> None:
    """The limit is one event's, not the body's or the block's."""
    decoder = SSEDecoder(event_bytes_limit=12)

    assert decoder.feed(b"data: 0123\n\n" * 10) == [Event("", b"0123")] * 10


@pytest.mark.parametrize(
    ("body", "foreign"),
    [
        (b"", b""),
        (b": ping\n\nid: 1\nretry: 5\n\nevent: x\n\ndata: a\n\n", b""),
        (b"eve", b""),
        (b"<html>\n<body>Sign in</body>\n\n</html>", b"<html>\n<body>Sign in</body>"),
        (b'{"id": 1}', b'{"id": 1}'),
    ],
)
def test_lines_of_no_event_stream_are_kept_for_the_error(body: bytes, foreign: bytes) -> None:
    """So that an HTML page is told apart from a stream without events."""
    decoder = SSEDecoder()

    decoder.feed(body)
    decoder.finish()

    assert decoder.foreign == foreign


@pytest.mark.parametrize(
    ("block", "data"),
    [
        (b"event: a\ndata: x\n\n", b"x"),
        (b"event: a\ndata: \n\n", b""),
        (b"event: b\ndata: x\n\n", None),
        (b"event: a\ndata: x\n\nevent: a\ndata: y\n\n", None),
        (b"event: a\ndata: x\ndata: y\n\n", None),
        (b"event: a\ndata: x\n\n\n", None),
        (b"event: a\ndata: x\n", None),
        (b"event: a\ndata: x", None),
        (b"event: a\ndata: x\ry\n\n", None),
        (b"event: a\r\ndata: x\r\n\r\n", None),
        (b"event: a\ndata: " + b"x" * 100 + b"\n\n", None),
    ],
)
def test_the_short_way_takes_nothing_but_one_event_of_its_kind(block: bytes, data: bytes | None) -> None:
    """And gives what the long way gives; at the start of a stream and inside an event it takes nothing."""
    decoder = SSEDecoder(event_bytes_limit=90)
    assert decoder.lone_data(block, b"event: a\ndata: ") is None

    decoder.feed(b"data: first\n\n")

    assert decoder.lone_data(block, b"event: a\ndata: ") == data
    if data is not None:
        assert decoder.feed(block) == [Event("a", data)]
    decoder.feed(b"data: half")
    assert decoder.lone_data(block, b"event: a\ndata: ") is None


def test_an_event_in_many_blocks_is_joined_once() -> None:
    """Each block holds a whole line: what waits must not be copied again for each of them."""
    joined: list[int] = []

    class Counting(SSEDecoder):
        def _events(self, frames: list[bytes]) -> list[Event]:
            joined.append(sum(map(len, frames)))
            return super()._events(frames)

    decoder = Counting()
    events = [event for _ in range(1000) for event in decoder.feed(b"data: x\n")] + decoder.feed(b"\n")

    assert [event.data for event in events] == [b"\n".join([b"x"] * 1000)]
    assert len(joined) == 1
