"""The two streams a caller iterates over. Each closes its response, however it is left."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from types import TracebackType
from typing import Self

from tapeline.client.call import StreamedCall
from tapeline.client.core import Core, Question
from tapeline.http.io import Io, iterate_blocking
from tapeline.types import Chunk, Reply


class _Stream:
    """What both streams share: the call, and the reply it adds up to."""

    def __init__(self, core: Core, io: Io, question: Question) -> None:
        self._call = StreamedCall(core, io, question)

    @property
    def reply(self) -> Reply:
        """The assembled answer; of a stream that was left early or broke, what had come.

        Raises RuntimeError while the stream is open, LLMError where the answer does not fit the schema.
        """
        if self._call.reply is None:
            raise RuntimeError("the stream has not ended: read it to its end, or close it, before .reply")
        return self._call.parsed(self._call.reply)


class ReplyStream(_Stream):
    """A streamed answer to iterate over; a context manager that closes the response."""

    def __init__(self, core: Core, io: Io, question: Question) -> None:
        super().__init__(core, io, question)
        self._chunks = _each(self._call)

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def close(self) -> None:
        """Stop reading and release the connection."""
        self._call.is_wanted = False
        self._chunks.close()
        self._call.end()  # a stream that was never begun has not ended by itself

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncReplyStream(_Stream):
    """`ReplyStream` for asyncio."""

    def __init__(self, core: Core, io: Io, question: Question) -> None:
        super().__init__(core, io, question)
        self._chunks = _aeach(self._call)

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self._chunks

    async def __anext__(self) -> Chunk:
        return await self._chunks.__anext__()

    async def aclose(self) -> None:
        """Stop reading and release the connection."""
        self._call.is_wanted = False
        await self._chunks.aclose()
        self._call.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


# Not methods: a generator that held its stream would keep it alive, and its response open, when dropped.


def _each(call: StreamedCall) -> Generator[Chunk, None, None]:
    with closing(iterate_blocking(call.batches())) as batches:
        for chunks in batches:
            yield from chunks


async def _aeach(call: StreamedCall) -> AsyncGenerator[Chunk, None]:
    async with aclosing(call.batches()) as batches:
        async for chunks in batches:
            for chunk in chunks:
                yield chunk
