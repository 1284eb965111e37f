"""Policies of a model: what with_ takes, and on whose calls it works."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from exchanges import BLOCKING, QUESTION, answer, failure
from wires import Server

from tapeline.client import ProviderModel, chat_model
from tapeline.clock import VirtualClock
from tapeline.errors import ConfigError, LLMError
from tapeline.policies.breaker import CircuitBreaker
from tapeline.policies.pricing import Price
from tapeline.policies.ratelimit import RateLimit, RateLimiter
from tapeline.policies.retry import RetryPolicy


def test_another_policy_is_another_model(clock: VirtualClock) -> None:
    """The one it was made from keeps its own; None takes a policy away."""
    server = Server(clock, failure(500))
    model = BLOCKING.model(server, max_retries=0)

    patient = model.with_(retry=RetryPolicy(attempts=3, base_s=0.0))
    attempts = [
        attempts_of(each) for each in (model, patient, model.with_(retry=1), patient.with_(retry=None))
    ]

    assert attempts == [1, 3, 2, 1]
    assert patient.bind(temperature=0.5).targets == patient.targets


def attempts_of(model: ProviderModel) -> int:
    with pytest.raises(LLMError) as raised:
        model.generate(QUESTION)
    return raised.value.attempts


def test_policies_may_be_given_at_once(clock: VirtualClock) -> None:
    """As `chat_model` takes them; then the order they are named in does not matter."""
    retry, breaker = RetryPolicy(attempts=7), CircuitBreaker()
    other = BLOCKING.model(Server(clock, answer()))
    given = {"retry": retry, "breaker": breaker, "fallback": other, "rate_limit": RateLimit()}

    models = [
        BLOCKING.model(Server(clock, answer()), **dict(items))
        for items in (given.items(), reversed(given.items()))
    ]

    for first, second in [model.targets for model in models]:
        assert (first.retry, second.retry) == (retry, retry)
        assert first.breaker is not None
        assert first.breaker is not second.breaker
        assert (first.limiter is None, second.limiter is None) == (False, True)


def test_models_made_from_one_share_its_limits_and_breakers(clock: VirtualClock) -> None:
    """They call the same service. A limiter of your own is shared by whomever it is given to."""
    limiter = RateLimiter(RateLimit(requests_per_minute=60, burst_s=0))
    server = Server(clock, answer())
    model = BLOCKING.model(server, rate_limit=limiter, breaker=CircuitBreaker())
    bound, other = model.bind(temperature=0.5), BLOCKING.model(server).with_(rate_limit=limiter)

    for each in (model, bound, other):
        each.generate(QUESTION)

    assert server.asked_at_s == [0.0, 1.0, 2.0]
    assert bound.targets[0].breaker is model.targets[0].breaker


def test_a_fallback_may_be_a_name(clock: VirtualClock) -> None:
    """It is made with the clock of the model, and with those that step in for it in turn."""
    second = chat_model("mock:two", clock=clock, fallback="mock:three")
    model = chat_model("mock:one", clock=clock, fallback=["mock:echo", second])

    assert [target.name for target in model.targets] == ["mock:one", "mock:echo", "mock:two", "mock:three"]
    assert [target.name for target in model.with_(fallback=None).targets] == ["mock:one"]


def test_a_price_may_be_stated(clock: VirtualClock) -> None:
    """For the name the caller uses, in USD a million tokens."""
    price = Price(input=Decimal(2), output=Decimal(10))
    model = BLOCKING.model(Server(clock, answer()), prices={"mock:echo-1": price})

    assert model.generate(QUESTION).cost_usd == Decimal("0.000074")
    assert model.with_(prices=None).generate(QUESTION).cost_usd is None


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"retires": 1, "retry": 2}, "unknown policy retires; known are breaker, cache, deadline_s"),
    "no time": ({"deadline_s": 0}, "deadline_s must be more than 0 seconds, not 0"),
    "less than no retry": ({"retry": -1}, "attempts=0"),
    "an unknown fallback": ({"fallback": "mok:echo"}, "did you mean 'mock'"),
    "a fallback that is no model": ({"fallback": [3]}, "fallback takes models and their names, not 3"),
    "a bare rate": ({"rate_limit": 60}, "rate_limit takes RateLimit, RateLimiter or None, not 60"),
    "a wish for a breaker": ({"breaker": True}, "breaker takes CircuitBreaker or None, not True"),
    "a wish for a cache": ({"cache": True}, "cache takes ResponseCache or None, not True"),
    "the name of a route": ({"route": "cost"}, "route takes Route or None, not 'cost'"),
    "a wish for retries": ({"retry": "often"}, "retry takes RetryPolicy, int or None, not 'often'"),
}


@pytest.mark.parametrize(("policies", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_policy_is_refused(policies: dict[str, Any], message: str, clock: VirtualClock) -> None:
    model = chat_model("mock:echo", clock=clock)

    with pytest.raises(ConfigError, match=message):
        model.with_(**policies)
