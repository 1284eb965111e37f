"""Provider names -> how to build a codec and a carrier for them.

Third parties add theirs with `register_provider` or through the entry point group "tapeline.providers".
A registry is a dict; vendors' SDKs are not imported here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, TypeAlias

from tapeline.clock import Clock
from tapeline.config import Settings, required_key
from tapeline.errors import RETRYABLE, ConfigError, ErrorCode
from tapeline.http import vendors
from tapeline.http.carriers import Carrier, HttpxCarrier, bearer
from tapeline.http.transport import HandlerTransport
from tapeline.policies.retry import RetryPolicy
from tapeline.providers.codec import Codec

ENTRY_POINT_GROUP = "tapeline.providers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """What a caller may bring along instead of letting us build it."""

    client: Any = None
    http_client: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A wire format, the way to send it, and which failures are worth another try unless a caller says."""

    codec: Codec
    carrier: Carrier
    retry: RetryPolicy = field(default_factory=RetryPolicy)


ProviderFactory: TypeAlias = Callable[[Settings, Clients, Clock], Provider]


def _openai(settings: Settings, clients: Clients, clock: Clock) -> Provider:
    from tapeline.providers.openai import OpenAICodec

    return _over_sdk(OpenAICodec(), vendors.openai_carrier, settings, clients)


def _openai_responses(settings: Settings, clients: Clients, clock: Clock) -> Provider:
    from tapeline.providers.openai_responses import OpenAIResponsesCodec

    return _over_sdk(OpenAIResponsesCodec(), vendors.openai_carrier, settings, clients)


def _anthropic(settings: Settings, clients: Clients, clock: Clock) -> Provider:
    from tapeline.providers.anthropic import AnthropicCodec

    return _over_sdk(AnthropicCodec(), vendors.anthropic_carrier, settings, clients)


def _over_sdk(codec: Codec, carry: Callable[..., Carrier], settings: Settings, clients: Clients) -> Provider:
    is_own_route = clients.client is not None or clients.http_client is not None
    carrier = carry(
        api_key=required_key(settings, codec.provider, is_own_route=is_own_route),
        base_url=settings.base_url,
        timeout_s=settings.timeout_s,
        client=clients.client,
        http_client=clients.http_client,
    )
    return Provider(codec=codec, carrier=carrier)


def _bedrock(settings: Settings, clients: Clients, clock: Clock) -> Provider:
    from tapeline.providers.bedrock import BedrockCodec

    _refuse_client(clients, "bedrock", "credentials, region and endpoint are found as boto3 finds them")
    carrier = vendors.bedrock_carrier(
        api_key=settings.key,
        base_url=settings.base_url,
        region=settings.region,
        timeout_s=settings.timeout_s,
        http_client=clients.http_client,
    )
    return Provider(codec=BedrockCodec(), carrier=carrier)


def _ollama(settings: Settings, clients: Clients, clock: Clock) -> Provider:
    from tapeline.providers.ollama import OllamaCodec

    _refuse_client(clients, "ollama", "pass base_url= and api_key= instead")
    carrier = vendors.ollama_carrier(
        api_key=settings.key,
        base_url=settings.base_url or "http://127.0.0.1:11434",
        timeout_s=settings.timeout_s,
        http_client=clients.http_client,
    )
    # A server of your own that is too slow is still at work, and would queue the same work once more.
    retry = RetryPolicy(codes=RETRYABLE - {ErrorCode.TIMEOUT})
    return Provider(codec=OllamaCodec(), carrier=carrier, retry=retry)


def _refuse_client(clients: Clients, provider: str, advice: str) -> None:
    """Say that a client the caller built would not be used: its settings must not be lost in silence."""
    if clients.client is not None:
        raise ConfigError(f"{provider} takes no client=: {advice}; http_client= takes an httpx2 client")


def _mock(settings: Settings, clients: Clients, clock: Clock) -> Provider:
    from tapeline.providers.mock import Mock, MockCodec

    mock = Mock(calls_kept=0) if clients.client is None else clients.client
    if not isinstance(mock, Mock):
        raise ConfigError(f"client of the mock must be a tapeline.Mock, not {type(mock).__name__!r}")
    carrier = HttpxCarrier(
        base_url=settings.base_url or "http://mock.invalid/v1",
        timeout_s=settings.timeout_s,
        sign=bearer(None),
        http_client=clients.http_client,
        transport=HandlerTransport(mock.on(clock), clock),
    )
    return Provider(codec=MockCodec(), carrier=carrier)


_PROVIDERS: dict[str, ProviderFactory] = {
    "openai": _openai,
    "openai-responses": _openai_responses,
    "anthropic": _anthropic,
    "bedrock": _bedrock,
    "ollama": _ollama,
    "mock": _mock,
}


def register_provider(name: str, factory: ProviderFactory) -> None:
    """Add a provider, or replace one. `factory(settings, clients, clock)` returns a Provider."""
    _PROVIDERS[name] = factory


def provider_names() -> list[str]:
    """Return all known names: registered ones and those of installed entry points."""
    return sorted({*_PROVIDERS, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def find_provider(name: str) -> ProviderFactory:
    """Return the factory of a provider. Raises ConfigError (unsupported_provider)."""
    if name in _PROVIDERS:
        return _PROVIDERS[name]
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        factory: ProviderFactory = point.load()
        register_provider(name, factory)
        return factory
    known = provider_names()
    near = difflib.get_close_matches(name, known, n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    raise ConfigError(
        f"unknown provider {name!r}{hint} Known: {', '.join(known)}", code=ErrorCode.UNSUPPORTED_PROVIDER
    )
