"""What servers and proxies do to a stream that changes nothing: it reads as if they had not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from itertools import chain

import pytest
from bottled_calls import FRAMES, NDJSON, SSE, Bottle, both_faces, events_of, for_framing, in_bytes, packed
from wires import Face, Wire, streamed

from tapeline.latency.pacing import ScheduledResponse
from tapeline.providers.eventstream import encode_event

Odd = Callable[[list[bytes]], ScheduledResponse]

TEXT = "Päris, 🌍 naïve."  # of characters that a cut can go through


def at_once(events: list[bytes]) -> ScheduledResponse:
    return streamed([b"".join(events)])


def each(change: Callable[[bytes], bytes]) -> Odd:
    """Change every event."""
    return lambda events: at_once([change(event) for event in events])


def between(extra: bytes) -> Odd:
    """Put something between all events, and at both ends."""
    return lambda events: at_once([extra, *chain.from_iterable((event, extra) for event in events)])


def called(media_type: str) -> Odd:
    return lambda events: streamed(events, headers={"content-type": media_type})


def in_many_lines(event: bytes) -> bytes:
    """The JSON of a server-sent event, spread over several data lines."""
    head, _, data = event.rstrip(b"\n").rpartition(b"data: ")
    if not data.startswith(b"{"):
        return event
    lines = json.dumps(json.loads(data), indent=1).encode().split(b"\n")
    return head + b"".join(b"data: %s\n" % line for line in lines) + b"\n"


ANY: dict[str, Odd] = {
    "at once": at_once,
    "byte by byte": lambda events: streamed(in_bytes(b"".join(events))),
    "with empty blocks": lambda events: streamed([b"", *chain.from_iterable((e, b"") for e in events)]),
    "compressed": lambda events: packed(gzip.compress(b"".join(events))),
    "compressed, byte by byte": lambda events: packed(*in_bytes(gzip.compress(b"".join(events)))),
    "without a type": called(""),
    "called a page": called("text/html"),
}
LINES = ANY | {
    "CRLF": each(lambda event: event.replace(b"\n", b"\r\n")),
    "no line end at the end": lambda events: streamed([b"".join(events).rstrip(b"\n")]),
}
ODD: dict[str, dict[str, Odd]] = {
    SSE: LINES
    | {
        "CRLF, byte by byte": lambda events: streamed(in_bytes(b"".join(events).replace(b"\n", b"\r\n"))),
        "no farewell": lambda events: at_once([event for event in events if b"[DONE]" not in event]),
        "another farewell": lambda events: at_once([*events, b"data: [DONE]\n\n"]),
        "CR": each(lambda event: event.replace(b"\n", b"\r")),
        "a BOM": lambda events: at_once([b"\xef\xbb\xbf", *events]),
        "comments": between(b": ping\n\n"),
        "comments in events": each(lambda event: b": ping\n" + event),
        "blank lines": between(b"\n\n"),
        "other fields": each(lambda event: b"id: 7\nretry: 3000\nshoe: 43\n" + event),
        "other events": between(b'event: shiny\ndata: {"type":"shiny","x":[1]}\n\n'),
        "no space after the colon": each(
            lambda event: event.replace(b"data: ", b"data:").replace(b"event: ", b"event:")
        ),
        "many data lines": each(in_many_lines),
    },
    NDJSON: LINES
    | {
        "blank lines": between(b"\n \r\n"),
        "other fields": each(lambda event: event.replace(b"{", b'{"shiny":[1],', 1)),
    },
    FRAMES: ANY | {"other events": between(encode_event("shinyEvent", b'{"x":[1]}'))},
}
"""Framing -> what may be done to its events."""


@both_faces
@pytest.mark.parametrize(("wire", "odd"), for_framing(ODD))
def test_an_odd_stream_reads_as_if_it_were_not(wire: Wire, odd: Odd, face: Face) -> None:
    """The same words, the same end, the same usage; and one request."""
    good = wire.reply(TEXT)

    ended = Bottle(face, wire).read(odd(events_of(wire, TEXT)))

    assert [chunk.text for chunk in ended.chunks if chunk.text] == ["Päris, ", "🌍 ", "naïve."]
    assert ended.reply is not None
    assert (ended.reply.message, ended.reply.finish_reason) == (good.message, good.finish_reason)
    assert (ended.reply.usage, ended.attempts) == (good.usage, 1)
