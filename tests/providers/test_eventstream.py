"""The event stream encoding, held against botocore's own parser and against frames that are none."""

from __future__ import annotations

import contextlib
import struct
import time
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.eventstream import (
    PAYLOAD_BYTES_LIMIT,
    EventStreamDecoder,
    Frame,
    decode_headers,
    encode_event,
    encode_frame,
    event_head,
)

PURE = settings(max_examples=60)

HEADERS = st.dictionaries(
    st.text(max_size=20),
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=40) | st.text(max_size=40),
    max_size=6,
)
EVENT_HEADERS = {":event-type": "delta", ":content-type": "application/json", ":message-type": "event"}
ALL_TYPES = (
    b"\x01a\x00"
    b"\x01b\x01"
    b"\x01c\x02\xff"
    b"\x01d\x03\xff\xfe"
    b"\x01e\x04\xff\xff\xff\xfd"
    b"\x01f\x05\xff\xff\xff\xff\xff\xff\xff\xfc"
    b"\x01g\x06\x00\x02\xff\x00"
    b"\x01h\x07\x00\x02\xc3\xb6"
    b"\x01i\x08\x00\x00\x01\x99\x00\x00\x00\x00"
    b"\x01j\x09" + bytes(range(16))
)
GOOD = encode_event("delta", b'{"text":"hi"}')


def frame_of(block: bytes, payload: bytes = b"{}", *, sizes: bytes | None = None) -> bytes:
    """A frame with these header bytes and right checksums; `sizes` may lie about the two lengths."""
    sizes = sizes or struct.pack(">II", 16 + len(block) + len(payload), len(block))
    return with_checksums(sizes + bytes(4) + block + payload + bytes(4))


def with_checksums(frame: bytes) -> bytes:
    start = frame[:8] + struct.pack(">I", crc32(frame[:8]))
    content = start + frame[12:-4]
    return content + struct.pack(">I", crc32(content))


def header_block(headers: dict[str, str]) -> bytes:
    return b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in headers.items()
    )


def decode(body: bytes) -> list[Frame]:
    decoder = EventStreamDecoder()
    frames = decoder.feed(body)
    decoder.finish()
    return frames


# Against botocore ---------------------------------------------------------------------------------


@PURE
@given(HEADERS, st.binary(max_size=200))
def test_botocore_reads_the_frames_we_write(headers: dict, payload: bytes) -> None:
    """The headers and the payload come out of botocore's parser as they went into ours."""
    buffer = EventStreamBuffer()

    buffer.add_data(encode_frame(headers, payload))

    (message,) = list(buffer)
    assert (message.headers, message.payload) == (headers, payload)


def test_every_header_type_reads_as_in_botocore() -> None:
    """All ten value types, negative numbers and UTF-8 included, give the values botocore gives."""
    buffer = EventStreamBuffer()
    buffer.add_data(frame_of(ALL_TYPES))

    headers = decode_headers(ALL_TYPES)

    (message,) = list(buffer)
    assert dict(headers) == message.headers
    assert [name for name, _ in headers] == list("abcdefghij")
    assert [value for name, value in headers if name in "ab"] == [True, False]


@PURE
@given(HEADERS, st.binary(max_size=200))
def test_a_frame_survives_the_round_trip(headers: dict, payload: bytes) -> None:
    """What was encoded is decoded, and header types keep apart what Python holds equal (True and 1)."""
    fields = {**headers, **EVENT_HEADERS}

    (frame,) = decode(encode_frame(fields, payload))

    assert frame == Frame("event", "delta", "application/json", tuple(fields.items()), payload)
    assert [type(value) for _, value in frame.headers] == [type(value) for value in fields.values()]


@pytest.mark.parametrize(
    ("message_type", "name"),
    [("event", ":event-type"), ("exception", ":exception-type"), ("error", ":error-code")],
)
def test_the_type_of_a_frame_is_where_its_message_type_puts_it(message_type: str, name: str) -> None:
    """Events, exceptions and errors each name their type in a header of their own."""
    (frame,) = decode(encode_frame({":message-type": message_type, name: "boom"}, b""))

    assert (frame.message_type, frame.type, frame.content_type, frame.payload) == (
        message_type,
        "boom",
        "",
        b"",
    )


# Blocks -------------------------------------------------------------------------------------------


def test_frames_are_the_same_however_the_body_was_cut() -> None:
    """Cut once at every position, or into single bytes: the same frames come out."""
    body = GOOD + encode_event("stop", b"") + encode_event("delta", b"x" * 50)
    whole = decode(body)

    for cut in range(len(body) + 1):
        decoder = EventStreamDecoder()
        assert decoder.feed(body[:cut]) + decoder.feed(body[cut:]) == whole
        decoder.finish()
    decoder = EventStreamDecoder()
    assert [frame for byte in body for frame in decoder.feed(bytes((byte,)))] == whole


def test_a_large_frame_in_small_blocks_costs_no_more_than_its_bytes() -> None:
    """8 MiB in 16,384 blocks: copying what waits at each of them would move 64 GiB."""
    body = encode_event("delta", bytes(8 * 1024 * 1024))
    decoder = EventStreamDecoder()
    start_s = time.process_time()

    frames = [frame for at in range(0, len(body), 512) for frame in decoder.feed(body[at : at + 512])]

    assert len(frames) == 1
    assert time.process_time() - start_s < 1.0


@pytest.mark.parametrize("cut", [1, 11, 12, 40, len(GOOD) - 1])
def test_a_stream_that_ends_inside_a_frame_was_closed(cut: int) -> None:
    """`finish` tells a cut stream from one that ended between two frames."""
    decoder = EventStreamDecoder()

    assert len(decoder.feed(GOOD + GOOD[:cut])) == 1

    with pytest.raises(LLMError, match=f"after {cut} bytes") as caught:
        decoder.finish()
    assert caught.value.code is ErrorCode.STREAM_CLOSED


LONE = [
    (GOOD, b'{"text":"hi"}'),
    (encode_event("delta", b""), b""),
    (encode_event("delta", bytes(70_000)), bytes(70_000)),
    (encode_event("stop", b"{}"), None),
    (encode_frame({":message-type": "exception", ":exception-type": "delta"}, b"{}"), None),
    (GOOD + GOOD, None),
    (GOOD[:-1], None),
    (GOOD[:15], None),
    (b"", None),
]


@pytest.mark.parametrize(("block", "payload"), LONE)
def test_the_short_way_takes_nothing_but_one_frame_of_its_type(block: bytes, payload: bytes | None) -> None:
    """And gives what the long way gives; inside a frame it takes nothing."""
    decoder = EventStreamDecoder()

    assert decoder.lone_payload(block, event_head("delta")) == payload

    if payload is not None:
        assert [frame.payload for frame in decoder.feed(block)] == [payload]
    decoder.feed(GOOD[:20])
    assert decoder.lone_payload(block, event_head("delta")) is None


@pytest.mark.parametrize("fault", range(len(GOOD)))
def test_the_short_way_takes_no_frame_that_is_damaged(fault: int) -> None:
    """Both checksums are held against it, whichever byte it is."""
    damaged = GOOD[:fault] + bytes((GOOD[fault] ^ 1,)) + GOOD[fault + 1 :]

    assert EventStreamDecoder().lone_payload(damaged, event_head("delta")) is None


# What is not a frame ------------------------------------------------------------------------------

NAMED = header_block(EVENT_HEADERS)
FAULTS = {
    "html": b"<html>captive portal</html>",
    "prelude checksum": GOOD[:11] + bytes((GOOD[11] ^ 1,)) + GOOD[12:],
    "frame checksum": GOOD[:-1] + bytes((GOOD[-1] ^ 1,)),
    "payload flipped": GOOD[:-8] + bytes((GOOD[-8] ^ 0x20,)) + GOOD[-7:],
    "length of 2 GiB": frame_of(NAMED, sizes=struct.pack(">II", 0x7FFFFFFF, len(NAMED))),
    "length of 8": frame_of(NAMED, sizes=struct.pack(">II", 8, 0)),
    "payload over the limit": frame_of(b"", sizes=struct.pack(">II", 17 + PAYLOAD_BYTES_LIMIT, 0)),
    "headers over the limit": frame_of(b"", sizes=struct.pack(">II", 300_000, 200_000)),
    "headers longer than the frame": frame_of(NAMED, sizes=struct.pack(">II", 100, 150)),
    "unknown header type": frame_of(NAMED + b"\x03xyz\x63"),
    "header without a type": frame_of(NAMED + b"\x03xyz"),
    "name past the end": frame_of(NAMED + b"\xffxyz"),
    "value past the end": frame_of(NAMED + b"\x01x\x07\x00\x09abc"),
    "number past the end": frame_of(NAMED + b"\x01x\x05\x00\x09"),
    "uuid past the end": frame_of(NAMED + b"\x01x\x09\x00\x09"),
    "name not UTF-8": frame_of(NAMED + b"\x01\xff\x00"),
    "value not UTF-8": frame_of(NAMED + b"\x01x\x07\x00\x02\xff\xfe"),
    "two headers of one name": frame_of(NAMED + NAMED),
    "no message type": frame_of(header_block({":event-type": "delta"})),
    "unknown message type": frame_of(header_block({":message-type": "gossip", ":event-type": "delta"})),
    "message type a number": encode_frame({":message-type": 7, ":event-type": "delta"}, b""),
    "no event type": frame_of(header_block({":message-type": "event"})),
    "event type a number": encode_frame({":message-type": "event", ":event-type": 7}, b""),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_what_is_not_a_frame_is_malformed(fault: bytes) -> None:
    """Never another exception, never a wait for bytes that cannot come, and it stays an error."""
    decoder = EventStreamDecoder()

    with pytest.raises(LLMError) as caught:
        decoder.feed(fault)

    assert caught.value.code is ErrorCode.MALFORMED_RESPONSE
    with pytest.raises(LLMError):
        decoder.feed(GOOD)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_frames_before_a_fault_are_delivered_first(fault: bytes) -> None:
    """In one block with the fault or not, the good frame comes out and then the error."""
    decoder = EventStreamDecoder()

    assert decoder.feed(GOOD + fault) == decode(GOOD)

    with pytest.raises(LLMError):
        decoder.finish()


@settings(PURE, max_examples=300)
@given(st.data())
def test_flipped_bytes_raise_nothing_but_our_error(data: st.DataObject) -> None:
    """Mutated frames, with their checksums broken or mended, decode or raise LLMError.

    botocore lets UnicodeDecodeError, struct.error and KeyError out of one such frame in eight.
    """
    frame = bytearray(frame_of(NAMED + ALL_TYPES, b'{"text":"hi"}'))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    body = with_checksums(bytes(frame)) if data.draw(st.booleans()) else bytes(frame)
    decoder = EventStreamDecoder()

    assert decoder.feed(GOOD + body)[:1] == decode(GOOD)
    with contextlib.suppress(LLMError):
        decoder.finish()


@pytest.mark.parametrize(
    "headers",
    [{"n" * 256: "v"}, {"n": "v" * 65_536}, {"n": b"v" * 65_536}, {"n": 2**63}],
    ids=["name", "text", "bytes", "number"],
)
def test_a_header_that_does_not_fit_is_refused(headers: dict) -> None:
    """The encoder writes no frame that nobody could read."""
    with pytest.raises(ValueError, match="does not fit"):
        encode_frame(headers, b"")
