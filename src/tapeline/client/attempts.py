"""The tries of one call: where each one goes, when, and when there are no more.

A try that failed is repeated as its target's retry policy says; when that gives up, the next target steps
in, if the error is one that another target may not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        targets: Sequence[Target],
        request: ChatRequest,
        *,
        io: Io,
        random: Random,
        record: CallRecord,
        deadline: Deadline | None,
    ) -> None:
        self._targets: Iterator[Target] = iter(targets)
        self._request = request
        self._io = io
        self._random = random
        self.record = record
        self.deadline = deadline
        self.made = 0
        self._made_here = 0
        self._target: Target | None = None
        self._reservation: Reservation | None = None

    async def first(self) -> Target:
        """Return where the first try goes. Raises LLMError where no target takes calls, or none in time."""
        return await self._next_target(None)

    async def after(self, error: LLMError) -> Target:
        """Wait, and return where to try again after `error`. Raises it if there is to be no other try."""
        target = self._target
        assert target is not None, "there was a first try"
        self._end_try(target, error)
        remaining_s = None if self.deadline is None else self.deadline.left_s()
        delay_s = target.retry.delay_s(self._made_here, error, self._random, remaining_s=remaining_s)
        if delay_s is None:
            if not falls_back(error.code):
                raise error
            return await self._next_target(error)
        self.record.retried(error, attempt=self.made, delay_s=delay_s)
        await self._io.sleep(delay_s)
        if self._takes_calls(target):
            return await self._start_try(target)
        return await self._next_target(error)

    def succeeded(self, reply: Reply) -> None:
        """Tell the policies of the target that it answered."""
        target = self._target
        assert target is not None, "a target answered"
        self._settle(target, reply.usage.total_tokens)
        if target.breaker is not None and target.breaker.succeeded():
            breaker_changed(target.name, target.breaker.state)

    def abandoned(self) -> None:
        """Tell them that nobody waits for the answer any more."""
        if self._target is not None:
            self._settle(self._target, None)
            if self._target.breaker is not None:
                self._target.breaker.abandoned()

    # One target after the other ---------------------------------------------------------------------

    async def _next_target(self, error: LLMError | None) -> Target:
        for target in self._targets:
            if self._takes_calls(target):
                if error is not None:
                    self.record.rerouted(target=target.name, error=error)
                self._target, self._made_here = target, 0
                if target.retry.budget is not None:
                    target.retry.budget.deposit()
                return await self._start_try(target)
        raise error or _all_open()

    def _takes_calls(self, target: Target) -> bool:
        return target.breaker is None or target.breaker.allows(self._io.clock.now_ns())

    async def _start_try(self, target: Target) -> Target:
        await self._pass_limiter(target)
        self.made += 1
        self._made_here += 1
        return target

    async def _pass_limiter(self, target: Target) -> None:
        if target.limiter is None:
            return
        limiter, clock = target.limiter, self._io.clock
        tokens = estimated_tokens(prompt_bytes(self._request), self._request.max_tokens)
        reservation = limiter.reserve(clock.now_ns(), tokens)
        waited_s = 0.0
        try:
            while (left_s := limiter.left_s(reservation, clock.now_ns())) > 0:
                if self.deadline is not None and left_s > self.deadline.left_s():
                    raise _no_room(target)
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

    def _end_try(self, target: Target, error: LLMError) -> None:
        now_ns = self._io.clock.now_ns()
        self._settle(target, 0)
        if target.limiter is not None and error.code is ErrorCode.RATE_LIMIT and error.retry_after_s:
            target.limiter.pause(now_ns, min(error.retry_after_s, target.retry.server_wait_limit_s))
        if target.breaker is not None and target.breaker.failed(error.code, now_ns):
            breaker_changed(target.name, target.breaker.state)

    def _settle(self, target: Target, tokens: int | None) -> None:
        """Correct what was taken from the limiter; None: nobody knows how much it was."""
        reservation, self._reservation = self._reservation, None
        if reservation is not None and target.limiter is not None and tokens is not None:
            target.limiter.settle(reservation, tokens, self._io.clock.now_ns())


def _no_room(target: Target) -> LLMError:
    return LLMError(
        f"the rate limit of {target.name} has no room for this call before its deadline",
        code=ErrorCode.DEADLINE_EXCEEDED,
    )


def _all_open() -> LLMError:
    return LLMError(
        "no target takes calls: each has failed too often of late",
        code=ErrorCode.OVERLOADED,
        should_retry=False,
    )
