"""What `with_` takes, and how each policy changes the way calls are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tapeline.client.core import Core
from tapeline.client.target import Target
from tapeline.errors import ConfigError
from tapeline.policies.breaker import Breaker, CircuitBreaker
from tapeline.policies.cache import ResponseCache
from tapeline.policies.ratelimit import RateLimit, RateLimiter
from tapeline.policies.retry import RetryPolicy
from tapeline.policies.routing import Route


def under_policies(core: Core, policies: Mapping[str, Any]) -> Core:
    """Return `core` under other policies. Raises ConfigError for one that is not known."""
    if unknown := sorted(set(policies) - POLICIES):
        raise ConfigError(f"unknown policy {', '.join(unknown)}; known are {', '.join(sorted(POLICIES))}")
    for name, policy in _POLICIES.items():
        if name in policies:
            core = policy.change(core, _checked(name, policies[name], policy))
    return core


def _checked(name: str, value: Any, policy: _Policy) -> Any:
    """Return the value if it is of a kind the policy takes: any other would fail only once it is needed."""
    if value is None or isinstance(value, policy.kinds):
        return value
    kinds = ", ".join(kind.__name__ for kind in policy.kinds)
    raise ConfigError(f"{name} takes {kinds} or None, not {value!r:.80}")


def _with_retry(core: Core, retry: RetryPolicy | int | None) -> Core:
    """retry: how often to try again, or a whole policy; None: never."""
    targets = [
        replace(target, retry=retry if isinstance(retry, RetryPolicy) else _retrying(target, retry or 0))
        for target in core.targets
    ]
    return replace(core, targets=tuple(targets))


def _retrying(target: Target, times: int) -> RetryPolicy:
    return replace(target.retry, attempts=times + 1)


def _with_rate_limit(core: Core, limit: RateLimit | RateLimiter | None) -> Core:
    """Limit the first target; those that step in have limits of their own."""
    limiter = RateLimiter(limit) if isinstance(limit, RateLimit) else limit
    return replace(core, targets=(replace(core.primary, limiter=limiter), *core.targets[1:]))


def _with_breaker(core: Core, policy: CircuitBreaker | None) -> Core:
    """Give each target a breaker of its own: it is one of them that is broken."""
    targets = [
        replace(target, breaker=None if policy is None else Breaker(policy)) for target in core.targets
    ]
    return replace(core, targets=tuple(targets))


def _with_fallback(core: Core, others: Sequence[Target]) -> Core:
    return replace(core, targets=(core.primary, *others))


def _with_deadline(core: Core, deadline_s: float | None) -> Core:
    if deadline_s is not None and not deadline_s > 0:
        raise ConfigError(f"deadline_s must be more than 0 seconds, not {deadline_s:g}")
    return replace(core, deadline_s=deadline_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policy:
    """How a value changes a core, and what kinds of values do."""

    change: Callable[[Core, Any], Core]
    kinds: tuple[type, ...]


_POLICIES: Mapping[str, _Policy] = {
    # First: the others hold for those that step in, too.
    "fallback": _Policy(change=_with_fallback, kinds=(list,)),
    "retry": _Policy(change=_with_retry, kinds=(RetryPolicy, int)),
    "rate_limit": _Policy(change=_with_rate_limit, kinds=(RateLimit, RateLimiter)),
    "breaker": _Policy(change=_with_breaker, kinds=(CircuitBreaker,)),
    "deadline_s": _Policy(change=_with_deadline, kinds=(int, float)),
    "cache": _Policy(change=lambda core, cache: replace(core, cache=cache), kinds=(ResponseCache,)),
    "route": _Policy(change=lambda core, route: replace(core, route=route), kinds=(Route,)),
    "prices": _Policy(change=lambda core, prices: replace(core, prices=prices or {}), kinds=(Mapping,)),
}

POLICIES = frozenset(_POLICIES)
"""Policies by name; `chat_model` takes them too."""
