"""Prices: exact decimals from the installed price lists, None where there is no price, and never an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, time
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TimeOfDateConstraint,
)

from tapeline.errors import ConfigError
from tapeline.policies.pricing import PRICE_LISTS, Price, cost_usd
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


# The same as the package would say, only sooner -----------------------------------------------------

USAGES = [
    Usage(input_tokens=plain, output_tokens=output, cached_input_tokens=cached, cache_write_tokens=written)
    for plain, output, cached, written in [
        (0, 0, None, None),
        (1, 1, None, None),
        (12_345, 678, 1_000, 2_000),
        (100, 5, 100, 0),
        (100, 5, 80, 80),
        (100_000, 5, None, None),
        (100_001, 5, 50_000, 50_000),
        (200_000, 5, None, None),
        (200_001, 5_000, 3, 4),
        (272_001, 5_000, 0, 7),
        (2_000_000, 100_000, 1_000_000, None),
        (5, -1, None, None),
        (-5, 1, None, None),
        (5, 1, -1, None),
    ]
]


def listed_models() -> list[tuple[str, str]]:
    lists = {provider.id: provider for provider in get_snapshot().providers}
    return [(name, model.id) for name, theirs in PRICE_LISTS.items() for model in lists[theirs].models]


def the_packages_own(provider: str, model: str, usage: Usage) -> Decimal | None:
    try:
        tokens = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_input_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        return genai_prices.calc_price(tokens, model, provider_id=PRICE_LISTS[provider]).total_price
    except (LookupError, ValueError):
        return None


@pytest.mark.parametrize("provider", PRICE_LISTS)
def test_every_listed_model_costs_what_the_package_says(provider: str) -> None:
    """Whatever its tiers and dates, and whatever the counts."""
    for name, model in listed_models():
        if name == provider:
            for usage in USAGES:
                assert cost_usd(name, model, usage) == the_packages_own(name, model, usage), (model, usage)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "a-model-nobody-sells"])
def test_a_model_is_looked_up_once(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    """The package takes 90 us a call; that is more than the rest of a call from a tape."""
    first = cost_usd("openai", model, MILLION)

    monkeypatch.delattr(genai_prices, "calc_price")

    assert cost_usd("openai", model, MILLION) == first


# Prices that change ---------------------------------------------------------------------------------


def model_with(*prices: ConditionalPrice) -> DataSnapshot:
    model = ModelInfo(id="m", match=ClauseEquals("m"), prices=list(prices))
    theirs = Provider(id="openai", name="OpenAI", api_pattern="", models=[model])
    return DataSnapshot(providers=[theirs], from_auto_update=False)


def costing(
    dollars: int, constraint: StartDateConstraint | TimeOfDateConstraint | None = None
) -> ConditionalPrice:
    return ConditionalPrice(constraint, prices=ModelPrice(input_mtok=Decimal(dollars)))


@pytest.fixture
def use_data() -> Iterator[Callable[[DataSnapshot], None]]:
    yield set_custom_snapshot
    set_custom_snapshot(None)


LONG_AGO, ONE_DAY = StartDateConstraint(date(2020, 1, 1)), StartDateConstraint(date(2999, 1, 1))
ALL_DAY, NEVER = TimeOfDateConstraint(time(0), time.max), TimeOfDateConstraint(time(0), time(0))


@pytest.mark.parametrize(
    ("prices", "usd", "is_lasting"),
    [
        ([costing(1), costing(2, LONG_AGO)], 2, True),
        ([costing(1), costing(2, ONE_DAY)], 1, False),
        ([costing(1), costing(2, LONG_AGO), costing(3, ONE_DAY)], 2, False),
        ([costing(1), costing(2, ALL_DAY)], 2, False),
        ([costing(1), costing(2, NEVER)], 1, False),
        ([costing(1)], 1, True),
    ],
    ids=["since then", "not yet", "between", "by day", "not by night", "always"],
)
def test_only_a_price_that_lasts_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
    use_data: Callable[[DataSnapshot], None],
    prices: list[ConditionalPrice],
    usd: int,
    is_lasting: bool,
) -> None:
    """A price with a date to come, or a time of day, is asked for every time."""
    use_data(model_with(*prices))
    asked, calc_price = [], genai_prices.calc_price

    def counted(*usage: Any, **options: Any) -> Any:
        asked.append(usage)
        return calc_price(*usage, **options)

    monkeypatch.setattr(genai_prices, "calc_price", counted)

    costs = [cost_usd("openai", "m", MILLION) for _ in range(3)]

    assert costs == [usd] * 3
    assert len(asked) == (1 if is_lasting else 3)


def test_updated_prices_are_used_at_once(use_data: Callable[[DataSnapshot], None]) -> None:
    use_data(model_with(costing(1)))
    before = cost_usd("openai", "m", MILLION)

    use_data(model_with(costing(2)))

    assert (before, cost_usd("openai", "m", MILLION)) == (1, 2)


# Prices you state -----------------------------------------------------------------------------------

CENTS = Price(input=Decimal("0.5"), output=Decimal(2))
CACHING = Price(input=Decimal(1), output=Decimal(2), cached_input=Decimal("0.1"), cache_write=Decimal("1.25"))


@pytest.mark.parametrize(
    ("price", "usage", "usd"),
    [
        (CENTS, MILLION, "2.5"),
        (CENTS, Usage(input_tokens=1_000_000), "0.5"),
        (CENTS, Usage(input_tokens=1_000_000, cached_input_tokens=5, cache_write_tokens=5), "0.5"),
        (CACHING, Usage(input_tokens=1_000_000, cached_input_tokens=1_000_000), "0.1"),
        (CACHING, Usage(input_tokens=10, cached_input_tokens=4, cache_write_tokens=4), "0.0000074"),
        (CACHING, Usage(input_tokens=10, cached_input_tokens=6, cache_write_tokens=6), None),
        (CACHING, Usage(output_tokens=10), None),
    ],
)
def test_a_stated_price_is_reckoned_with(price: Price, usage: Usage, usd: str | None) -> None:
    cost = cost_usd("ollama", "llama", usage, {"ollama:llama": price})

    assert cost == (Decimal(usd) if usd else None)


def test_a_stated_price_wins_over_the_lists() -> None:
    prices = {"openai:gpt-4o-mini": CENTS}

    assert cost_usd("openai", "gpt-4o-mini", MILLION, prices) == Decimal("2.5")
    assert cost_usd("openai", "gpt-4o", MILLION, prices) == cost_usd("openai", "gpt-4o", MILLION)
    assert cost_usd("anthropic", "gpt-4o-mini", MILLION, prices) is None


def test_a_price_must_be_exact() -> None:
    with pytest.raises(ConfigError, match=re.escape('input=Decimal("0.15")')):
        Price(input=0.15, output=Decimal(1))  # type: ignore[arg-type]
