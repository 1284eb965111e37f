"""One call, from request to reply: written once, as coroutines that await nothing but an Io."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractContextManager, aclosing
from dataclasses import replace

from tapeline import structured
from tapeline.client.attempts import Attempts
from tapeline.client.core import Core, Question
from tapeline.client.stored import KeptResponse, StoredResponse, key_of, wall_s
from tapeline.client.target import Target
from tapeline.clock import NS_PER_S
from tapeline.errors import ErrorCode, LLMError
from tapeline.http.deadline import Deadline
from tapeline.http.io import Io, Received
from tapeline.policies.cache import is_kept
from tapeline.providers.assembly import Assembler, chunks_of
from tapeline.telemetry import CallRecord, call_span
from tapeline.types import Chunk, Reply, Timing


class Call:
    """What the plain and the streamed call share: their span, their tries, the response cache.

    deadline: that of more calls than this one; None: it has its own, if the core says so.
    """

    verb = "generate"
    is_stream = False

    def __init__(self, core: Core, io: Io, question: Question, deadline: Deadline | None = None) -> None:
        self._core = core
        self._io = io
        self._question = question
        self._deadline = deadline
        self._start_ns = io.clock.now_ns()
        self._target = core.primary

    def parsed(self, reply: Reply) -> Reply:
        """Return the reply with its value, if a schema was asked for. Raises LLMError (invalid_response)."""
        if self._question.schema is None:
            return reply
        try:
            return replace(reply, parsed=structured.parse(reply, self._question.schema))
        except LLMError as error:
            self._placed(error, self._target)
            raise

    def _placed(self, error: LLMError, target: Target) -> LLMError:
        return self._core.placed(error, target, self.verb)

    def _elapsed_s(self) -> float:
        return (self._io.clock.now_ns() - self._start_ns) / NS_PER_S

    def _span(self) -> AbstractContextManager[CallRecord]:
        primary = self._core.primary
        return call_span(
            self._core.asked(self._question, primary),
            provider=primary.codec.provider,
            base_url=primary.provider.carrier.base_url,
        )

    def _attempts(self, record: CallRecord) -> Attempts:
        return Attempts(
            self._core.ordered(self._question),
            self._question.request,
            io=self._io,
            random=self._core.random,
            record=record,
            deadline=self._deadline or self._core.deadline(self._io.clock),
        )

    async def _send(self, target: Target, attempts: Attempts) -> Received:
        """Send the request and return the response, if its status is a good one."""
        request = target.codec.encode_request(self._core.asked(self._question, target))
        received: Received = await self._io.send(
            target.provider.carrier, request, is_stream=self.is_stream, deadline=attempts.deadline
        )
        if received.is_replay:
            attempts.record.replayed()
        if received.status < 300:
            return received if self._core.cache is None else KeptResponse(received, key_of(target, request))
        try:
            body = await received.read()
        finally:
            await received.close()
        raise target.codec.decode_error(received.status, received.headers, body)

    def _stored(self) -> StoredResponse | None:
        """Return the response the cache holds for this request, if there is a cache and it does."""
        if self._core.cache is None:
            return None
        found = self._core.cache.get(self._core.cache_key(self._question), wall_s(self._io.clock))
        return None if found is None else StoredResponse(found)

    def _keep(self, received: Received, reply: Reply) -> None:
        """Put a response into the cache, now that it is whole and could be decoded."""
        cache = self._core.cache
        if cache is None or not isinstance(received, KeptResponse):
            return
        if is_kept(received.status, reply.finish_reason) and self._fits(reply):
            received.put_into(cache, self._io.clock, is_stream=self.is_stream)

    def _fits(self, reply: Reply) -> bool:
        schema = self._question.schema
        if schema is None or not structured.is_answer(reply, schema):
            return True
        try:
            structured.parse(reply, schema)
        except LLMError:
            return False
        return True

    def _failed(self, error: LLMError, target: Target, attempts: Attempts) -> None:
        self._placed(error, target).attempts = attempts.made

    def _succeeded(self, reply: Reply, target: Target, attempts: Attempts) -> None:
        attempts.succeeded(reply)
        # Of this try alone: the waits and failures before it are not the target's own.
        before_s = (attempts.began_ns - self._start_ns) / NS_PER_S
        ttft_s = None if reply.timing.ttft_s is None else reply.timing.ttft_s - before_s
        self._core.learn(target, Timing(total_s=self._elapsed_s() - before_s, ttft_s=ttft_s))


class PlainCall(Call):
    """A call that is answered at once."""

    async def reply(self) -> Reply:
        """Return the answer. Raises LLMError."""
        with self._span() as record:
            try:
                reply = await self._found(record)
            except LLMError as error:
                record.failed(self._placed(error, self._target), total_s=self._elapsed_s())
                raise
            except Exception:
                raise  # not one of ours: the record names it by its class
            except BaseException:
                record.cancelled(total_s=self._elapsed_s())
                raise
            timing = replace(reply.timing, total_s=self._elapsed_s())
            reply = self._core.priced(replace(reply, timing=timing), self._target)
            record.finished(reply)
            return reply

    async def _found(self, record: CallRecord) -> Reply:
        if (stored := self._stored()) is not None:
            record.cached()
            reply = self._core.primary.codec.decode_response(await stored.read())
            return replace(reply, is_cached=True)
        attempts = self._attempts(record)
        try:
            return await self._answered(attempts)
        except BaseException:
            attempts.abandoned()
            raise

    async def _answered(self, attempts: Attempts) -> Reply:
        target = await attempts.first()
        while True:
            try:
                reply = await self._one_try(target, attempts)
            except LLMError as error:
                self._failed(error, target, attempts)
                target = await attempts.after(error)
            else:
                self._target = target
                self._succeeded(reply, target, attempts)
                return reply

    async def _one_try(self, target: Target, attempts: Attempts) -> Reply:
        received = await self._send(target, attempts)
        try:
            body = await received.read()
        finally:
            await received.close()
        reply = target.codec.decode_response(body)
        self._keep(received, reply)
        return reply


class StreamedCall(Call):
    """A call that is answered in chunks; when they have come, `reply` is what they add up to."""

    verb = "stream"
    is_stream = True

    def __init__(self, core: Core, io: Io, question: Question) -> None:
        super().__init__(core, io, question)
        self.reply: Reply | None = None
        self.is_wanted = True
        self._start()

    def _start(self) -> None:
        """Begin a try: nothing that an earlier one brought counts."""
        self._assembler = Assembler()
        self._held: list[Chunk] = []
        self._is_delivering = False

    async def batches(self) -> AsyncGenerator[list[Chunk], None]:
        """Yield the chunks, those of one block of bytes at a time.

        Failures are tried again as those of a plain call are, but never once content has been yielded.
        """
        self._start_ns = self._io.clock.now_ns()
        with self._span() as record:
            try:
                async with aclosing(self._found(record)) as batches:
                    async for chunks in batches:
                        yield chunks
            except LLMError as error:
                record.failed(self._placed(error, self._target), total_s=self._elapsed_s())
                raise
            except GeneratorExit:
                self._leave(record)
                raise
            except Exception:
                raise
            except BaseException:
                record.cancelled(total_s=self._elapsed_s())
                raise
            finally:
                self.end()
            record.finished(self.end())

    def _leave(self, record: CallRecord) -> None:
        """The caller reads no further. Whoever did not close the stream hears of it, as with open files."""
        record.abandoned(total_s=self._elapsed_s())
        if self.is_wanted:
            warnings.warn("a stream was left open: use `with`", ResourceWarning, stacklevel=2)

    def end(self, *, is_cached: bool = False) -> Reply:
        """Return the reply as it is now, and from now on."""
        if self.reply is None:
            reply = self._assembler.reply(total_s=self._elapsed_s())
            self.reply = self._core.priced(replace(reply, is_cached=is_cached), self._target)
        return self.reply

    async def _found(self, record: CallRecord) -> AsyncGenerator[list[Chunk], None]:
        if (stored := self._stored()) is not None:
            record.cached()
            async with aclosing(self._decoded(stored, self._core.primary)) as batches:
                async for chunks in batches:
                    yield chunks
            self.end(is_cached=True)
            return
        attempts = self._attempts(record)
        try:
            async with aclosing(self._answered(attempts, record)) as batches:
                async for chunks in batches:
                    yield chunks
        except BaseException:
            attempts.abandoned()
            raise

    async def _answered(self, attempts: Attempts, record: CallRecord) -> AsyncGenerator[list[Chunk], None]:
        target = await attempts.first()
        while True:
            self._start()
            self._target = target
            try:
                # aclosing: a generator left to the garbage collector closes its response late, and
                # inside a running event loop not before the loop turns.
                async with aclosing(self._one_try(target, attempts)) as batches:
                    async for chunks in batches:
                        if record.wants_chunks:
                            _report(chunks, record)
                        yield chunks
            except LLMError as error:
                self._failed(error, target, attempts)
                if self._is_delivering:
                    attempts.failed(error)
                    raise
                target = await attempts.after(error)
            else:
                self._succeeded(self.end(), target, attempts)
                return

    def _failed(self, error: LLMError, target: Target, attempts: Attempts) -> None:
        super()._failed(error, target, attempts)
        if self._is_delivering:
            # Only of a stream that was cut can it be said that the same call may go well.
            error.retryable = error.code is ErrorCode.STREAM_CLOSED
            error.partial = self.end()

    async def _one_try(self, target: Target, attempts: Attempts) -> AsyncGenerator[list[Chunk], None]:
        received = await self._send(target, attempts)
        try:
            async with aclosing(self._decoded(received, target)) as batches:
                async for chunks in batches:
                    yield chunks
        except LLMError as error:
            error.partial = self._assembler.reply(total_s=self._elapsed_s())
            raise
        finally:
            await received.close()
        self._keep(received, self.end())

    async def _decoded(self, received: Received, target: Target) -> AsyncGenerator[list[Chunk], None]:
        codec = target.codec
        if _is_plain_json(received) and "json" not in codec.stream_media_type:
            # Some servers and gateways ignore `stream` and send the whole answer.
            body = await received.read()
            chunks = chunks_of(codec.decode_response(body))
            chunks[-1].raw = body  # the only event there is
            yield self._taken(chunks)
        else:
            decoder = codec.stream_decoder()
            async with aclosing(received.blocks()) as blocks:
                async for block in blocks:
                    if ready := self._taken(decoder.feed(block)):
                        yield ready
            if ready := self._taken(decoder.finish()):
                yield ready
        if self._held:
            yield self._held

    def _taken(self, chunks: list[Chunk]) -> list[Chunk]:
        """Stamp and collect chunks, and return those to hand out.

        What precedes the first content is held back: an error after it can still be tried again.
        """
        at_s = self._elapsed_s()
        for chunk in chunks:
            chunk.at_s = at_s
            self._assembler.add(chunk)
            if not self._is_delivering and chunk.has_content:
                self._is_delivering = True
        if not self._is_delivering:
            self._held += chunks
            return []
        if self._held:
            chunks, self._held = self._held + chunks, []
        return chunks


def _report(chunks: Iterable[Chunk], record: CallRecord) -> None:
    for chunk in chunks:
        if chunk.has_content:
            record.chunk(chunk.at_s)


def _is_plain_json(received: Received) -> bool:
    return received.headers.get("content-type", "").startswith("application/json")
