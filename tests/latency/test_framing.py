"""Events of a body: where they begin and end, by its content type."""

from __future__ import annotations

import pytest

from tapeline.latency.framing import event_spans, is_streamed, media_type
from tapeline.providers.eventstream import encode_event

FRAME = encode_event("delta", b'{"a":"}\n\n"}')

BODIES: dict[str, tuple[str, list[bytes]]] = {
    "events": ("text/event-stream", [b"data: 1\n\n", b"event: x\ndata: 2\n\n", b"data: 3\n\n"]),
    "events after a byte order mark": ("text/event-stream", [b"\xef\xbb\xbfdata: 1\n\n", b"data: 2\n\n"]),
    "events with parameters": ("Text/Event-Stream; charset=utf-8", [b"data: 1\n\n", b"data: 2\n\n"]),
    "events in CRLF": ("text/event-stream", [b"data: 1\r\n\r\n", b"id: 7\r\ndata: 2\r\n\r\n"]),
    "events in CR": ("text/event-stream", [b"data: 1\r\r", b"data: 2\r\r"]),
    "events with mixed line ends": ("text/event-stream", [b"data: 1\r\n\n", b"data: 2\n\r\n"]),
    "more blank lines": ("text/event-stream", [b"data: 1\n\n\n\n", b"data: 2\n\n"]),
    "comments belong to what follows": (
        "text/event-stream",
        [b": ping\n\ndata: 1\n\n", b": data\n\ndata: 2\n\n"],
    ),
    "a comment at the end": ("text/event-stream", [b"data: 1\n\n", b": bye\n\n"]),
    "an event without its end": ("text/event-stream", [b"data: 1\n\n", b"data: 2"]),
    "no event": ("text/event-stream", [b"<p>Sign in"]),
    "lines": ("application/x-ndjson", [b'{"a":1}\n', b'{"b":2}\r\n', b'{"c":3}']),
    "blank lines": ("application/x-ndjson", [b"1\n\n\n", b"2\n"]),
    "frames": ("application/vnd.amazon.eventstream", [FRAME, FRAME, FRAME]),
    "a cut frame": ("application/vnd.amazon.eventstream", [FRAME, FRAME[:-1]]),
    "a frame cut in its length": ("application/vnd.amazon.eventstream", [FRAME, FRAME[:3]]),
    "frames without a length": ("application/vnd.amazon.eventstream", [FRAME, bytes(40)]),
    "JSON": ("application/json", [b'{"a":\n\n1}']),
    "no content type": ("", [b"data: 1\n\ndata: 2\n\n"]),
}


@pytest.mark.parametrize(("content_type", "events"), BODIES.values(), ids=BODIES.keys())
def test_the_events_of_a_body(content_type: str, events: list[bytes]) -> None:
    """Together they are all of it."""
    body = b"".join(events)

    assert [body[slice(*span)] for span in event_spans(body, content_type)] == events


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json", ""])
def test_nothing_is_no_event(content_type: str) -> None:
    assert event_spans(b"", content_type) == []


def test_some_bodies_come_as_events() -> None:
    types = ["text/event-stream; charset=utf-8", "application/x-ndjson", "application/json", ""]

    assert [is_streamed(content_type) for content_type in types] == [True, True, False, False]


def test_a_media_type_has_no_parameters() -> None:
    assert media_type("Application/JSON ; charset=utf-8") == "application/json"
