"""The tries of one call: where each one goes, when, and when there are no more.

A try that failed is repeated as its target's retry policy says; when that gives up, the next target steps
in, if the error is one that another target may not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tapeline.client.target import Target
from tapeline.errors import ErrorCode, LLMError
from tapeline.http.deadline import Deadline
from tapeline.http.io import Io
from tapeline.policies.ratelimit import Reservation, estimated_tokens, prompt_bytes
from tapeline.policies.routing import falls_back
from tapeline.telemetry import CallRecord, breaker_changed
from tapeline.types import ChatRequest, Reply

LIMITER_STEP_S = 1.0
"""How often a call that waits for the rate limiter looks whether its turn has come nearer."""


class Attempts:
    """Says where the next try of a call goes, and waits until it may."""

    def __init__(
        self,
        targets: Iterator[Target],
        request: ChatRequest,
        *,
        io: Io,
        random: Random,
        record: CallRecord,
        deadline: Deadline | None,
    ) -> None:
        self._targets = targets
        self._request = request
        self._io = io
        self._random = random
        self.record = record
        self.deadline = deadline
        self.made = 0
        self.began_ns = 0
        self._made_here = 0
        self._target: Target | None = None
        self._reservation: Reservation | None = None

    async def first(self) -> Target:
        """Return where the first try goes. Raises LLMError where no target takes calls, or none in time."""
        return await self._next_target(None)

    async def after(self, error: LLMError) -> Target:
        """Wait, and return where to try again after `error`. Raises it if there is to be no other try."""
        target = self.failed(error)
        delay_s = self._delay_s(target, error)
        if delay_s is not None:
            self.record.retried(error, attempt=self.made, delay_s=delay_s)
            await self._io.sleep(delay_s)
            if self._takes_calls(target):
                try:
                    return await self._start_try(target, error)
                except LLMError as no_room:
                    return await self._next_target(no_room)
        if not falls_back(error.code) or self._is_late():
            raise error
        return await self._next_target(error)

    # How a try ended; each is told to the policies once -----------------------------------------------

    def failed(self, error: LLMError) -> Target:
        """Tell the policies of the target that it failed, and return it."""
        target = self._ended()
        now_ns = self._io.clock.now_ns()
        self._settle(target, 0 if error.partial is None else error.partial.usage.total_tokens)
        if target.limiter is not None and error.code is ErrorCode.RATE_LIMIT and error.retry_after_s:
            target.limiter.pause(now_ns, min(error.retry_after_s, target.retry.server_wait_limit_s))
        if target.breaker is not None and target.breaker.failed(error.code, now_ns):
            breaker_changed(target.name, target.breaker.state)
        return target

    def succeeded(self, reply: Reply) -> None:
        """Tell them that it answered."""
        target = self._ended()
        self._settle(target, reply.usage.total_tokens)
        if target.breaker is not None and target.breaker.succeeded():
            breaker_changed(target.name, target.breaker.state)

    def abandoned(self) -> None:
        """Tell them that nobody waits for the answer any more, if a try is under way."""
        if self._target is None:
            return
        target = self._ended()
        self._settle(target, None)
        if target.breaker is not None:
            target.breaker.abandoned()

    def _ended(self) -> Target:
        target, self._target = self._target, None
        assert target is not None, "a try was under way"
        return target

    def _settle(self, target: Target, tokens: int | None) -> None:
        """Correct what was taken from the limiter; None: nobody knows how much it was."""
        reservation, self._reservation = self._reservation, None
        if reservation is not None and target.limiter is not None and tokens is not None:
            target.limiter.settle(reservation, tokens, self._io.clock.now_ns())

    # One target after the other ---------------------------------------------------------------------

    async def _next_target(self, error: LLMError | None) -> Target:
        for target in self._targets:
            if self._takes_calls(target):
                if error is not None:
                    self.record.rerouted(target=target.name, error=error)
                self._made_here = 0
                if target.retry.budget is not None:
                    target.retry.budget.deposit()
                try:
                    return await self._start_try(target, error)
                except LLMError as no_room:
                    error = no_room
        raise error or _all_open()

    def _takes_calls(self, target: Target) -> bool:
        return target.breaker is None or target.breaker.allows(self._io.clock.now_ns())

    def _delay_s(self, target: Target, error: LLMError) -> float | None:
        """Return how long to wait before the same target is tried again; None: it is not."""
        if target.breaker is not None and target.breaker.state == "open":
            return None
        left_s = None if self.deadline is None else self.deadline.left_s()
        return target.retry.delay_s(self._made_here, error, self._random, remaining_s=left_s)

    def _is_late(self) -> bool:
        return self.deadline is not None and self.deadline.left_s() <= 0

    async def _start_try(self, target: Target, before: LLMError | None) -> Target:
        """Wait until the target's limiter lets a try begin. Raises LLMError if it will not in time.

        before: why there is to be another try, which is then the cause of that error.
        """
        self._target = target  # from here on, who leaves frees the breaker for another probe
        try:
            await self._pass_limiter(target, before)
        except LLMError:
            self.abandoned()
            raise
        self.made += 1
        self._made_here += 1
        self.began_ns = self._io.clock.now_ns()
        return target

    async def _pass_limiter(self, target: Target, before: LLMError | None) -> None:
        if target.limiter is None:
            return
        limiter, clock = target.limiter, self._io.clock
        tokens = estimated_tokens(prompt_bytes(self._request), self._request.max_tokens)
        reservation = limiter.reserve(clock.now_ns(), tokens)
        waited_s = 0.0
        try:
            while (left_s := limiter.left_s(reservation, clock.now_ns())) > 0:
                if self.deadline is not None and left_s >= self.deadline.left_s():
                    raise self._no_room(target, before) from before
                # In steps: others give back what they did not use, or are told to pause.
                step_s = min(left_s, LIMITER_STEP_S)
                await self._io.sleep(step_s)
                waited_s += step_s
        except BaseException:
            limiter.cancel(reservation, clock.now_ns())
            raise
        if waited_s:
            self.record.waited(waited_s)
        self._reservation = reservation

    def _no_room(self, target: Target, before: LLMError | None) -> LLMError:
        cause = "" if before is None else f"; before that, {before.code}: {before.message}"
        return LLMError(
            f"the rate limit of {target.name} has no room for this call before its deadline{cause}",
            code=ErrorCode.DEADLINE_EXCEEDED,
            attempts=self.made,
        )


def _all_open() -> LLMError:
    return LLMError(
        "no target takes this call: each has failed too often of late, or cannot be asked it",
        code=ErrorCode.OVERLOADED,
        should_retry=False,
        attempts=0,
    )
