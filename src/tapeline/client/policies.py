"""What `with_` takes, and how each policy changes the way calls are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tapeline.client.core import Core
from tapeline.client.target import Target
from tapeline.errors import ConfigError
from tapeline.policies.breaker import Breaker, CircuitBreaker
from tapeline.policies.ratelimit import RateLimit, RateLimiter
from tapeline.policies.retry import RetryPolicy


def under_policies(core: Core, policies: Mapping[str, Any]) -> Core:
    """Return `core` under other policies. Raises ConfigError for one that is not known."""
    if unknown := sorted(set(policies) - POLICIES):
        raise ConfigError(f"unknown policy {', '.join(unknown)}; known are {', '.join(sorted(POLICIES))}")
    for name, change in _CHANGES.items():
        if name in policies:
            core = change(core, policies[name])
    return core


def _with_retry(core: Core, retry: RetryPolicy | int | None) -> Core:
    """retry: how often to try again, or a whole policy; None: never."""
    targets = [
        replace(target, retry=retry if isinstance(retry, RetryPolicy) else _attempts(target, retry or 0))
        for target in core.targets
    ]
    return replace(core, targets=tuple(targets))


def _attempts(target: Target, retries: int) -> RetryPolicy:
    return replace(target.retry, attempts=retries + 1)


def _with_rate_limit(core: Core, limit: RateLimit | RateLimiter | None) -> Core:
    """Limit the first target; those that step in have limits of their own."""
    limiter = RateLimiter(limit) if isinstance(limit, RateLimit) else limit
    return replace(core, targets=(replace(core.primary, limiter=limiter), *core.targets[1:]))


def _with_breaker(core: Core, policy: CircuitBreaker | None) -> Core:
    """Give each target a breaker of its own: it is one of them that is broken."""
    breakers = [None if policy is None else Breaker(policy) for _ in core.targets]
    targets = [
        replace(target, breaker=breaker) for target, breaker in zip(core.targets, breakers, strict=True)
    ]
    return replace(core, targets=tuple(targets))


def _with_fallback(core: Core, others: Sequence[Target]) -> Core:
    return replace(core, targets=(core.primary, *others))


def _with_deadline(core: Core, deadline_s: float | None) -> Core:
    if deadline_s is not None and not deadline_s > 0:
        raise ConfigError(f"deadline_s must be more than 0 seconds, not {deadline_s:g}")
    return replace(core, deadline_s=deadline_s)


_CHANGES: Mapping[str, Callable[[Core, Any], Core]] = {
    "fallback": _with_fallback,  # first: the others hold for those that step in, too
    "retry": _with_retry,
    "rate_limit": _with_rate_limit,
    "breaker": _with_breaker,
    "deadline_s": _with_deadline,
    "cache": lambda core, cache: replace(core, cache=cache),
    "route": lambda core, route: replace(core, route=route),
    "prices": lambda core, prices: replace(core, prices=prices or {}),
}

POLICIES = frozenset(_CHANGES)
"""Policies by name; `chat_model` takes them too."""
