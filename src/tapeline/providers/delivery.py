"""Chunks first, then the error behind them: what a caller gets must not depend on how a body was cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.errors import closed
from tapeline.types import Chunk

E = TypeVar("E")
"""An event of the framing: a server-sent event, a line, a frame."""


class Delivery:
    """Lets the chunks before an error go first: the error is raised by the next call.

    Without it a block that holds "Hello" and then an error would lose the "Hello", and what a caller
    gets would depend on how the network happened to cut the body. held: the error that waits, if one does.
    """

    def __init__(self) -> None:
        self.held: LLMError | None = None

    def collect(self, decode: Callable[[E], Chunk | None], events: Iterable[E]) -> list[Chunk]:
        """Return the chunks of `events`, up to the first that cannot be decoded."""
        if self.held is not None:
            raise self.held
        chunks: list[Chunk] = []
        try:
            for event in events:
                if (chunk := decode(event)) is not None:
                    chunks.append(chunk)
        except LLMError as error:
            if not chunks:
                raise
            self.held = error
        return chunks

    def raise_held(self) -> None:
        if self.held is not None:
            raise self.held


def decode_tail(decode: Callable[[E], Chunk | None], events: Iterable[E]) -> list[Chunk]:
    """Decode what the end of the body left unfinished: if it is cut, the stream closed too early."""
    try:
        return [chunk for event in events if (chunk := decode(event)) is not None]
    except LLMError as error:
        if error.code is not ErrorCode.MALFORMED_RESPONSE:
            raise
        raise closed("inside an event") from error
