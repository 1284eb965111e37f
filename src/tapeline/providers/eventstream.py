"""The AWS event stream encoding (application/vnd.amazon.eventstream): bytes in, frames out.

At any block boundary. Knows frames and their headers, not what a service puts into them: payloads stay
bytes. Integers are big-endian, lengths are bytes, timestamps are milliseconds since 1970. One frame is

    total length (4) | headers length (4) | CRC-32 of these 8 bytes (4)
    headers | payload | CRC-32 of everything before it (4)

Source: https://smithy.io/2.0/aws/amazon-eventstream.html. Unlike botocore's parser, which lets
struct.error, KeyError and UnicodeDecodeError out and waits for bytes of a length no frame can have,
this one raises LLMError (malformed_response) for whatever is not a frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias
from zlib import crc32

import msgspec

from tapeline.errors import LLMError
from tapeline.providers.errors import closed, malformed

HeaderValue: TypeAlias = bool | int | bytes | str
Headers: TypeAlias = tuple[tuple[str, HeaderValue], ...]

PAYLOAD_BYTES_LIMIT = 24 * 1024 * 1024  # both limits are those of botocore
HEADERS_BYTES_LIMIT = 128 * 1024

_PRELUDE = struct.Struct(">III")
_PRELUDE_BYTES = _PRELUDE.size
_CRC = struct.Struct(">I")
_FRAME_BYTES_MIN = _PRELUDE_BYTES + _CRC.size

TYPE_HEADERS: Mapping[str, str] = {
    "event": ":event-type",
    "exception": ":exception-type",
    "error": ":error-code",
}
"""Which header names the type of a frame, by its `:message-type`."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame. message_type: event, exception or error; type: which one of these.

    A struct, which is cheaper than a tuple: there is one per token.
    """

    message_type: str
    type: str
    content_type: str
    headers: Headers
    payload: bytes


class EventStreamDecoder:
    """Feed it blocks as they arrive; each call returns the frames they complete.

    A fault is raised only after the frames in front of it were returned, by the next call if they came
    in the same block: so the frames are the same however the stream was cut.
    """

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._needed_bytes = _PRELUDE_BYTES
        self._error: LLMError | None = None

    def feed(self, block: bytes) -> list[Frame]:
        if self._error is not None:
            raise self._error
        if self._waiting:
            self._waiting += block
            if len(self._waiting) < self._needed_bytes:
                return []  # nothing is copied or looked at twice, however small the blocks
            block = bytes(self._waiting)
            self._waiting.clear()
        return self._take_frames(block)

    def lone_payload(self, block: bytes, head: bytes) -> bytes | None:
        """Return the payload of a block that is just one frame with these headers; None for any other.

        The short way for a stream whose frames are nearly all of one type. A block that it answers must
        not be fed as well. head: see `event_head`.
        """
        if self._waiting or self._error is not None or len(block) < _FRAME_BYTES_MIN:
            return None
        size, headers_size, crc = _PRELUDE.unpack_from(block)
        is_lone = (
            size == len(block) <= PAYLOAD_BYTES_LIMIT
            and headers_size == len(head)
            and block.startswith(head, _PRELUDE_BYTES)
            and crc32(block[:8]) == crc
            and (crc32(block[8:-4], crc),) == _CRC.unpack_from(block, size - _CRC.size)
        )
        return block[_PRELUDE_BYTES + headers_size : -4] if is_lone else None

    def finish(self) -> None:
        """The stream has ended. Raises LLMError (stream_closed) if it did inside a frame."""
        if self._error is not None:
            raise self._error
        if self._waiting:
            raise closed(f"inside a frame, after {len(self._waiting)} bytes of it")

    def _take_frames(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole, and let the rest wait."""
        frames: list[Frame] = []
        start = 0
        self._needed_bytes = _PRELUDE_BYTES
        try:
            while start + _PRELUDE_BYTES <= len(data):
                size, headers_size, crc = _PRELUDE.unpack_from(data, start)
                _check_prelude(data[start : start + 8], size, headers_size, crc)
                if start + size > len(data):
                    self._needed_bytes = size
                    break
                frames.append(_decode_frame(data, start, start + size, headers_size, crc))
                start += size
        except LLMError as error:
            self._error = error
            if not frames:
                raise
        if start < len(data):
            self._waiting += data[start:]
        return frames


# Decoding -----------------------------------------------------------------------------------------


def _check_prelude(sizes: bytes, size: int, headers_size: int, crc: int) -> None:
    if crc32(sizes) != crc:
        raise malformed("the checksum of a frame's prelude does not match")
    payload_size = size - headers_size - _FRAME_BYTES_MIN
    if not 0 <= payload_size <= PAYLOAD_BYTES_LIMIT or headers_size > HEADERS_BYTES_LIMIT:
        raise malformed(f"a frame of {size} bytes cannot hold {headers_size} bytes of headers")


def _decode_frame(data: bytes, start: int, end: int, headers_size: int, prelude_crc: int) -> Frame:
    payload_end = end - _CRC.size
    # The prelude's CRC is that of the first 8 bytes: the frame's CRC goes on from there.
    (crc,) = _CRC.unpack_from(data, payload_end)
    if crc32(data[start + 8 : payload_end], prelude_crc) != crc:
        raise malformed("the checksum of a frame does not match")
    headers_start = start + _PRELUDE_BYTES
    payload_start = headers_start + headers_size
    message_type, type, content_type, headers = _decode_head(data[headers_start:payload_start])
    return Frame(message_type, type, content_type, headers, data[payload_start:payload_end])


# All frames of one event type have the same header bytes, and parsing them costs more than the rest of
# the frame. 64 blocks are many times what a service uses, and at most 8 MiB if a peer sends the longest.
@lru_cache(maxsize=64)
def _decode_head(block: bytes) -> tuple[str, str, str, Headers]:
    headers = decode_headers(block)
    fields = dict(headers)
    message_type = fields.get(":message-type")
    if not isinstance(message_type, str) or message_type not in TYPE_HEADERS:
        raise malformed(f"a frame with :message-type {message_type!r}")
    type = fields.get(TYPE_HEADERS[message_type])
    content_type = fields.get(":content-type", "")
    if not isinstance(type, str) or not isinstance(content_type, str):
        raise malformed(f"a frame of :message-type {message_type} without a type")
    return message_type, type, content_type, headers


def decode_headers(block: bytes) -> Headers:
    """Return the headers of a block as pairs, in order.

    Timestamps come as int, UUIDs as their 16 bytes. Raises LLMError if the block is malformed.
    """
    headers: dict[str, HeaderValue] = {}
    start = 0
    try:
        while start < len(block):
            name, start = _decode_name(block, start)
            value, start = _DECODERS[block[start]](block, start + 1)
            if name in headers:
                raise malformed(f"a frame with two headers {name!r}")
            headers[name] = value
    except (IndexError, UnicodeDecodeError, struct.error) as error:
        raise malformed(f"a frame with broken headers: {error}") from error
    return tuple(headers.items())


def _decode_name(block: bytes, start: int) -> tuple[str, int]:
    end = start + 1 + block[start]
    return _cut(block, start + 1, end).decode(), end


def _decode_bytes(block: bytes, start: int) -> tuple[bytes, int]:
    (size,) = _SIZE.unpack_from(block, start)
    end = start + _SIZE.size + size
    return _cut(block, start + _SIZE.size, end), end


def _decode_string(block: bytes, start: int) -> tuple[str, int]:
    value, end = _decode_bytes(block, start)
    return value.decode(), end


def _decode_uuid(block: bytes, start: int) -> tuple[bytes, int]:
    return _cut(block, start, start + 16), start + 16


def _cut(block: bytes, start: int, end: int) -> bytes:
    """Slice, but never short: a slice past the end would pass a length that lies."""
    if end > len(block):
        raise IndexError("a length goes past the end")
    return block[start:end]


def _integer(format: str) -> Callable[[bytes, int], tuple[int, int]]:
    shape = struct.Struct(format)

    def decode(block: bytes, start: int) -> tuple[int, int]:
        return int(shape.unpack_from(block, start)[0]), start + shape.size

    return decode


def _constant(value: bool) -> Callable[[bytes, int], tuple[bool, int]]:
    return lambda _, start: (value, start)


_SIZE = struct.Struct(">H")
_TRUE, _FALSE, _LONG, _BYTES, _STRING = 0, 1, 5, 6, 7  # the types that we write ourselves
_DECODERS: tuple[Callable[[bytes, int], tuple[HeaderValue, int]], ...] = (
    _constant(True),
    _constant(False),
    _integer(">b"),
    _integer(">h"),
    _integer(">i"),
    _integer(">q"),
    _decode_bytes,
    _decode_string,
    _integer(">q"),  # a timestamp
    _decode_uuid,
)
"""By header type, 0 to 9; any other type is an IndexError."""


# Encoding -----------------------------------------------------------------------------------------


def encode_frame(headers: Mapping[str, HeaderValue], payload: bytes) -> bytes:
    """Return the bytes of one frame. An int is written as a long (64 bits).

    Raises ValueError for a name of more than 255 bytes, a value of more than 65,535, or a larger int.
    """
    block = _encode_headers(headers)
    sizes = struct.pack(">II", _FRAME_BYTES_MIN + len(block) + len(payload), len(block))
    frame = b"".join((sizes, _CRC.pack(crc32(sizes)), block, payload))
    return frame + _CRC.pack(crc32(frame))


def encode_event(type: str, payload: bytes) -> bytes:
    """Return the frame of one event with a JSON payload."""
    return encode_frame(_event_headers(type), payload)


def event_head(type: str) -> bytes:
    """Return the headers of such a frame, as AWS writes them: to know one by its first bytes."""
    return _encode_headers(_event_headers(type))


def _event_headers(type: str) -> Mapping[str, HeaderValue]:
    return {":event-type": type, ":content-type": "application/json", ":message-type": "event"}


def _encode_headers(headers: Mapping[str, HeaderValue]) -> bytes:
    return b"".join(_encode_header(name, value) for name, value in headers.items())


def _encode_header(name: str, value: HeaderValue) -> bytes:
    encoded = name.encode()
    try:
        return b"%c%s%s" % (len(encoded), encoded, _encode_value(value))
    except (OverflowError, struct.error) as error:
        raise ValueError(f"header {name!r:.80} does not fit into a frame: {error}") from error


def _encode_value(value: HeaderValue) -> bytes:
    match value:
        case bool():
            return bytes((_TRUE if value else _FALSE,))
        case int():
            return struct.pack(">Bq", _LONG, value)
        case str():
            encoded = value.encode()
            return struct.pack(">BH", _STRING, len(encoded)) + encoded
        case bytes():
            return struct.pack(">BH", _BYTES, len(value)) + value
