"""In which order to try the targets of a request, and when to go on to the next.

A route is asked once a call. It may leave out targets that cannot serve; the rest are tried from first to
last. Which errors another target may cure is said by `falls_back`. Nothing here sends or reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import inf
from threading import Lock
from typing import Protocol, runtime_checkable

from tapeline.capabilities import Capabilities
from tapeline.errors import ConfigError, ErrorCode
from tapeline.media import Audio, Document, Image
from tapeline.policies.pricing import Price, cost_usd
from tapeline.policies.ratelimit import estimated_tokens, prompt_bytes
from tapeline.types import ChatRequest, Part, Timing, ToolResult, Usage

CURABLE = frozenset(
    {
        # Another service, or another key:
        ErrorCode.RATE_LIMIT,
        ErrorCode.OVERLOADED,
        ErrorCode.INTERNAL_ERROR,
        ErrorCode.TIMEOUT,
        ErrorCode.NETWORK_ERROR,
        ErrorCode.QUOTA_EXCEEDED,
        ErrorCode.AUTHENTICATION_ERROR,
        ErrorCode.AUTHORIZATION_ERROR,
        # Another model:
        ErrorCode.NOT_FOUND,
        ErrorCode.MODEL_NOT_AVAILABLE,
        ErrorCode.REQUEST_TOO_LARGE,
        ErrorCode.CONTEXT_LENGTH_EXCEEDED,
        # An answer that broke off or made no sense, as long as the caller has seen nothing of it:
        ErrorCode.EMPTY_RESPONSE,
        ErrorCode.MALFORMED_RESPONSE,
        ErrorCode.STREAM_ERROR,
        ErrorCode.STREAM_TIMEOUT,
        ErrorCode.STREAM_CLOSED,
    }
)
"""Codes that another target may not answer with.

A wrong key is among them: a key that was revoked at one provider must not stop a program that has another.
A request that is wrong, an answer that was filtered and a caller who left are the same everywhere.
"""


def falls_back(code: ErrorCode) -> bool:
    """Return whether to try the next target after such an error."""
    return code in CURABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTarget:
    """A target as a route sees it. name: as `chat_model` takes it, such as "openai:gpt-5.4-mini"."""

    name: str
    provider: str
    model: str
    capabilities: Capabilities


@runtime_checkable
class Route(Protocol):
    """Orders the targets of a request."""

    def order(self, request: ChatRequest, targets: Sequence[RouteTarget]) -> list[int]:
        """Return indexes into `targets`, each at most once, the first to try first; [] if none can serve."""
        ...


@runtime_checkable
class LearningRoute(Route, Protocol):
    """A route that wants to know how calls went."""

    def learn(self, target: str, timing: Timing) -> None:
        """Take note of how long a target, by its name, took to answer."""
        ...


# Routes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderedRoute:
    """As given: the first is the one wanted, the others step in."""

    def order(self, request: ChatRequest, targets: Sequence[RouteTarget]) -> list[int]:
        return list(range(len(targets)))


@dataclass(frozen=True, slots=True)
class CapabilityRoute:
    """Those that can do what the request needs. For a schema, those first whose API keeps to it by itself."""

    def order(self, request: ChatRequest, targets: Sequence[RouteTarget]) -> list[int]:
        needs = needed(request)
        able = [
            index
            for index, target in enumerate(targets)
            if all(getattr(target.capabilities, need) for need in needs)
        ]
        if request.schema is None:
            return able
        return sorted(able, key=lambda index: targets[index].capabilities.structured_output != "native")


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRoute:
    """The cheapest first, by what the prompt and its answer may cost; those of unknown price last.

    answer_tokens: the length of an answer, where the request does not limit it to less.
    """

    answer_tokens: int = 500
    prices: Mapping[str, Price] = field(default_factory=dict)

    def order(self, request: ChatRequest, targets: Sequence[RouteTarget]) -> list[int]:
        usage = Usage(
            input_tokens=estimated_tokens(prompt_bytes(request), None),
            output_tokens=min(request.max_tokens or self.answer_tokens, self.answer_tokens),
        )
        costs = [cost_usd(target.provider, target.model, usage, self.prices) for target in targets]
        return sorted(range(len(targets)), key=lambda index: _known(costs[index]))


def _known(cost: Decimal | None) -> Decimal:
    return Decimal("Infinity") if cost is None else cost


@dataclass(frozen=True, slots=True)
class PromptSizeRoute:
    """Those first that the prompt fits into, then the others, the largest first: sizes are estimates.

    limits: name of a target -> how many tokens prompt and answer may have together. No limit, no end.
    """

    limits: Mapping[str, int]

    def order(self, request: ChatRequest, targets: Sequence[RouteTarget]) -> list[int]:
        tokens = estimated_tokens(prompt_bytes(request), request.max_tokens)
        limits = [self.limits.get(target.name, inf) for target in targets]
        return sorted(range(len(targets)), key=lambda index: -min(limits[index], tokens))


class LatencyRoute:
    """The quickest first, by a moving average of what was measured; those without a measurement before them.

    Streams are compared by their time to the first token, plain answers by their total time. weight: of
    the latest measurement. The slower ones are measured again only when a quicker one fails.
    """

    def __init__(self, *, weight: float = 0.3) -> None:
        if not 0 < weight <= 1:
            raise ConfigError(f"weight={weight}: the latest measurement counts more than 0 and at most 1")
        self._weight = weight
        self._lock = Lock()
        self._average_s: dict[tuple[str, bool], float] = {}

    def order(self, request: ChatRequest, targets: Sequence[RouteTarget]) -> list[int]:
        with self._lock:
            known = [self._average_s.get((target.name, request.is_stream), -1.0) for target in targets]
        return sorted(range(len(targets)), key=known.__getitem__)

    def learn(self, target: str, timing: Timing) -> None:
        """Take note of how long a target took: of an answer, not of an error."""
        is_stream = timing.ttft_s is not None
        took_s = timing.total_s if timing.ttft_s is None else timing.ttft_s
        with self._lock:
            before_s = self._average_s.get((target, is_stream), took_s)
            self._average_s[target, is_stream] = before_s + self._weight * (took_s - before_s)


class ChainedRoute:
    """One route after the other: each orders what the one before it has left, so the last has most to say.

    `ChainedRoute(CapabilityRoute(), CostRoute())` is the cheapest of those that are able.
    """

    def __init__(self, *routes: Route) -> None:
        self._routes = routes

    def order(self, request: ChatRequest, targets: Sequence[RouteTarget]) -> list[int]:
        order = list(range(len(targets)))
        for route in self._routes:
            order = [order[index] for index in route.order(request, [targets[index] for index in order])]
        return order

    def learn(self, target: str, timing: Timing) -> None:
        """Let those routes know that want to."""
        for route in self._routes:
            if isinstance(route, LearningRoute):
                route.learn(target, timing)


# What a request needs -------------------------------------------------------------------------------


def needed(request: ChatRequest) -> set[str]:
    """Return the capabilities a target must have, by their names in `Capabilities`."""
    needs = needed_media(request)
    if request.tools:
        needs.add("tools")
    if request.reasoning_effort not in (None, "none"):
        needs.add("thinking")
    return needs


def needed_media(request: ChatRequest) -> set[str]:
    """Return images, documents and audio as far as the messages hold them, results of tools included."""
    return {need for message in request.messages for part in message.content for need in _media(part)}


def _media(part: Part) -> set[str]:
    match part:
        case Image():
            return {"images"}
        case Document():
            return {"documents"}
        case Audio():
            return {"audio"}
        case ToolResult():
            return {need for inner in part.parts for need in _media(inner)}
    return set()
