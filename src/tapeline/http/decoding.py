"""Content encodings, undone piece by piece: what a body grows to is known before it has grown.

A body of 300 kB can inflate to 300 MB, and a client that inflates first and looks later has lost.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from tapeline.errors import ErrorCode, LLMError

PIECE_BYTES = 256 * 1024
BODY_BYTES_LIMIT = 64 * 1024 * 1024

Inflate = Callable[[bytes], Iterator[bytes]]

INFLATED = frozenset({"gzip", "x-gzip", "deflate"})
"""The encodings undone here; others are left to the HTTP client."""


def inflater() -> Inflate:
    """Return what undoes gzip or zlib, in pieces up to PIECE_BYTES. It raises LLMError for other bytes."""
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: find out which of the two it is

    def pieces(block: bytes) -> Iterator[bytes]:
        while block:
            try:
                piece = inflate.decompress(block, PIECE_BYTES)
            except zlib.error as error:
                raise LLMError(
                    f"the body is not in the encoding it says: {error}", code=ErrorCode.MALFORMED_RESPONSE
                ) from error
            if piece:
                yield piece
            block = inflate.unconsumed_tail

    return pieces


class BoundedBody:
    """Collects a body up to a limit."""

    def __init__(self, limit_bytes: int = BODY_BYTES_LIMIT) -> None:
        self._limit_bytes = limit_bytes
        self._pieces: list[bytes] = []
        self._bytes = 0

    def add(self, piece: bytes) -> None:
        """Keep a piece. Raises LLMError (response_too_large) over the limit, and lets go of the rest."""
        self._bytes += len(piece)
        if self._bytes > self._limit_bytes:
            self._pieces.clear()
            raise LLMError(
                f"the response is larger than {self._limit_bytes} bytes", code=ErrorCode.RESPONSE_TOO_LARGE
            )
        self._pieces.append(piece)

    def whole(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
