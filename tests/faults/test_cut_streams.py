"""Streams cut at every byte, and with their events in disorder: never half an answer, never one twice."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from bottled_calls import FRAMES, Bottle, both_faces, events_of, every_format, text_in
from wires import FACES, WIRES, Face, Wire, streamed

from tapeline.errors import ErrorCode

pytestmark = pytest.mark.slow
BLOCKING = FACES["blocking"]
RESET = httpx2.ReadError("Connection reset by peer")


def cuts(wire: Wire, *, every: int) -> Iterator[bytes]:
    """The beginnings of a stream, each longer than the last by so many bytes."""
    body = b"".join(events_of(wire))
    yield from (body[:length] for length in range(0, len(body), every))


@every_format
@both_faces
def test_a_stream_reset_at_any_byte_is_tried_again_or_final(wire: Wire, face: Face) -> None:
    """Before its first word: the whole answer, of the second try. After it: an error with what had come."""
    bottle, good = Bottle(face, wire), streamed(events_of(wire))

    for begun in cuts(wire, every=1 if face is BLOCKING else 13):
        ended = bottle.read(streamed([begun], error=RESET), good)

        if had_come := text_in(wire, begun):
            assert (ended.code, ended.retryable, ended.attempts) == (ErrorCode.NETWORK_ERROR, False, 1)
            assert ended.text == ended.partial_text == had_come
        else:
            assert (ended.error, ended.text, ended.attempts) == (None, wire.reply().text, 2)


@every_format
@both_faces
def test_a_stream_that_ends_early_is_not_taken_for_whole(wire: Wire, face: Face) -> None:
    """In good order, as a proxy ends it: only with its finish reason is it an answer."""
    bottle = Bottle(face, wire)

    for begun in cuts(wire, every=7):
        ended = bottle.read(streamed([begun]))

        if ended.reply is not None:
            assert (ended.reply.text, ended.reply.finish_reason) == (wire.reply().text, "stop")
        else:
            assert ended.code in {ErrorCode.STREAM_CLOSED, ErrorCode.EMPTY_RESPONSE}
            assert ended.text == ended.partial_text == text_in(wire, begun)
            assert (ended.retryable, ended.attempts) == (True, 1)


@every_format
def test_lost_doubled_and_swapped_events_are_borne(wire: Wire) -> None:
    """They make an answer or an error of ours, by what can be known; no other exception comes out."""
    bottle = Bottle(BLOCKING, wire)

    for body in disorders(events_of(wire)):
        ended = bottle.read(streamed(body))

        assert ended.attempts == 1, body
        assert ended.reply is not None or ended.text == ended.partial_text, body


def disorders(events: list[bytes]) -> Iterator[list[bytes]]:
    for at in range(len(events)):
        before, event, after = events[:at], events[at], events[at + 1 :]
        yield [*before, *after]
        yield [*before, event, event, *after]
        yield [*before, *after[:1], event, *after[1:]]
        yield [*after, event, *before]


def test_no_damage_to_a_stream_with_checksums_passes() -> None:
    """A bit flipped anywhere is an error, and all that was delivered before it is true."""
    [wire] = [wire for wire in WIRES.values() if wire.codec.stream_media_type == FRAMES]
    body, bottle = b"".join(events_of(wire)), Bottle(BLOCKING, wire)

    for at in range(len(body)):
        damaged = body[:at] + bytes([body[at] ^ 0x20]) + body[at + 1 :]
        ended = bottle.read(streamed([damaged]))

        assert ended.code in {ErrorCode.MALFORMED_RESPONSE, ErrorCode.STREAM_CLOSED}, at
        assert wire.reply().text.startswith(ended.text), at
