"""Newline-delimited JSON: bytes in, lines out, at any block boundary.

Splits at LF only: text line splitting would also cut inside a string, at U+2028 or U+0085. Blank lines
are skipped. Does not decode the lines; a CR before the LF is white space to JSON and stays.
"""

from __future__ import annotations

from tapeline.errors import ErrorCode, LLMError

LINE_BYTES_LIMIT = 16 * 1024 * 1024
_LF = ord("\n")  # as an int, which `in` and `find` look for several times faster than for bytes


class LineSplitter:
    """Feed it blocks as they arrive; each call returns the lines they complete."""

    def __init__(self, *, line_bytes_limit: int = LINE_BYTES_LIMIT) -> None:
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._limit = line_bytes_limit

    def feed(self, block: bytes) -> list[bytes]:
        """Return the lines this block completes. Raises LLMError for a line over the limit."""
        if _LF not in block:
            self._keep(block)
            return []
        *lines, rest = b"".join((*self._waiting, block)).split(b"\n")
        if self._waiting_bytes + len(block) > self._limit and max(map(len, lines)) > self._limit:
            raise self._too_large()
        self._waiting.clear()
        self._waiting_bytes = 0
        self._keep(rest)
        return [line for line in lines if line.strip()]

    def is_lone_line(self, block: bytes) -> bool:
        """Whether a block is one line and no more, as nearly every one is: then there is nothing to split."""
        size = len(block)
        return block.find(_LF) == size - 1 and not self._waiting_bytes and 1 < size <= self._limit

    def finish(self) -> list[bytes]:
        """Return the last line if the body ended without its LF, as servers may."""
        line = b"".join(self._waiting)
        self._waiting.clear()
        return [line] if line.strip() else []

    def _keep(self, block: bytes) -> None:
        self._waiting.append(block)
        self._waiting_bytes += len(block)
        if self._waiting_bytes > self._limit:
            raise self._too_large()

    def _too_large(self) -> LLMError:
        return LLMError(
            f"a streamed line is larger than {self._limit} bytes", code=ErrorCode.RESPONSE_TOO_LARGE
        )
