"""What a call cost: from prices you state, or from the price lists of the `genai-prices` package. USD, exact.

The lists are those of the installed package version; nothing is fetched. Unknown models cost None, not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from tapeline.errors import ConfigError
from tapeline.types import Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

PER_TOKENS = 1_000_000
MOST_TARIFFS = 4096  # a server may name its models as it likes

PRICE_LISTS: Mapping[str, str] = {
    "openai": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
    "bedrock": "aws",
}
"""Our provider names -> theirs. Providers that run on your own machine have no list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs, in USD per million tokens.

    cached_input, cache_write: input read from the cache and written to it; None where it costs as any other.
    """

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, Decimal | None):
                raise ConfigError(f'a price is an exact number: write {field.name}=Decimal("{value}")')

    def cost_usd(self, usage: Usage) -> Decimal | None:
        """Return the price of one call, or None where its counts do not add up."""
        plain, output = usage.input_tokens or 0, usage.output_tokens or 0
        cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
        least = min(output, cached, written)
        cost = self.output * output
        if cached and self.cached_input is not None:
            plain -= cached
            cost += self.cached_input * cached
        if written and self.cache_write is not None:
            plain -= written
            cost += self.cache_write * written
        if plain < 0 or least < 0:
            return None
        return (cost + self.input * plain) / PER_TOKENS


def cost_usd(
    provider: str, model: str, usage: Usage, prices: Mapping[str, Price] | None = None
) -> Decimal | None:
    """Return the price of one call, or None where no price is known.

    prices: "provider:model" -> a price that wins over the lists.
    """
    if usage.input_tokens is None:
        return None
    if prices and (stated := prices.get(f"{provider}:{model}")):
        return stated.cost_usd(usage)
    if provider not in PRICE_LISTS:
        return None
    for start, price in _LISTS.tariff(PRICE_LISTS[provider], model):
        if usage.input_tokens > start:
            return price.cost_usd(usage)
    return None


# The price lists ----------------------------------------------------------------------------------------

Tariff: TypeAlias = tuple[tuple[int, Price], ...]
"""Prices by size, largest first: each is for all tokens of a call with more input tokens than its number."""


class _PriceLists:
    """What was found in the price lists, where it takes twenty times as long to find."""

    def __init__(self) -> None:
        # One tuple, so that no thread sees the tariffs of one state of the lists with those of another.
        self._found: tuple[DataSnapshot | None, dict[tuple[str, str], Tariff]] = (None, {})

    def tariff(self, name: str, model: str) -> Tariff:
        """Return what a model costs by the list `name`; nothing where it is not in there."""
        from genai_prices.data_snapshot import get_snapshot  # 0.25 s, and only wanted once a call was made

        lists, tariffs = self._found
        if lists is not (current := get_snapshot()):  # the program has updated its prices
            lists, tariffs = self._found = current, {}
        tariff = tariffs.get((name, model))
        if tariff is None:
            tariff, is_lasting = _looked_up(name, model)
            if is_lasting and len(tariffs) < MOST_TARIFFS:
                tariffs[name, model] = tariff
        return tariff


_LISTS = _PriceLists()


def _looked_up(name: str, model: str) -> tuple[Tariff, bool]:
    """Return the tariff of today, and whether it will be that of tomorrow."""
    import genai_prices

    try:
        nothing = genai_prices.Usage(input_tokens=0)
        found = genai_prices.calc_price(nothing, model_ref=model, provider_id=name)
    except (LookupError, ValueError):  # no such model, or an entry that makes no sense
        return (), True
    return _tariff(found.model_price), _is_lasting(found.model, found.model_price)


def _is_lasting(model: ModelInfo, price: ModelPrice) -> bool:
    """Whether a price has no condition, or the last of those that are met by a date to come."""
    from genai_prices.types import ModelPrice, TimeOfDateConstraint

    if isinstance(model.prices, ModelPrice):
        return True
    last = model.prices[-1]
    return price is last.prices and not isinstance(last.constraint, TimeOfDateConstraint)


def _tariff(price: ModelPrice) -> Tariff:
    from genai_prices.types import TieredPrices

    listed = (price.input_mtok, price.output_mtok, price.cache_read_mtok, price.cache_write_mtok)
    starts = {tier.start for item in listed if isinstance(item, TieredPrices) for tier in item.tiers}
    return tuple((start, _above(start, *listed)) for start in sorted({-1, *starts}, reverse=True))


def _above(start: int, *listed: Decimal | TieredPrices | None) -> Price:
    """The price of a call with more than `start` input tokens, and no more than the next start."""
    plain, output, cached, written = (
        item
        if isinstance(item, Decimal | None)
        else next((tier.price for tier in reversed(item.tiers) if tier.start <= start), item.base)
        for item in listed
    )
    free = Decimal(0)
    return Price(input=plain or free, output=output or free, cached_input=cached, cache_write=written)
