"""How calls are made: where they may go, under which policies, and what is done with each answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Any

from tapeline import structured
from tapeline.client.options import check, fitted
from tapeline.client.stored import key_of
from tapeline.client.target import Target
from tapeline.clock import Clock
from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.http.deadline import Deadline
from tapeline.policies.cache import ResponseCache
from tapeline.policies.pricing import Price, cost_usd
from tapeline.policies.routing import LearningRoute, Route, RouteTarget
from tapeline.secret_shapes import without_secrets
from tapeline.types import ChatRequest, Reply, Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request to whichever target, and the schema its answer must fit, as the caller gave it."""

    request: ChatRequest
    schema: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The targets of a model, the first one first, and the policies of its calls.

    deadline_s: how long a call may take in all. prices: "provider:model" -> a price that wins over the lists.
    """

    targets: tuple[Target, ...]
    route: Route | None = None
    cache: ResponseCache | None = None
    deadline_s: float | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    random: Random = field(default_factory=Random)

    @property
    def primary(self) -> Target:
        return self.targets[0]

    def check(self, question: Question) -> None:
        """Raise ConfigError if the first target does not take all of it and no route sends it elsewhere.

        The others take what they can.
        """
        try:
            check(self.asked(question, self.primary), self.primary.name, self.primary.capabilities)
        except ConfigError:
            if self.route is None or not any(self._takes(question, other) for other in self.targets[1:]):
                raise

    def asked(self, question: Question, target: Target) -> ChatRequest:
        """Return the request as a target is asked: with its model, in its way to follow a schema."""
        request = question.request
        if target is not self.primary:
            request = fitted(replace(request, model=target.model), target.capabilities)
        if question.schema is None:
            return request
        return structured.prepared(request, question.schema, target.capabilities)

    def deadline(self, clock: Clock) -> Deadline | None:
        """Return the deadline of a call that begins now."""
        return None if self.deadline_s is None else Deadline.after(self.deadline_s, clock)

    def cache_key(self, question: Question, target: Target | None = None) -> str:
        """Return what the answer of a target, the first one if none is named, is kept under."""
        target = target or self.primary
        return key_of(target, target.codec.encode_request(self.asked(question, target)))

    def ordered(self, question: Question) -> Iterator[Target]:
        """Return the targets in the order in which to try them, without those that cannot be asked this.

        Each is looked at when its turn comes: most calls get no further than the first.
        """
        if len(self.targets) == 1:
            return iter(self.targets)
        return (target for target in self._routed(question) if self._takes(question, target))

    def _takes(self, question: Question, target: Target) -> bool:
        """Whether a target can be asked this, as far as can be known without asking.

        What only a codec finds wrong is left to be said by the first one, as is usual without others.
        """
        try:
            request = self.asked(question, target)
            check(request, target.name, target.capabilities)
            if target is not self.primary:
                target.codec.encode_request(request)
        except LLMError:
            return False
        return True

    def _routed(self, question: Question) -> Sequence[Target]:
        if self.route is None:
            return self.targets
        known = [
            RouteTarget(
                name=target.name,
                provider=target.codec.provider,
                model=target.model,
                capabilities=target.capabilities,
            )
            for target in self.targets
        ]
        request, schema = question.request, question.schema
        if schema is not None:
            request = replace(request, schema=structured.json_schema(schema))
        order = self.route.order(request, known)
        if not order:
            raise LLMError(
                "none of the targets can do what this request needs", code=ErrorCode.INVALID_REQUEST
            )
        return [self.targets[index] for index in order]

    def learn(self, target: Target, timing: Timing) -> None:
        """Let the route know how long a target took to answer, if it wants to."""
        if self.route is not None and isinstance(self.route, LearningRoute):
            self.route.learn(target.name, timing)

    def placed(self, error: LLMError, target: Target, verb: str) -> LLMError:
        """Say where an error happened, and take out of it what is nobody's business."""
        provider = target.codec.provider
        error.message = without_secrets(error.message, target.secrets)
        error.args = (error.message,)  # which `repr` shows
        return error.placed(op=f"{provider}.{verb}", provider=provider, model=target.model)

    def priced(self, reply: Reply, target: Target) -> Reply:
        """Return the reply with its cost; one out of the cache costs nothing more."""
        asked, answered = target.model, reply.model or target.model
        # The lists know dated names best, but a caller states his price for the name he uses.
        names = (asked, answered) if target.name in self.prices else (answered, asked)
        prices = (cost_usd(target.codec.provider, name, reply.usage, self.prices) for name in names)
        price = next((price for price in prices if price is not None), None)
        if price is None:
            return reply
        return replace(reply, cost_usd=Decimal(0) if reply.is_cached else price)
