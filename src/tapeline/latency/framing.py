"""Where the events of a streamed body begin and end, told from its bytes alone.

An event is a server-sent event that has data, a line of JSON or a frame of the AWS event stream, as the
content type says. Any other body is one event. Finds their ends; what they say is for the codecs to read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

SSE = "text/event-stream"
FRAMES = "application/vnd.amazon.eventstream"
FRAME_BYTES_MIN = 16  # two lengths and two checksums

_BLANK_LINES = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2,}")
_DATA = re.compile(
    rb"(?:(?<=[\r\n])|\A(?:\xef\xbb\xbf)?)data"
)  # after a line end, or at the start and its BOM
_LINE_ENDS = re.compile(rb"[\r\n]+")


class Span(NamedTuple):
    """Bytes `start` to `end` of a body, as a slice counts them."""

    start: int
    end: int


def event_spans(body: bytes, content_type: str) -> list[Span]:
    """Return the events of a body, which together are all of it. A cut event at its end counts as one."""
    ends = list(_ENDS.get(media_type(content_type), _no_ends)(body))
    begun = body[ends[-1] if ends else 0 :]
    if begun.strip():
        ends.append(len(body))
    elif ends:
        ends[-1] = len(body)
    return [Span(*pair) for pair in pairwise([0, *ends])]


def is_streamed(content_type: str) -> bool:
    """Whether a body comes as events."""
    return media_type(content_type) in _ENDS


def media_type(content_type: str) -> str:
    """Return a content type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def _sse_ends(body: bytes) -> Iterator[int]:
    start = 0
    for blank in _BLANK_LINES.finditer(body):
        if _DATA.search(body, start, blank.start()):  # or else it is a comment, which belongs to what follows
            yield blank.end()
            start = blank.end()


def _line_ends(body: bytes) -> Iterator[int]:
    return (line_end.end() for line_end in _LINE_ENDS.finditer(body) if line_end.start())


def _frame_ends(body: bytes) -> Iterator[int]:
    start = 0
    while start + 4 <= len(body):
        (frame_bytes,) = struct.unpack_from(">I", body, start)
        start += frame_bytes
        if frame_bytes < FRAME_BYTES_MIN or start > len(body):
            return
        yield start


def _no_ends(body: bytes) -> Iterator[int]:
    return iter(())


_ENDS: dict[str, Callable[[bytes], Iterator[int]]] = {
    SSE: _sse_ends,
    FRAMES: _frame_ends,
    **dict.fromkeys(("application/x-ndjson", "application/ndjson", "application/jsonl"), _line_ends),
}
"""Media type -> where its events end."""
