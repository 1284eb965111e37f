"""When a call is tried again, and after how long."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from tapeline.errors import RETRYABLE, ConfigError, ErrorCode, LLMError
from tapeline.policies.retry import RetryBudget, RetryPolicy

BROKEN = LLMError("broken", code=ErrorCode.INTERNAL_ERROR)


def asking(wait_s: float) -> LLMError:
    return LLMError("later", code=ErrorCode.RATE_LIMIT, retry_after_s=wait_s)


def is_retried(error: LLMError, policy: RetryPolicy | None = None) -> bool:
    return (policy or RetryPolicy()).delay_s(1, error, Random(1)) is not None


# What is tried again --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ErrorCode)
def test_what_may_pass_is_tried_again(code: ErrorCode) -> None:
    assert is_retried(LLMError("no", code=code)) == (code in RETRYABLE)


OVERLOADED, QUOTA = ErrorCode.OVERLOADED, ErrorCode.QUOTA_EXCEEDED


@pytest.mark.parametrize(
    ("code", "retryable", "should_retry", "expected"),
    [
        (OVERLOADED, None, None, True),
        (OVERLOADED, False, None, False),
        (OVERLOADED, None, False, False),
        (OVERLOADED, False, True, True),
        (QUOTA, None, None, False),
        (QUOTA, True, None, False),  # the caller may try later; nothing is tried at once
        (QUOTA, None, True, True),
        (QUOTA, True, False, False),
    ],
)
def test_the_server_has_the_last_word(
    code: ErrorCode, retryable: bool | None, should_retry: bool | None, expected: bool
) -> None:
    error = LLMError("no", code=code, retryable=retryable, should_retry=should_retry)

    assert is_retried(error) == expected


def test_codes_can_be_chosen() -> None:
    policy = RetryPolicy(codes=frozenset({ErrorCode.TIMEOUT}))

    assert is_retried(LLMError("slow", code=ErrorCode.TIMEOUT), policy)
    assert not is_retried(BROKEN, policy)


@pytest.mark.parametrize(("attempts", "retries"), [(1, 0), (3, 2), (4, 3)])
def test_tries_are_counted_with_the_first(attempts: int, retries: int) -> None:
    policy = RetryPolicy(attempts=attempts)

    delays = [policy.delay_s(attempt, BROKEN, Random(1)) for attempt in range(1, 9)]

    assert [delay_s is not None for delay_s in delays] == [attempt <= retries for attempt in range(1, 9)]


# After how long -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wait_s", "delay_s"), [(0.0, 0.0), (1.5, 1.5), (60.0, 60.0), (60.1, None), (3600.0, None)]
)
def test_the_servers_wish_is_kept_or_ends_the_call(wait_s: float, delay_s: float | None) -> None:
    """To the letter, without jitter, up to a minute; and it is no use to come earlier than asked."""
    assert RetryPolicy().delay_s(1, asking(wait_s), Random(1)) == delay_s


def test_the_limit_of_a_wish_can_be_set() -> None:
    assert RetryPolicy(server_wait_limit_s=5.0).delay_s(1, asking(6.0), Random(1)) is None


@pytest.mark.parametrize(
    ("code", "bounds_s"),
    [
        (ErrorCode.INTERNAL_ERROR, (0.5, 1, 2, 4, 8, 16, 20, 20)),
        (ErrorCode.NETWORK_ERROR, (0.5, 1, 2, 4, 8, 16, 20, 20)),
        (ErrorCode.OVERLOADED, (1, 2, 4, 8, 16, 20, 20, 20)),
        (ErrorCode.RATE_LIMIT, (1, 2, 4, 8, 16, 20, 20, 20)),
    ],
)
def test_waits_are_drawn_from_the_generator_that_is_passed(
    code: ErrorCode, bounds_s: tuple[float, ...]
) -> None:
    """Full jitter: uniform from zero to a bound that doubles; longer where less traffic is wanted."""
    policy, random, twin = RetryPolicy(attempts=9), Random(7), Random(7)

    delays = [policy.delay_s(attempt, LLMError("no", code=code), random) for attempt in range(1, 9)]

    assert delays == [twin.uniform(0.0, bound_s) for bound_s in bounds_s]


@example_settings(max_examples=50)
@given(st.integers(1, 5000), st.integers(0, 10**6))
def test_no_wait_is_longer_than_the_cap(attempt: int, seed: int) -> None:
    policy = RetryPolicy(attempts=9999, cap_s=3.0, budget=None)

    delay_s = policy.delay_s(attempt, BROKEN, Random(seed))

    assert delay_s is not None
    assert 0.0 <= delay_s <= min(3.0, 0.5 * 2 ** min(attempt - 1, 9))


@pytest.mark.parametrize(
    ("remaining_s", "delay_s"), [(None, 5.0), (5.1, 5.0), (5.0, None), (1.0, None), (0.0, None), (-1.0, None)]
)
def test_nobody_sleeps_into_the_deadline(remaining_s: float | None, delay_s: float | None) -> None:
    """A wait that leaves no time for the try after it is not begun."""
    assert RetryPolicy().delay_s(1, asking(5.0), Random(1), remaining_s=remaining_s) == delay_s


# The budget -----------------------------------------------------------------------------------------


def attempts_under(policy: RetryPolicy, calls: int) -> int:
    """Let every try of so many calls fail, and count the tries."""
    return sum(attempts_of_one_call(policy) for _ in range(calls))


def attempts_of_one_call(policy: RetryPolicy) -> int:
    attempt = 1
    if policy.budget is not None:
        policy.budget.deposit()
    while policy.delay_s(attempt, BROKEN, Random(1)) is not None:
        attempt += 1
    return attempt


@example_settings(max_examples=50)
@given(
    ratio=st.floats(0, 1), reserve=st.integers(0, 50), attempts=st.integers(1, 6), calls=st.integers(1, 99)
)
def test_a_service_that_is_down_is_not_flooded(ratio: float, reserve: int, attempts: int, calls: int) -> None:
    """Once the reserve is spent, there are at most 1 + ratio tries per call, whatever the policy allows."""
    budget = RetryBudget(ratio=ratio, reserve=reserve)
    while budget.withdraw():
        pass

    tries = attempts_under(RetryPolicy(attempts=attempts, budget=budget), calls)

    assert tries <= calls * (1 + round(ratio, 3)) + 1e-9


def test_a_tenth_of_the_calls_is_retried_at_a_hundred_per_second() -> None:
    """Ten minutes of failures, after a second of them."""
    policy = RetryPolicy()
    attempts_under(policy, 100)

    assert attempts_under(policy, 60_000) == 66_000


def test_a_few_calls_that_fail_get_all_their_tries() -> None:
    assert attempts_under(RetryPolicy(), 50) == 150


def test_calls_that_go_well_fill_the_budget_up_to_its_reserve() -> None:
    budget = RetryBudget(ratio=0.1, reserve=2)
    spent = [budget.withdraw() for _ in range(3)]

    for _ in range(10):
        budget.deposit()
    after_ten = [budget.withdraw() for _ in range(2)]
    for _ in range(1000):
        budget.deposit()
    after_many = [budget.withdraw() for _ in range(3)]

    assert spent == [True, True, False]
    assert after_ten == [True, False]
    assert after_many == [True, True, False]


def test_a_retry_that_is_not_made_costs_nothing() -> None:
    policy = RetryPolicy(budget=RetryBudget(ratio=0, reserve=1))

    refused = [
        policy.delay_s(3, BROKEN, Random(1)),
        policy.delay_s(1, asking(100.0), Random(1)),
        policy.delay_s(1, asking(5.0), Random(1), remaining_s=1.0),
    ]

    assert refused == [None, None, None]
    assert is_retried(BROKEN, policy)
    assert not is_retried(BROKEN, policy)


def test_without_a_budget_every_call_gets_its_tries() -> None:
    assert attempts_under(RetryPolicy(budget=None), 1000) == 3000


# Settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: RetryPolicy(attempts=0), "attempts=0"),
        (lambda: RetryPolicy(base_s=-1), "negative times"),
        (lambda: RetryPolicy(cap_s=-1), "negative times"),
        (lambda: RetryBudget(ratio=-0.1), "negative ratio"),
        (lambda: RetryBudget(reserve=-1), "budget=None"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Callable[[], object], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        make()


def test_policies_with_the_same_numbers_are_equal() -> None:
    assert RetryPolicy(attempts=5) == RetryPolicy(attempts=5) != RetryPolicy()
