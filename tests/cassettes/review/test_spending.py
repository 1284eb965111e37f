"""Spending: what recorded calls cost in every wire format, sums of it, and a budget that ends a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest
from external import FILES, needs_recordings, recorded
from recordings import interaction, request, response

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.review.spending import (
    Ledger,
    Meter,
    Spent,
    Totals,
    cost_of,
    parse_budget,
    usd,
    with_cost,
)
from tapeline.errors import BudgetExceededError, ConfigError
from tapeline.policies.pricing import Price
from tapeline.providers.assembly import chunks_of
from tapeline.providers.paths import codec_for
from tapeline.types import Reply, Usage, assistant

PATHS = {
    "openai": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages?beta=true",
    "bedrock": "/model/some%3Amodel/converse",
    "ollama": "/api/chat",
}
MODEL = "some:model"
REPLY = Reply(
    message=assistant("Paris is the capital."),
    finish_reason="stop",
    usage=Usage(input_tokens=2_000, output_tokens=500),
    model=MODEL,
    id="answer-1",
)
PRICES = {f"{provider}:{MODEL}": Price(input=Decimal(1), output=Decimal(4)) for provider in PATHS}
COST = Decimal("0.004")
"""2,000 tokens at 1 USD per million, and 500 at 4."""


def call(provider: str, *, is_stream: bool = False, body: bytes | None = None, **facts: int) -> Interaction:
    codec = codec_for(PATHS[provider])
    assert codec is not None
    path = PATHS[provider].replace("/converse", "/converse-stream") if is_stream else PATHS[provider]
    if body is None and is_stream:
        body = b"".join(codec.encode_stream(chunks_of(REPLY), model=MODEL))
    media = codec.stream_media_type if is_stream else "application/json"
    return interaction(
        request({"model": MODEL}, url=f"https://any.test{path}"),
        response(body or codec.encode_response(REPLY), headers=[("content-type", media)], **facts),
    )


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("provider", PATHS)
def test_a_call_is_priced_by_its_wire_format(provider: str, is_stream: bool) -> None:
    """Plain and streamed; the host does not count."""
    spent = cost_of(call(provider, is_stream=is_stream), PRICES)

    assert spent == Spent(
        provider=provider, model=MODEL, input_tokens=2_000, output_tokens=500, cost_usd=COST
    )


def test_a_price_is_found_by_the_name_that_answered_or_the_one_asked_for() -> None:
    """Compatible servers name their models as they like."""
    known = call("openai")
    other = replace(known, request=request({"model": "other"}, url=known.request.url))
    prices = {"openai:other": Price(input=Decimal(2), output=Decimal(0))}

    found = cost_of(other, prices)

    assert (found and found.model, found and found.cost_usd) == ("other", COST)


def test_a_known_model_is_priced_by_the_lists() -> None:
    """Cheaper than the whole price of its input, because part of that came out of the cache."""
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "prompt_tokens_details": {}}
    body = {"model": "gpt-4o-2024-08-06", "usage": usage, "choices": [{"message": {"content": ""}}]}

    whole = cost_of(call("openai", body=json.dumps(body).encode()))
    usage["prompt_tokens_details"] = {"cached_tokens": 500_000}
    cached = cost_of(call("openai", body=json.dumps(body).encode()))

    assert whole is not None
    assert cached is not None
    assert whole.cost_usd == Decimal("2.5")
    assert Decimal(1) < (cached.cost_usd or 0) < Decimal("2.5")


def test_a_model_is_known_by_the_one_event_that_names_it() -> None:
    """Anthropic names it at the start, and counts at the end."""
    message = {"model": "dated", "role": "assistant", "content": [], "usage": {"input_tokens": 2_000}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 500}}
    events = [{"type": "message_start", "message": message}, end, {"type": "message_stop"}]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()

    spent = cost_of(call("anthropic", is_stream=True, body=body))

    assert spent == Spent(provider="anthropic", model="dated", input_tokens=2_000, output_tokens=500)


NOT_BILLED = {
    "another path": interaction(request({}, url="https://any.test/v1/embeddings")),
    "an error": call("openai", body=b'{"error": {"message": "no"}}', status=429),
    "no answer": call("openai", body=b"", status=0),
}


@pytest.mark.parametrize("known", NOT_BILLED.values(), ids=NOT_BILLED.keys())
def test_what_is_not_billed_costs_nothing(known: Interaction) -> None:
    assert cost_of(known, PRICES) is None


UNKNOWN = {
    "no JSON": (call("openai", body=b"<html>"), MODEL),
    "a stream that is none": (call("bedrock", is_stream=True, body=b"x" * 50), MODEL),
    "an empty stream": (call("openai", is_stream=True, body=b"\n"), MODEL),
    "a request that is none": (
        replace(
            call("openai", body=b"[]"), request=request(b"\xff", url="https://any.test/chat/completions")
        ),
        None,
    ),
}


@pytest.mark.parametrize(("known", "model"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_cannot_be_read_has_no_price(known: Interaction, model: str | None) -> None:
    """It is a call all the same."""
    assert cost_of(known, PRICES) == Spent(provider=known_provider(known), model=model)


def known_provider(known: Interaction) -> str:
    return "bedrock" if "converse" in known.request.url else "openai"


def test_a_stream_that_broke_off_is_counted_as_far_as_it_tells() -> None:
    """Anthropic says what went in with the first event."""
    message = {"id": "1", "type": "message", "role": "assistant", "model": MODEL, "content": []}
    event = {"type": "message_start", "message": message | {"usage": {"input_tokens": 2_000}}}
    body = f"event: message_start\ndata: {json.dumps(event)}\n\nevent: content".encode()

    spent = cost_of(call("anthropic", is_stream=True, body=body), PRICES)

    assert spent == Spent(
        provider="anthropic", model=MODEL, input_tokens=2_000, output_tokens=None, cost_usd=Decimal("0.002")
    )


# Sums ---------------------------------------------------------------------------------------------------

SOME = Spent(provider="openai", model="m", input_tokens=3_000, output_tokens=210, cost_usd=Decimal("0.43"))
UNPRICED = Spent(provider="ollama", model="m", input_tokens=10, output_tokens=None)

DESCRIBED = {
    "nothing": ([], "0 calls, 0 tokens, 0.00 USD"),
    "one": ([SOME], "1 call, 3,210 tokens, 0.43 USD"),
    "two": ([SOME, SOME], "2 calls, 6,420 tokens, 0.86 USD"),
    "no price": ([UNPRICED], "1 call, 10 tokens, 1 call of unknown price"),
    "some prices": (
        [SOME, UNPRICED, UNPRICED],
        "3 calls, 3,230 tokens, 0.43 USD, 2 calls of unknown price",
    ),
}


@pytest.mark.parametrize(("calls", "text"), DESCRIBED.values(), ids=DESCRIBED.keys())
def test_a_sum_is_told_in_one_line(calls: list[Spent], text: str) -> None:
    ledger = Ledger()
    for spent in calls:
        ledger.add(spent)

    assert ledger.described() == text


AMOUNTS = {"0": "0.00", "12.3456": "12.35", "0.43": "0.43", "0.0043": "0.0043", "1E-7": "0.00000010"}


@pytest.mark.parametrize(("amount", "text"), AMOUNTS.items())
def test_small_amounts_do_not_vanish(amount: str, text: str) -> None:
    assert usd(Decimal(amount)) == text


def test_a_sum_travels_between_processes() -> None:
    """Exact, as plain JSON."""
    totals = Totals().plus(SOME).plus(UNPRICED)
    ledger = Ledger()

    ledger.add(Totals.from_json(json.loads(json.dumps(totals.to_json()))))
    ledger.add(totals)

    assert ledger.totals == totals + totals


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    """Threads take turns after every few steps, so that what is not locked goes wrong soon."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval_s)


@pytest.mark.usefixtures("_hasty_threads")
def test_threads_lose_nothing() -> None:
    ledger = Ledger()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ledger.add, [SOME] * 2_000))

    assert ledger.totals.calls == 2_000
    assert ledger.totals.cost_usd == Decimal(860)


# Budget -------------------------------------------------------------------------------------------------


def test_a_budget_stops_the_call_after_it_is_spent() -> None:
    """The error says what was spent, on what, and how to allow more."""
    meter = Meter(Decimal("0.008"), prices=PRICES)

    meter.check()
    meter.record(call("openai"))
    meter.check()
    meter.record(call("anthropic", is_stream=True))
    with pytest.raises(BudgetExceededError) as caught:
        meter.check()

    assert str(caught.value) == (
        "the recording budget of 0.0080 USD is spent (2 calls, 5,000 tokens, 0.0080 USD): this call was not "
        "sent. Allow more with --record-budget, or record fewer tests at once. [budget_exceeded]"
    )
    assert not caught.value.retryable


def test_a_replay_spends_nothing() -> None:
    """What it saved is counted on its own."""
    meter = Meter(Decimal("0.001"), prices=PRICES)

    saved = meter.replay(call("openai"))
    meter.check()

    assert saved is not None
    assert (meter.saved.totals.cost_usd, meter.spent.totals.calls) == (COST, 0)


def test_a_budget_of_nothing_sends_nothing_and_no_budget_everything() -> None:
    free = Meter(prices=PRICES)
    free.record(call("openai"))

    free.check()
    with pytest.raises(BudgetExceededError):
        Meter(Decimal(0)).check()


def test_what_is_not_billed_is_not_counted() -> None:
    meter = Meter()

    assert meter.record(NOT_BILLED["an error"]) is None
    assert meter.spent.totals == Totals()


def test_a_budget_is_an_amount() -> None:
    assert parse_budget(" 1.50 ") == Decimal("1.50")


@pytest.mark.parametrize("text", ["", "much", "-1", "NaN", "inf", "1,00"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not an amount of USD"):
        parse_budget(text)


def test_a_recording_can_say_what_it_cost() -> None:
    """Beside what else it says; not where that is not known."""
    known = interaction(answer=response(b"", meta={"recorder": "r"}))

    assert with_cost(known, SOME).response.meta == {"recorder": "r", "cost_usd": "0.43"}
    assert with_cost(known, UNPRICED) is known
    assert with_cost(known, None) is known


# External recordings ------------------------------------------------------------------------------------


@needs_recordings
def test_real_answers_say_what_they_took() -> None:
    """All but those that were only queued; and of nearly all the price is known."""
    costs = [cost for path in FILES for known in recorded(path) if (cost := cost_of(known)) is not None]

    assert len(costs) > 200
    assert sum(cost.input_tokens is None for cost in costs) <= 2
    assert sum(cost.cost_usd is None for cost in costs) < len(costs) * 0.07
    assert all(cost.model for cost in costs)
