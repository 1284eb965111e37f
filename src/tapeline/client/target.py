"""One place a request can go: a model of a provider, and the policies of the calls to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from tapeline.capabilities import Capabilities
from tapeline.policies.breaker import Breaker
from tapeline.policies.ratelimit import RateLimiter
from tapeline.policies.retry import RetryPolicy
from tapeline.providers.codec import Codec
from tapeline.registry import Provider


@dataclass(frozen=True, kw_only=True)
class Target:
    """A model of a provider. limiter and breaker hold state, which models made from this one share.

    secrets: what must not stand in an error, whoever wrote it.
    """

    provider: Provider
    model: str
    retry: RetryPolicy
    limiter: RateLimiter | None = None
    breaker: Breaker | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def codec(self) -> Codec:
        return self.provider.codec

    @property
    def name(self) -> str:
        """The name `chat_model` takes, such as "openai:gpt-5.4-mini"."""
        return f"{self.codec.provider}:{self.model}"

    @cached_property
    def capabilities(self) -> Capabilities:
        return self.codec.capabilities(self.model)
