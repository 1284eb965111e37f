"""Event streams as lines: all of them or none."""

from __future__ import annotations

from zlib import crc32

import pytest

from tapeline.cassettes.storage.frames import frame_lines
from tapeline.providers.eventstream import encode_event, encode_frame

EXCEPTION = {":exception-type": "throttlingException", ":message-type": "exception"}
WHOLE = encode_event("messageStart", b'{"role":"assistant"}') + encode_event("messageStop", b"{}")


def test_a_frame_is_a_line() -> None:
    body = WHOLE + encode_frame(EXCEPTION, '{"message":"zu früh"}'.encode())

    assert frame_lines(body) == (
        'messageStart {"role":"assistant"}\nmessageStop {}\n'
        'exception throttlingException {"message":"zu früh"}\n'
    )


UNREADABLE = {
    "nothing": b"",
    "cut": WHOLE[:-1],
    "no frames": b"hello, this is just some text",
    "a broken checksum": WHOLE[:-1] + b"\x00",
    "a payload that is no text": encode_event("x", b"\xff"),
    "a payload of two lines": encode_event("x", b'{"a":\n1}'),
    "a type of two lines": encode_event("x\ny", b"{}"),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_lines_cannot_say_has_none(body: bytes) -> None:
    assert frame_lines(body) is None


def test_headers_that_would_be_written_otherwise_have_no_lines() -> None:
    """A number in 32 bits comes back in 64."""
    head = b"".join(
        b"%c%s\x07\x00%c%s" % (len(name), name, len(value), value)
        for name, value in ((b":message-type", b"event"), (b":event-type", b"x"))
    )
    short = b"\x01n\x04\x00\x00\x00\x01"

    assert frame_lines(framed(head)) == "x {}\n"
    assert frame_lines(framed(head + short)) is None


def framed(head: bytes) -> bytes:
    sizes = (16 + len(head) + 2).to_bytes(4) + len(head).to_bytes(4)
    data = sizes + crc32(sizes).to_bytes(4) + head + b"{}"
    return data + crc32(data).to_bytes(4)
