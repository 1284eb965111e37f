"""One call, from request to reply: written once, as coroutines that await nothing but an Io.

What a plain and a streamed call share, and the plain one; `stream` has the other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeVar

from tapeline import structured
from tapeline.client.attempts import Attempts
from tapeline.client.core import Core, Question
from tapeline.client.stored import wall_s
from tapeline.client.target import Target
from tapeline.clock import NS_PER_S
from tapeline.errors import LLMError
from tapeline.http.deadline import Deadline
from tapeline.http.io import Io, Received
from tapeline.policies.cache import CachedResponse, is_kept
from tapeline.telemetry import CallRecord, call_span
from tapeline.types import Reply, Timing

T = TypeVar("T")


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
        """Return the reply with its value, if it answers a schema. Raises LLMError (invalid_response)."""
        schema = self._question.schema
        if schema is None or not structured.is_answer(reply, schema):
            return reply
        try:
            return replace(reply, parsed=structured.parse(reply, schema))
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

    def _new_attempts(self, record: CallRecord) -> Attempts:
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
            return received
        try:
            body = await received.read()
        except LLMError:
            body = b""  # it cannot be read, but the status says enough
        finally:
            await received.close()
        raise target.codec.decode_error(received.status, received.headers, body)

    def _from_cache(self, decode: Callable[[bytes], T]) -> T | None:
        """Return what the cache holds for this request, decoded; an entry that cannot be is let go."""
        cache = self._core.cache
        if cache is None:
            return None
        try:
            key = self._core.cache_key(self._question)
        except LLMError:
            return None  # the first target cannot be asked this, so that it never answered
        found = cache.get(key, wall_s(self._io.clock))
        if found is None:
            return None
        try:
            return decode(found.body)
        except LLMError:
            cache.invalidate(key)
            return None

    def _keep(self, received: Received, body: bytes, reply: Reply, target: Target) -> None:
        """Put a response into the cache, now that it is whole and could be decoded."""
        cache = self._core.cache
        if cache is None or not is_kept(received.status, reply.finish_reason) or not self._fits(reply):
            return
        response = CachedResponse(
            status=received.status,
            headers=tuple(received.headers.items()),
            body=body,
            stored_at_s=wall_s(self._io.clock),
            is_stream=self.is_stream,
        )
        cache.put(self._core.cache_key(self._question, target), response)

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
        kept = self._from_cache(self._core.primary.codec.decode_response)
        if kept is not None:
            record.cached()
            return replace(kept, is_cached=True)
        attempts = self._new_attempts(record)
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
        self._keep(received, body, reply, target)
        return reply
