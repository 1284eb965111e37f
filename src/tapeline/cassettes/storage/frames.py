"""AWS event streams as text: a line per frame, beside the bytes that are replayed.

For people and for diffs only: nothing is read back from it.
"""

from __future__ import annotations

from tapeline.errors import LLMError
from tapeline.providers.eventstream import EventStreamDecoder, Frame, encode_frame


def frame_lines(body: bytes) -> str | None:
    """Return a line per frame: its type and what it says. None if that would not say all of the body."""
    decoder = EventStreamDecoder()
    try:
        frames = decoder.feed(body)
        decoder.finish()
        if not frames or b"".join(encode_frame(dict(f.headers), f.payload) for f in frames) != body:
            return None
        return "".join(f"{line}\n" for line in map(_line, frames))
    except (LLMError, ValueError):
        return None


def _line(frame: Frame) -> str:
    """Raises ValueError for a payload that is no text of one line."""
    kind = "" if frame.message_type == "event" else f"{frame.message_type} "
    line = f"{kind}{frame.type} {frame.payload.decode('utf-8')}"
    if line.splitlines() != [line]:
        raise ValueError("a payload of several lines")
    return line
