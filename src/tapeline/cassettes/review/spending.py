"""What recorded calls cost: tokens and USD, of one interaction and of a run, and a budget that ends a run.

The one module of this room that knows of models: it asks the codec that a request path belongs to how many
tokens an answer took, and the price lists what these cost today. All else here stays plain HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from threading import Lock
from typing import Self
from urllib.parse import unquote, urlsplit

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.matching import json_of
from tapeline.cassettes.review.contents import media_type, plain_body
from tapeline.errors import BudgetExceededError, ConfigError, LLMError
from tapeline.latency.pacing import IncomingRequest
from tapeline.policies.pricing import Price, cost_usd
from tapeline.providers.codec import Codec
from tapeline.providers.paths import codec_for
from tapeline.types import Usage

BLOCK_BYTES = 64 * 1024
"""A stream is decoded in blocks: of one that breaks off, the blocks before the break are counted."""

Prices = Mapping[str, Price]
"""Prices you state, by "provider:model"; they win over the lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one call took. None where it does not say, or no price is known.

    provider: whose wire format it is, such as "openai" for every compatible host. model: as it was priced.
    """

    provider: str
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None


def cost_of(interaction: Interaction, prices: Prices | None = None) -> Spent | None:
    """Return what a call cost, or None if it is no chat request or got no answer: errors are not billed.

    An answer that broke off is counted as far as it tells.
    """
    request, response = interaction.request, interaction.response
    codec = codec_for(urlsplit(request.url).path)
    if codec is None or not 200 <= response.status < 300:
        return None
    answered, usage = _answer(codec, response)
    names = filter(None, (answered, asked_model(request)))
    return _spent(codec.provider, tuple(names), usage, prices)


def _spent(provider: str, names: tuple[str, ...], usage: Usage, prices: Prices | None) -> Spent:
    """Price the dated name of the answer, which the lists know best, or else the one that was asked for."""
    costs = {name: cost_usd(provider, name, usage, prices) for name in names}
    priced = next((name for name in names if costs[name] is not None), None)
    name = priced or next(iter(names), None)
    return Spent(
        provider=provider,
        model=name,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=costs[name] if name else None,
    )


def _answer(codec: Codec, response: RecordedResponse) -> tuple[str | None, Usage]:
    """Return the model that answered, if it says so, and what it counted."""
    body = plain_body(response)
    if media_type(response) == codec.stream_media_type:
        return _streamed_answer(codec, body)
    try:
        reply = codec.decode_response(body)
    except LLMError as error:
        if error.partial is None:
            return None, Usage()
        reply = error.partial
    return reply.model, reply.usage


def _streamed_answer(codec: Codec, body: bytes) -> tuple[str | None, Usage]:
    decoder = codec.stream_decoder()
    model, usage = None, Usage()
    try:
        for start in range(0, len(body), BLOCK_BYTES):
            for chunk in decoder.feed(body[start : start + BLOCK_BYTES]):
                model, usage = chunk.model or model, chunk.usage or usage
        for chunk in decoder.finish():
            model, usage = chunk.model or model, chunk.usage or usage
    except LLMError:
        pass  # it broke off: what came before has been counted
    return model, usage


_MODEL_IN_PATH = re.compile(r"/model/([^/]+)/")


def asked_model(request: IncomingRequest) -> str | None:
    """Return the model that was asked for: Bedrock has it in the path, all others in the body.

    Not by decoding the request: a codec refuses what it cannot send on, and a price needs none of that.
    """
    if named := _MODEL_IN_PATH.search(urlsplit(request.url).path):
        return unquote(named[1])
    body = json_of(request.body)
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) else None


# Sums ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What several calls took together. unpriced_calls: those among `calls` whose price is not known."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced_calls: int = 0

    def plus(self, spent: Spent) -> Totals:
        return Totals(
            calls=self.calls + 1,
            input_tokens=self.input_tokens + (spent.input_tokens or 0),
            output_tokens=self.output_tokens + (spent.output_tokens or 0),
            cost_usd=self.cost_usd + (spent.cost_usd or 0),
            unpriced_calls=self.unpriced_calls + (spent.cost_usd is None),
        )

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            unpriced_calls=self.unpriced_calls + other.unpriced_calls,
        )

    def described(self) -> str:
        """Return such as "12 calls, 3,210 tokens, 0.43 USD", and how many of them have no known price."""
        parts = [
            _counted(self.calls, "call"),
            _counted(self.input_tokens + self.output_tokens, "token"),
            f"{usd(self.cost_usd)} USD" if self.calls > self.unpriced_calls or not self.calls else "",
            f"{_counted(self.unpriced_calls, 'call')} of unknown price" if self.unpriced_calls else "",
        ]
        return ", ".join(filter(None, parts))

    def to_json(self) -> dict[str, int | str]:
        """Return these sums as what one process can send to another."""
        return {
            "calls": self.calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": str(self.cost_usd),
            "unpriced_calls": self.unpriced_calls,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, int | str]) -> Self:
        counts = {name: int(count) for name, count in value.items() if name != "cost_usd"}
        return cls(cost_usd=Decimal(value["cost_usd"]), **counts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def usd(amount: Decimal) -> str:
    """Return an amount with two decimals, or as many more as it takes to show two digits of it."""
    decimals = max(2, 1 - amount.adjusted()) if amount else 2
    return f"{amount:,.{decimals}f}"


class Ledger:
    """A sum that several threads add to."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._totals = Totals()

    @property
    def totals(self) -> Totals:
        return self._totals

    def add(self, spent: Spent | Totals) -> None:
        with self._lock:
            self._totals = self._totals + spent if isinstance(spent, Totals) else self._totals.plus(spent)

    def described(self) -> str:
        return self._totals.described()


class Meter:
    """What a run has spent on live calls, what its replays have saved, and what it may spend.

    Ask `check` before each live call. Calls under way at the same time are not cut off, so that a run may
    cost a little more than its budget; calls of unknown price count as nothing, and are told of.
    """

    def __init__(self, budget_usd: Decimal | None = None, *, prices: Prices | None = None) -> None:
        self.budget_usd = budget_usd
        self.spent = Ledger()
        self.saved = Ledger()
        self._prices = prices

    def check(self) -> None:
        """Raise BudgetExceededError once the budget is spent."""
        if self.budget_usd is not None and self.spent.totals.cost_usd >= self.budget_usd:
            raise BudgetExceededError(
                f"the recording budget of {usd(self.budget_usd)} USD is spent ({self.spent.described()}): "
                "this call was not sent. Allow more with --record-budget, or record fewer tests at once."
            )

    def record(self, interaction: Interaction) -> Spent | None:
        """Count a live call; return what it cost."""
        return self._count(interaction, self.spent)

    def replay(self, interaction: Interaction) -> Spent | None:
        """Count a call that a recording answered; return what it would have cost."""
        return self._count(interaction, self.saved)

    def _count(self, interaction: Interaction, ledger: Ledger) -> Spent | None:
        spent = cost_of(interaction, self._prices)
        if spent is not None:
            ledger.add(spent)
        return spent


def parse_budget(text: str) -> Decimal:
    """Read an amount of USD such as "1.00". Raises ConfigError."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise ConfigError(f"not an amount of USD: {text!r}; write it like 1.00")
    return amount


def with_cost(interaction: Interaction, spent: Spent | None) -> Interaction:
    """Return an interaction whose provenance says what it cost."""
    if spent is None or spent.cost_usd is None:
        return interaction
    meta = {**interaction.response.meta, "cost_usd": f"{spent.cost_usd:f}"}
    return replace(interaction, response=replace(interaction.response, meta=meta))
