"""The streamed call, and the two streams a caller iterates over.

A stream has two parts. Until its first content comes, a failure can be tried again: `StreamedCall.open`
makes the tries, a coroutine like all of the core. Afterwards there is nothing left to decide, only blocks to
decode: the faces read them straight from the response, because this is where a stream spends its time.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from tapeline.client.attempts import Attempts
from tapeline.client.call import Call
from tapeline.client.core import Core, Question
from tapeline.client.target import Target
from tapeline.clock import NS_PER_S
from tapeline.errors import ErrorCode, LLMError
from tapeline.http.io import Io, Received, run_blocking
from tapeline.providers.assembly import Assembler, chunks_of
from tapeline.providers.codec import StreamDecoder
from tapeline.telemetry import CallRecord
from tapeline.types import Chunk, Reply


class StreamedCall(Call):
    """A call that is answered in chunks.

    A face enters `watched`, then hands out the chunks of `open`, of `take` for each further block while
    `is_reading`, and of `finish`, each after `add`; in the end it awaits `close`.
    """

    verb = "stream"
    is_stream = True

    def __init__(self, core: Core, io: Io, question: Question) -> None:
        super().__init__(core, io, question)
        self.reply: Reply | None = None
        self.is_wanted = True
        self.is_reading = False
        self.received: Received | None = None
        self._is_delivering = False
        self._is_cached = False
        self._assembler = Assembler()
        self.add: Callable[[Chunk], None] = self._assembler.add
        self._record: CallRecord
        self._attempts: Attempts | None = None
        self._now_ns = io.clock.now_ns
        self._decoder: StreamDecoder
        self._body: list[bytes] | None = None

    # The beginning: tries -----------------------------------------------------------------------------

    async def open(self) -> list[Chunk]:
        """Make tries until one brings content, and return what came up to there. Raises LLMError."""
        kept = self._from_cache(self._read_again)
        if kept is not None:
            self._record.cached()
            self._is_cached = True
            return self._stamped(kept)
        attempts = self._attempts = self._new_attempts(self._record)
        target = await attempts.first()
        while True:
            try:
                chunks = await self._first_content(target, attempts)
            except LLMError as error:
                await self.close()
                self._failed(error, target, attempts)
                target = await attempts.after(error)
            else:
                self._is_delivering = True
                return chunks

    async def _first_content(self, target: Target, attempts: Attempts) -> list[Chunk]:
        self._target = target
        self._body = None
        received = self.received = await self._send(target, attempts)
        chunks: list[Chunk] = []
        try:
            if _is_plain_json(received) and "json" not in target.codec.stream_media_type:
                return self._stamped(await self._whole(received, target))
            self._decoder = target.codec.stream_decoder()
            if self._core.cache is not None:
                self._body = []
            self.is_reading = True
            while (block := await received.next_block()) is not None:
                chunks += (new := self.take(block))
                if any(chunk.has_content for chunk in new):
                    return chunks
            return chunks + self.finish()
        except LLMError as error:
            self.is_reading = False
            error.partial = _reply_of(chunks, self._elapsed_s())
            raise

    async def _whole(self, received: Received, target: Target) -> list[Chunk]:
        """Some servers and gateways ignore `stream` and send the whole answer."""
        body = await received.read()
        chunks = chunks_of(target.codec.decode_response(body))
        chunks[-1].raw = body  # the only event there is
        return chunks

    def _read_again(self, body: bytes) -> list[Chunk]:
        decoder = self._core.primary.codec.stream_decoder()
        return decoder.feed(body) + decoder.finish()

    # The rest: blocks ---------------------------------------------------------------------------------

    def take(self, block: bytes) -> list[Chunk]:
        """Return the chunks that a block brings, with the time it came. Raises LLMError."""
        if self._body is not None:
            self._body.append(block)
        chunks = self._decoder.feed(block)
        at_s = (self._now_ns() - self._start_ns) / NS_PER_S
        for chunk in chunks:
            chunk.at_s = at_s
        return chunks

    def finish(self) -> list[Chunk]:
        """Return the chunks that the end of the body brings. Raises LLMError if the answer had not ended."""
        self.is_reading = False
        return self._stamped(self._decoder.finish())

    def _stamped(self, chunks: list[Chunk]) -> list[Chunk]:
        at_s = self._elapsed_s()
        for chunk in chunks:
            chunk.at_s = at_s
        return chunks

    @property
    def blocks(self) -> Any:
        """What is left of the body: to iterate over, on asyncio with `async for`."""
        assert self.received is not None, "the stream is open"
        return self.received.blocks

    async def close(self) -> None:
        """Release the connection."""
        if self.received is not None:
            await self.received.close()

    # The end ------------------------------------------------------------------------------------------

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Report the call, however it ends: read whole, broken, left by the caller or cancelled."""
        self._start_ns = self._io.clock.now_ns()
        with self._span() as self._record:
            if self._record.wants_chunks:
                self.add = self._add_reported
            try:
                yield
            except LLMError as error:
                self._broke(error)
                raise
            except GeneratorExit:
                self._leave()
                raise
            except Exception:
                raise  # not one of ours: the record names it by its class
            except BaseException:
                self._record.cancelled(total_s=self._elapsed_s())
                raise
            else:
                self._complete()
            finally:
                self.end()
                if self._attempts is not None:
                    self._attempts.abandoned()  # if a try is still under way

    def end(self) -> Reply:
        """Return the reply as it is now, and from now on."""
        if self.reply is None:
            reply = self._assembler.reply(total_s=self._elapsed_s())
            self.reply = self._core.priced(replace(reply, is_cached=self._is_cached), self._target)
        return self.reply

    def _complete(self) -> None:
        reply = self.end()
        if self._attempts is not None:
            assert self.received is not None, "a try has succeeded"
            self._succeeded(reply, self._target, self._attempts)
            if self._body is not None:
                self._keep(self.received, b"".join(self._body), reply, self._target)
        self._record.finished(reply)

    def _broke(self, error: LLMError) -> None:
        if self._is_delivering and self._attempts is not None:
            self._failed(error, self._target, self._attempts)
            # Only of a stream that was cut can it be said that the same call may go well.
            error.retryable = error.code is ErrorCode.STREAM_CLOSED
            error.partial = self.end()
            self._attempts.failed(error)
        self._record.failed(self._placed(error, self._target), total_s=self._elapsed_s())

    def _leave(self) -> None:
        """The caller reads no further. Whoever did not close the stream hears of it, as with open files."""
        self._record.abandoned(total_s=self._elapsed_s())
        if self.is_wanted:
            warnings.warn("a stream was left open: use `with`", ResourceWarning, stacklevel=2)

    def _add_reported(self, chunk: Chunk) -> None:
        self._assembler.add(chunk)
        if chunk.has_content:
            self._record.chunk(chunk.at_s)


def _reply_of(chunks: list[Chunk], total_s: float) -> Reply:
    assembler = Assembler()
    for chunk in chunks:
        assembler.add(chunk)
    return assembler.reply(total_s=total_s)


def _is_plain_json(received: Received) -> bool:
    return received.headers.get("content-type", "").startswith("application/json")


# The two faces. Functions, not methods: a generator that held its stream would keep it alive, and its
# response open, after the caller has dropped it.


def _each(call: StreamedCall) -> Generator[Chunk, None, None]:
    try:
        with call.watched():
            for chunk in run_blocking(call.open()):
                call.add(chunk)
                yield chunk
            if not call.is_reading:
                return
            add, take = call.add, call.take
            for block in call.blocks:
                for chunk in take(block):
                    add(chunk)
                    yield chunk
            for chunk in call.finish():
                add(chunk)
                yield chunk
    finally:
        run_blocking(call.close())


async def _aeach(call: StreamedCall) -> AsyncGenerator[Chunk, None]:
    try:
        with call.watched():
            for chunk in await call.open():
                call.add(chunk)
                yield chunk
            if not call.is_reading:
                return
            add, take = call.add, call.take
            async for block in call.blocks:
                for chunk in take(block):
                    add(chunk)
                    yield chunk
            for chunk in call.finish():
                add(chunk)
                yield chunk
    finally:
        await call.close()


class _Stream:
    """What both streams share: the call, and the reply it adds up to."""

    def __init__(self, core: Core, io: Io, question: Question) -> None:
        self._call = StreamedCall(core, io, question)
        self._reply: Reply | None = None

    @property
    def reply(self) -> Reply:
        """The assembled answer; of a stream that was left early or broke, what had come.

        Raises RuntimeError while the stream is open, LLMError where the answer does not fit the schema.
        """
        if self._call.reply is None:
            raise RuntimeError("the stream has not ended: read it to its end, or close it, before .reply")
        if self._reply is None:
            self._reply = self._call.parsed(self._call.reply)
        return self._reply


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
