"""When a failing service is left alone, and when it is tried again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tapeline.clock import NS_PER_S
from tapeline.errors import ConfigError, ErrorCode
from tapeline.policies.breaker import Breaker, CircuitBreaker

SICK = {ErrorCode.OVERLOADED, ErrorCode.INTERNAL_ERROR, ErrorCode.TIMEOUT, ErrorCode.NETWORK_ERROR}
TIMEOUT = ErrorCode.TIMEOUT
COOLDOWN_NS = 30 * NS_PER_S


def closed() -> Breaker:
    """One failure from opening."""
    breaker = Breaker(CircuitBreaker(failures=2))
    breaker.failed(TIMEOUT, 0)
    return breaker


def opened() -> Breaker:
    breaker = closed()
    breaker.failed(TIMEOUT, 0)
    return breaker


def half_open() -> Breaker:
    """With its probe on the way."""
    breaker = opened()
    breaker.allows(COOLDOWN_NS)
    return breaker


# Each state, each event -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "now_ns", "expected", "state"),
    [
        (closed, 0, True, "closed"),
        (opened, 0, False, "open"),
        (opened, COOLDOWN_NS - 1, False, "open"),
        (opened, COOLDOWN_NS, True, "half_open"),
        (half_open, COOLDOWN_NS, False, "half_open"),
        (half_open, 100 * COOLDOWN_NS, False, "half_open"),
    ],
    ids=["closed", "just opened", "almost cool", "cool", "probing", "still probing"],
)
def test_calls_pass_while_the_service_is_well(
    make: Callable[[], Breaker], now_ns: int, expected: bool, state: str
) -> None:
    breaker = make()

    assert breaker.allows(now_ns) == expected
    assert breaker.state == state


@pytest.mark.parametrize(
    ("make", "report", "has_changed", "state"),
    [
        (closed, lambda breaker: breaker.succeeded(), False, "closed"),
        (closed, lambda breaker: breaker.failed(TIMEOUT, 9), True, "open"),
        (closed, lambda breaker: breaker.abandoned(), None, "closed"),
        (opened, lambda breaker: breaker.succeeded(), False, "open"),
        (opened, lambda breaker: breaker.failed(TIMEOUT, 9), False, "open"),
        (opened, lambda breaker: breaker.abandoned(), None, "open"),
        (half_open, lambda breaker: breaker.succeeded(), True, "closed"),
        (half_open, lambda breaker: breaker.failed(TIMEOUT, 9), True, "open"),
        (half_open, lambda breaker: breaker.failed(ErrorCode.RATE_LIMIT, 9), False, "half_open"),
        (half_open, lambda breaker: breaker.abandoned(), None, "half_open"),
    ],
)
def test_reports_move_it_from_state_to_state(
    make: Callable[[], Breaker],
    report: Callable[[Breaker], bool | None],
    has_changed: bool | None,
    state: str,
) -> None:
    """And tell whether they did, so that it can be logged."""
    breaker = make()

    assert report(breaker) is has_changed
    assert breaker.state == state


@pytest.mark.parametrize("code", ErrorCode)
def test_only_a_service_that_is_not_well_opens_it(code: ErrorCode) -> None:
    """A wrong key or a long prompt is no sign of sickness, and neither is a rate limit."""
    breaker = Breaker(CircuitBreaker(failures=1))

    assert breaker.failed(code, 0) == (code in SICK)


# Counting and waiting -------------------------------------------------------------------------------


def test_only_failures_in_a_row_count() -> None:
    breaker = closed()

    breaker.succeeded()
    breaker.failed(TIMEOUT, 0)

    assert breaker.state == "closed"


def test_other_errors_do_not_interrupt_the_row() -> None:
    breaker = closed()

    breaker.failed(ErrorCode.INVALID_REQUEST, 0)
    breaker.failed(TIMEOUT, 0)

    assert breaker.state == "open"


def test_a_closed_breaker_counts_from_zero_again() -> None:
    breaker = half_open()

    breaker.succeeded()
    breaker.failed(TIMEOUT, 0)

    assert breaker.state == "closed"


@pytest.mark.parametrize(
    "end", [lambda breaker: breaker.abandoned(), lambda breaker: breaker.failed(ErrorCode.QUOTA_EXCEEDED, 0)]
)
def test_a_probe_without_a_verdict_frees_its_slot(end: Callable[[Breaker], object]) -> None:
    breaker = half_open()

    end(breaker)

    assert breaker.allows(COOLDOWN_NS)
    assert not breaker.allows(COOLDOWN_NS)


def test_a_failed_probe_costs_another_cooldown() -> None:
    breaker = half_open()

    breaker.failed(TIMEOUT, COOLDOWN_NS + 5)

    assert not breaker.allows(2 * COOLDOWN_NS + 4)
    assert breaker.allows(2 * COOLDOWN_NS + 5)


def test_late_failures_do_not_prolong_the_cooldown() -> None:
    breaker = opened()

    breaker.failed(TIMEOUT, COOLDOWN_NS - 1)

    assert breaker.allows(COOLDOWN_NS)


@pytest.mark.parametrize(
    ("make", "now_s", "wait_s"),
    [(closed, 0, 0), (opened, 0, 30), (opened, 29, 1), (opened, 31, 0), (half_open, 0, 0)],
)
def test_it_tells_how_long_it_stays_open(make: Callable[[], Breaker], now_s: int, wait_s: float) -> None:
    assert make().wait_s(now_s * NS_PER_S) == wait_s


def test_of_many_threads_one_makes_the_probe() -> None:
    breaker = opened()

    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(lambda _: breaker.allows(COOLDOWN_NS), range(200)))

    assert allowed.count(True) == 1


# Any order of events --------------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Calls that overlap as they like, each of which ends in one of three ways."""

    @initialize()
    def start(self) -> None:
        self.breaker = Breaker(CircuitBreaker(failures=3, cooldown_s=10))
        self.now_ns = 0
        self.sick_in_a_row = 0
        self.opened_ns: int | None = None

    @rule(seconds=st.integers(0, 15))
    def pass_time(self, seconds: int) -> None:
        self.now_ns += seconds * NS_PER_S

    @rule()
    def call(self) -> None:
        before = self.breaker.state
        is_cool = self.opened_ns is not None and self.now_ns >= self.opened_ns + 10 * NS_PER_S
        is_allowed = self.breaker.allows(self.now_ns)
        if before == "open":
            assert is_allowed == is_cool
        if is_allowed and before != "closed":
            assert not self.breaker.allows(self.now_ns)

    @rule(code=st.sampled_from([TIMEOUT, ErrorCode.OVERLOADED, ErrorCode.INVALID_REQUEST]))
    def fail(self, code: ErrorCode) -> None:
        before = self.breaker.state
        self.sick_in_a_row += code in SICK
        if self.breaker.failed(code, self.now_ns):
            assert code in SICK
            assert before == "half_open" or self.sick_in_a_row >= 3
            self.opened_ns = self.now_ns

    @rule()
    def succeed(self) -> None:
        before = self.breaker.state
        assert self.breaker.succeeded() == (before == "half_open")
        if before != "open":
            self.sick_in_a_row = 0

    @rule()
    def leave(self) -> None:
        self.breaker.abandoned()

    @rule()
    def recover(self) -> None:
        """No service is given up for good: after a cooldown, a call passes, and its success closes."""
        self.now_ns += 10 * NS_PER_S
        self.breaker.abandoned()
        assert self.breaker.allows(self.now_ns)
        self.succeed()
        assert self.breaker.state == "closed"

    @invariant()
    def opens_in_time(self) -> None:
        assert self.breaker.state != "closed" or self.sick_in_a_row < 3


def test_it_keeps_its_promises_in_any_order_of_events() -> None:
    settings = example_settings(max_examples=60)
    run_state_machine_as_test(AnyOrder, settings=settings)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: CircuitBreaker(failures=0), "failures=0"),
        (lambda: CircuitBreaker(cooldown_s=-1), "cooldown_s"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Callable[[], object], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        make()
