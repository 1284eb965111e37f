"""Streams that break: what the caller has seen by then, what the error holds, and what is tried again.

How each framing takes its bytes is tested with the codecs. Here it is the whole call, of every provider.
"""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable, Iterator
from zlib import crc32

import pytest
from bottled_calls import (
    FRAMES,
    MB,
    NDJSON,
    SSE,
    Bottle,
    both_faces,
    events_of,
    every_format,
    every_wire,
    for_framing,
    packed,
    text_in,
    with_others,
)
from wires import FACES, Face, Wire, streamed

from tapeline.errors import ErrorCode
from tapeline.providers.eventstream import EventStreamDecoder, encode_event
from tapeline.types import Json

BLOCKING = FACES["blocking"]

# Nothing ----------------------------------------------------------------------------------------------

BLANKS = {"nothing": b"", "line ends": b"\n\n\r\n\n"}
NOTHING: dict[str, dict[str, bytes]] = {
    SSE: BLANKS
    | {"comments": b": ping\n\n: ping\n\n", "half a comment": b": pi", "other fields": b"id: 7\n\n"},
    NDJSON: BLANKS,
    FRAMES: {"nothing": b""},
}


@both_faces
@pytest.mark.parametrize(("wire", "body"), for_framing(NOTHING))
def test_a_stream_without_an_event_is_an_empty_response(wire: Wire, body: bytes, face: Face) -> None:
    """The caller may try again; we do not, as such a server is rarely better half a second later."""
    ended = Bottle(face, wire).read(streamed([body]))

    assert (ended.code, ended.retryable, ended.attempts) == (ErrorCode.EMPTY_RESPONSE, True, 1)


FOREIGN = {
    "a page": (b"<!doctype html><p>Sign in\n\n", "text/html"),
    "a page that says it is a stream": (b"<p>Please sign in first", SSE),
    "a page that says it is JSON": (b"<p>Please sign in first", "application/json"),
    "a sentence": (b"upstream connect error\n", ""),
}


@both_faces
@every_wire
@pytest.mark.parametrize(("body", "media_type"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_stream_that_is_none_is_malformed(body: bytes, media_type: str, wire: Wire, face: Face) -> None:
    ended = Bottle(face, wire).read(streamed([body], headers={"content-type": media_type}))

    assert (ended.code, ended.retryable, ended.attempts) == (ErrorCode.MALFORMED_RESPONSE, False, 1)


# Malformed --------------------------------------------------------------------------------------------


def damaged(data: bytes, at: int) -> bytes:
    """Flip one bit."""
    changed = bytearray(data)
    changed[at] ^= 0x20
    return bytes(changed)


FRAME = encode_event("contentBlockDelta", b'{"delta":{"text":"x"},"contentBlockIndex":0}')
NOT_JSON = {
    "cut JSON": b'{"x":',
    "a number": b"42",
    "null": b"null",
    "a string": b'"x"',
    "a list": b"[{}]",
    "not a number": b'{"x":NaN}',
    "bottomless": b"[" * 100_000,
}
MALFORMED: dict[str, dict[str, bytes]] = {
    SSE: {title: b"data: %s\n\n" % data for title, data in NOT_JSON.items()},
    NDJSON: {title: b"%s\n" % data for title, data in NOT_JSON.items()},
    FRAMES: {title: encode_event("contentBlockDelta", data) for title, data in NOT_JSON.items()}
    | {
        "a damaged length": damaged(FRAME, 2),
        "a damaged head": damaged(FRAME, 20),
        "a damaged payload": damaged(FRAME, -9),
        "a damaged checksum": damaged(FRAME, -1),
        "another framing": b"data: {}\n\ndata: {}\n\n",
    },
}
"""Framing -> what is no event of it, or no event of anybody's."""


@both_faces
@pytest.mark.parametrize(("wire", "fault"), for_framing(MALFORMED))
def test_a_malformed_event_ends_the_stream_wherever_it_stands(wire: Wire, fault: bytes, face: Face) -> None:
    """What came before it was delivered, however it was cut, and is on the error. No second try."""
    events, bottle = events_of(wire), Bottle(face, wire)

    for place in range(len(events) - 1):
        before = text_in(wire, b"".join(events[:place]))
        body = [*events[:place], fault, *events[place:]]
        for blocks in (body, [b"".join(body)]):
            ended = bottle.read(streamed(blocks))

            assert (ended.code, ended.retryable, ended.attempts) == (ErrorCode.MALFORMED_RESPONSE, False, 1)
            assert ended.text == ended.partial_text == before, place


@both_faces
@every_wire
def test_words_that_are_no_utf_8_end_the_stream(wire: Wire, face: Face) -> None:
    events = [event.replace(b"of ", b"\xf0\x9f ") for event in events_of(wire)]

    ended = Bottle(face, wire).read(streamed(events))

    assert (ended.code, ended.retryable, ended.attempts) == (ErrorCode.MALFORMED_RESPONSE, False, 1)
    assert ended.text == ended.partial_text == "Paris, "


OTHERS: list[Json] = [None, -1, "x", [1], {"x": 1}]


@every_format
def test_a_value_of_the_wrong_kind_breaks_the_stream_or_does_not_matter(wire: Wire) -> None:
    """Wherever it stands: an error of ours, or a reply with the types it promises, and nothing else."""
    events, bottle = events_of(wire, "Paris."), Bottle(BLOCKING, wire)

    for place, event in enumerate(events):
        for other in with_other_values(wire, event):
            assert bottle.read(streamed([*events[:place], other, *events[place + 1 :]])).is_typed, other


def with_other_values(wire: Wire, event: bytes) -> Iterator[bytes]:
    """The event with another value in one place of its JSON, in its framing."""
    if wire.codec.stream_media_type == FRAMES:
        [frame] = EventStreamDecoder().feed(event)
        for document in with_others(json.loads(frame.payload), OTHERS):
            yield encode_event(frame.type, json.dumps(document).encode())
    elif b"{" in event:
        start, end = event.index(b"{"), event.rindex(b"}") + 1
        for document in with_others(json.loads(event[start:end]), OTHERS):
            yield event[:start] + json.dumps(document).encode() + event[end:]


# Compressed and huge ----------------------------------------------------------------------------------

PACKED: dict[str, tuple[Callable[[bytes], bytes], set[ErrorCode]]] = {
    "not compressed": (lambda body: body, {ErrorCode.MALFORMED_RESPONSE}),
    "damaged": (lambda body: gzip.compress(body)[:-8] + bytes(8), {ErrorCode.MALFORMED_RESPONSE}),
    "cut": (lambda body: gzip.compress(body)[:-40], {ErrorCode.STREAM_CLOSED, ErrorCode.EMPTY_RESPONSE}),
}


@both_faces
@every_wire
@pytest.mark.parametrize(("fault", "codes"), PACKED.values(), ids=PACKED.keys())
def test_a_compressed_stream_that_is_broken_is_no_answer(
    fault: Callable[[bytes], bytes], codes: set[ErrorCode], wire: Wire, face: Face
) -> None:
    """What could be unpacked before the damage was delivered."""
    ended = Bottle(face, wire).read(packed(fault(b"".join(events_of(wire)))))

    assert ended.code in codes
    assert ended.text == ended.partial_text
    assert ended.attempts == 1


HEAD_OF_FRAME = struct.pack(">II", 2**31 - 1, 0)
OPENING = {
    SSE: b"data: ",
    NDJSON: b'{"x":"',
    FRAMES: HEAD_OF_FRAME + struct.pack(">I", crc32(HEAD_OF_FRAME)),
}
"""Framing -> how an event begins that has no end; of frames, one of 2 GB, which no frame can have."""


@both_faces
@every_format
def test_an_event_without_an_end_is_cut_off(wire: Wire, face: Face) -> None:
    """As it is, or as a bomb of some 100 kB: it never fills the memory."""
    bottle = Bottle(face, wire)
    blocks = [OPENING[wire.codec.stream_media_type]] + [b"a" * MB] * 40

    for answer in (streamed(blocks), packed(gzip.compress(b"".join(blocks), compresslevel=1))):
        ended = bottle.read(answer)

        assert ended.code in {ErrorCode.RESPONSE_TOO_LARGE, ErrorCode.MALFORMED_RESPONSE}
        assert (ended.retryable, ended.attempts) == (False, 1)
