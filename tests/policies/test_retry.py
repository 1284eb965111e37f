"""When a call is tried again, and after how long."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from tapeline.errors import RETRYABLE, ErrorCode, LLMError
from tapeline.policies.retry import RetryPolicy

BUSY = LLMError("busy", code=ErrorCode.OVERLOADED)


def asking(wait_s: float) -> LLMError:
    return LLMError("later", code=ErrorCode.RATE_LIMIT, retry_after_s=wait_s)


@pytest.mark.parametrize("code", ErrorCode)
def test_what_may_pass_is_tried_again(code: ErrorCode) -> None:
    delay_s = RetryPolicy().delay_s(1, LLMError("no", code=code), Random(1))

    assert (delay_s is not None) == (code in RETRYABLE)


def test_the_error_itself_has_the_last_word() -> None:
    final = LLMError("no", code=ErrorCode.OVERLOADED, retryable=False)

    assert RetryPolicy().delay_s(1, final, Random(1)) is None


@pytest.mark.parametrize(("attempts", "retries"), [(1, 0), (3, 2), (4, 3)])
def test_tries_are_counted_with_the_first(attempts: int, retries: int) -> None:
    policy = RetryPolicy(attempts=attempts)

    delays = [policy.delay_s(attempt, BUSY, Random(1)) for attempt in range(1, 9)]

    assert [delay_s is not None for delay_s in delays] == [attempt <= retries for attempt in range(1, 9)]


@pytest.mark.parametrize(
    ("wait_s", "delay_s"), [(0.0, 0.0), (1.5, 1.5), (60.0, 60.0), (60.1, None), (3600.0, None)]
)
def test_the_servers_wish_is_kept_or_ends_the_call(wait_s: float, delay_s: float | None) -> None:
    """To the letter, without jitter, up to a minute; and it is no use to come earlier than asked."""
    assert RetryPolicy().delay_s(1, asking(wait_s), Random(1)) == delay_s


def test_the_limit_of_a_wish_can_be_set() -> None:
    assert RetryPolicy(server_wait_limit_s=5.0).delay_s(1, asking(6.0), Random(1)) is None


def test_waits_are_drawn_from_the_generator_that_is_passed() -> None:
    """Full jitter: uniform from zero to a bound that doubles."""
    policy, twin = RetryPolicy(attempts=9), Random(7)

    random = Random(7)
    delays = [policy.delay_s(attempt, BUSY, random) for attempt in range(1, 9)]

    assert delays == [twin.uniform(0.0, bound_s) for bound_s in (0.5, 1, 2, 4, 8, 16, 20, 20)]


@example_settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 50), st.integers(0, 10**6))
def test_no_wait_is_longer_than_the_cap(attempt: int, seed: int) -> None:
    delay_s = RetryPolicy(attempts=99, cap_s=3.0).delay_s(attempt, BUSY, Random(seed))

    assert delay_s is not None
    assert 0.0 <= delay_s <= min(3.0, 0.5 * 2 ** (attempt - 1))
