"""Server-sent events: bytes in, events out, at any block boundary.

Follows the WHATWG HTML standard, section 9.2.6 (line ends CR, LF, CRLF; BOM; comments; several data
lines), with one deliberate addition: `finish` returns a last event that lacks its blank line, because
servers do close right after it. Splits on bytes: text line splitting would also cut at U+2028 and U+0085.
"""

from __future__ import annotations

import msgspec

from tapeline.errors import ErrorCode, LLMError

EVENT_BYTES_LIMIT = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_LF, _CR = b"\n\r"  # as ints, which `in` and `find` look for several times faster than for bytes
_FIELDS = (b":", b"data", b"event", b"id", b"retry")


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event: its type ("" if none was given) and its data. A struct: there is one per token."""

    type: str
    data: bytes


class SSEDecoder:
    """Feed it blocks as they arrive; each call returns the events they complete.

    foreign: the first lines that belong to no event stream, such as those of an HTML page. The standard
    says to ignore them; a body that has nothing else is no event stream at all.
    """

    def __init__(self, *, event_bytes_limit: int = EVENT_BYTES_LIMIT) -> None:
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._limit = event_bytes_limit
        self._is_at_start = True
        self._ended_with_cr = False
        self._is_between_events = False
        self.foreign = b""

    def feed(self, block: bytes) -> list[Event]:
        """Return the events this block completes. Raises LLMError for an event over the limit."""
        if self._is_between_events and self._is_plain(block):  # so it is with nearly every block
            return self._events(block[:-2].split(b"\n\n"))
        events = self._feed_anything(block)
        self._is_between_events = not (self._waiting or self._is_at_start or self._ended_with_cr)
        return events

    def lone_data(self, block: bytes, start: bytes) -> bytes | None:
        """Return the data of a block that is just one event and begins with `start`; None for any other.

        The short way for a stream whose events nearly all begin alike, such as with b"data: ". A block that
        it answers must not be fed as well.
        """
        end = len(block) - 2
        is_lone = (
            self._is_between_events
            and block.startswith(start)
            and block.endswith(b"\n\n")
            and block.find(_LF, len(start)) == end
            and _CR not in block
            and end < self._limit
        )
        return block[len(start) : end] if is_lone else None

    def _is_plain(self, block: bytes) -> bool:
        """Whether a block holds whole events, in the usual line ends and within the limit."""
        return block.endswith(b"\n\n") and _CR not in block and len(block) <= self._limit

    def _feed_anything(self, block: bytes) -> list[Event]:
        if _CR in block or self._ended_with_cr:
            block = self._with_lf_only(block)
        if self._is_at_start:
            block = self._without_bom(block)
        if _LF not in block or not self._ends_an_event(block):
            self._keep(block)  # joined once, when the event is whole: it may come in thousands of blocks
            return []
        *frames, rest = b"".join((*self._waiting, block)).split(b"\n\n")
        is_large = self._waiting_bytes + len(block) > self._limit
        if is_large and max(map(len, frames), default=0) > self._limit:
            raise self._too_large()
        self._waiting.clear()
        self._waiting_bytes = 0
        self._keep(rest)
        return self._events(frames)

    def _ends_an_event(self, block: bytes) -> bool:
        if b"\n\n" in block:
            return True
        return block.startswith(b"\n") and bool(self._waiting) and self._waiting[-1].endswith(b"\n")

    def finish(self) -> list[Event]:
        """Return the event that was left without its closing blank line, if there is one."""
        rest = b"".join(self._waiting)
        self._waiting.clear()
        return self._events([rest])

    def _events(self, frames: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for frame in frames:
            if (event := parse_frame(frame)) is not None:
                events.append(event)
            elif not self.foreign:
                self.foreign = b"\n".join(line for line in frame.split(b"\n") if _is_foreign(line))
        return events

    def _with_lf_only(self, block: bytes) -> bytes:
        if self._ended_with_cr and block.startswith(b"\n"):
            block = block[1:]  # the second half of a CRLF cut in two
            self._ended_with_cr = False
        if block:
            self._ended_with_cr = block.endswith(b"\r")
        return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _without_bom(self, block: bytes) -> bytes:
        start = b"".join((*self._waiting, block))
        if len(start) < len(_BOM) and _BOM.startswith(start):
            return block  # may yet become a BOM
        self._is_at_start = False
        self._waiting.clear()
        self._waiting_bytes = 0
        return start.removeprefix(_BOM)

    def _keep(self, block: bytes) -> None:
        if not block:
            return
        self._waiting.append(block)
        self._waiting_bytes += len(block)
        if self._waiting_bytes > self._limit:
            raise self._too_large()

    def _too_large(self) -> LLMError:
        return LLMError(
            f"a streamed event is larger than {self._limit} bytes", code=ErrorCode.RESPONSE_TOO_LARGE
        )


def parse_frame(frame: bytes) -> Event | None:
    """Parse the lines between two blank lines; None if they hold no data."""
    if frame.startswith(b"data: ") and _LF not in frame:
        return Event("", frame[6:])
    if frame.startswith(b"event: ") and frame.count(b"\n") == 1:
        head, _, rest = frame.partition(b"\n")
        if rest.startswith(b"data: "):
            return Event(head[7:].decode("utf-8", "replace"), rest[6:])
    kind = ""
    data: list[bytes] = []
    for line in frame.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value.decode("utf-8", "replace")
    return Event(kind, b"\n".join(data)) if data else None


def _is_foreign(line: bytes) -> bool:
    """Whether a line is none of an event stream, and not the cut start of one either."""
    return not line.startswith(_FIELDS) and not any(field.startswith(line) for field in _FIELDS)


def encode_event(data: bytes, type: str = "") -> bytes:
    """Return the bytes of one event. `data` must be a single line."""
    head = f"event: {type}\n".encode() if type else b""
    return b"%sdata: %s\n\n" % (head, data)
