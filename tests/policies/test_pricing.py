"""Prices: exact decimals from the installed price lists, None where there is no price, and never an error."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tapeline.policies.pricing import PRICE_LISTS, cost_usd
from tapeline.registry import provider_names
from tapeline.types import Usage

MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "usd"),
    [
        # Prices that will not change any more: $0.15 and $0.60 a million, half for cached input.
        ("openai", "gpt-4o-mini", MILLION, "0.75"),
        (
            "openai",
            "gpt-4o-mini",
            Usage(input_tokens=1000, output_tokens=100, cached_input_tokens=1000),
            "0.000135",
        ),
        ("openai", "gpt-4o-mini", Usage(input_tokens=0, output_tokens=0), "0"),
        ("openai", "gpt-4o-mini", Usage(input_tokens=1_000_000), "0.15"),
        # $1 and $5; reading the cache costs a tenth, writing it a quarter more.
        ("anthropic", "claude-haiku-4-5", MILLION, "6"),
        (
            "anthropic",
            "claude-haiku-4-5",
            Usage(input_tokens=1000, output_tokens=100, cached_input_tokens=100, cache_write_tokens=200),
            "0.00146",
        ),
        ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", MILLION, "6.6"),
    ],
)
def test_a_call_costs_what_the_list_says(provider: str, model: str, usage: Usage, usd: str) -> None:
    """Exactly: no float on the way."""
    cost = cost_usd(provider, model, usage)

    assert cost == Decimal(usd)
    assert isinstance(cost, Decimal)


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        ("openai", "a-model-nobody-sells", MILLION),
        ("ollama", "gpt-4o-mini", MILLION),
        ("mock", "gpt-4o-mini", MILLION),
        ("somebody", "gpt-4o-mini", MILLION),
        ("openai", "gpt-4o-mini", Usage()),
        ("openai", "gpt-4o-mini", Usage(output_tokens=5)),
    ],
    ids=["model", "own machine", "mock", "provider", "no counts", "no input count"],
)
def test_no_price_is_none_and_not_zero(provider: str, model: str, usage: Usage) -> None:
    assert cost_usd(provider, model, usage) is None


def test_counts_that_do_not_add_up_have_no_price() -> None:
    """A compatible server may count its cache apart from its input; the answer must not be lost for that."""
    assert (
        cost_usd("openai", "gpt-4o-mini", Usage(input_tokens=5, output_tokens=1, cached_input_tokens=10))
        is None
    )


def test_price_lists_are_for_providers_there_are() -> None:
    assert PRICE_LISTS.keys() <= {*provider_names(), "openai-responses"}
