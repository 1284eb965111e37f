"""What a call cost, from the price lists of the `genai-prices` package. USD, exact decimals.

Prices are those of the installed package version; nothing is fetched. Unknown models cost None, not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tapeline.types import Usage

PRICE_LISTS: Mapping[str, str] = {
    "openai": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
    "bedrock": "aws",
}
"""Our provider names -> theirs. Providers that run on your own machine have no list."""


def cost_usd(provider: str, model: str, usage: Usage) -> Decimal | None:
    """Return the price of one call, or None where no price is known."""
    if provider not in PRICE_LISTS or usage.input_tokens is None:
        return None
    import genai_prices  # 0.25 s to import, and only wanted once a call was made

    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        priced = genai_prices.calc_price(tokens, model_ref=model, provider_id=PRICE_LISTS[provider])
    except (LookupError, ValueError):  # no such model; or counts that do not add up, such as cached > input
        return None
    return priced.total_price
