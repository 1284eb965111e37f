"""How long calls wait below a rate limit: the right rate, first come first served, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tapeline.clock import NS_PER_S
from tapeline.errors import ConfigError
from tapeline.media import Image
from tapeline.policies.ratelimit import (
    MEDIA_BYTES,
    RateLimit,
    RateLimiter,
    Reservation,
    estimated_tokens,
    prompt_bytes,
)
from tapeline.types import ChatRequest, Message, Tool, ToolCall, assistant, tool_result, user

EXAMPLES = example_settings(max_examples=60)


def at(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def requests(per_minute: float, *, burst_s: float = 0.0) -> RateLimiter:
    return RateLimiter(RateLimit(requests_per_minute=per_minute, burst_s=burst_s))


def tokens(per_minute: float, *, burst_s: float = 60.0) -> RateLimiter:
    return RateLimiter(RateLimit(tokens_per_minute=per_minute, burst_s=burst_s))


def waits_s(limiter: RateLimiter, *sizes: int, now_s: float = 0.0) -> list[float]:
    """Reserve so many tokens each, all at one time."""
    return [limiter.reserve(at(now_s), size).delay_s for size in sizes]


# The rate -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limiter", "sizes", "expected_s"),
    [
        (RateLimiter(RateLimit()), [1, 10**9], [0, 0]),
        (requests(60), [5, 5, 5], [0, 1, 2]),
        (requests(60, burst_s=2), [5, 5, 5, 5], [0, 0, 1, 2]),
        (requests(5, burst_s=10), [5, 5], [0, 12]),  # a burst shorter than one request is none
        (tokens(60, burst_s=10), [4, 4, 4, 4], [0, 0, 2, 6]),
        (tokens(60), [60, 1, 1], [0, 1, 2]),
        (tokens(60), [0, 0], [0, 0]),
        (
            RateLimiter(RateLimit(requests_per_minute=60, tokens_per_minute=600, burst_s=0)),
            [50, 1, 1],
            [0, 5, 5 + 1],  # the tokens of the first, then the request of the second
        ),
    ],
    ids=["none", "spaced", "burst", "slow", "tokens", "tokens at once", "nothing", "both"],
)
def test_a_call_waits_until_there_is_room(
    limiter: RateLimiter, sizes: list[int], expected_s: list[float]
) -> None:
    assert waits_s(limiter, *sizes) == expected_s


def test_what_is_not_used_is_saved_up_to_the_burst() -> None:
    limiter = requests(60, burst_s=3)
    waits_s(limiter, 1, 1, 1)

    assert waits_s(limiter, *[1] * 3, now_s=2) == [0, 0, 1]
    assert waits_s(limiter, *[1] * 4, now_s=1000) == [0, 0, 0, 1]


@pytest.mark.parametrize("per_minute", [1, 7, 60, 9_999, 1_000_000])
def test_the_long_run_rate_is_the_limit(per_minute: int) -> None:
    """Within 1 %, over a thousand requests of a caller who always waits."""
    limiter, now_ns = requests(per_minute), 0

    for _ in range(1000):
        now_ns += at(limiter.reserve(now_ns, 1).delay_s)

    assert now_ns / NS_PER_S == pytest.approx(999 * 60 / per_minute, rel=0.01)


@EXAMPLES
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), min_size=1, max_size=40))
def test_no_window_holds_more_than_the_burst_and_the_rate(calls: list[tuple[int, int]]) -> None:
    """For any callers: gaps in seconds, then a request of so many tokens, 1 a second with 10 in reserve."""
    limiter = tokens(60, burst_s=10)

    arrivals = list(accumulate(gap_s for gap_s, _ in calls))
    sizes = [size for _, size in calls]
    sent_s = [now_s + limiter.reserve(at(now_s), n).delay_s for now_s, n in zip(arrivals, sizes, strict=True)]

    assert sent_s == sorted(sent_s)
    for first in range(len(calls)):
        for last in range(first, len(calls)):
            # One that is larger than the bucket owes the rest, and so counts with what comes after it.
            sent = sum(sizes[first:last]) + min(sizes[last], 10)
            assert sent <= 10 + sent_s[last] - sent_s[first]


# Fairness -------------------------------------------------------------------------------------------


def test_a_large_request_is_not_starved_by_small_ones() -> None:
    """The large one has to wait for room; the small ones that come later wait behind it."""
    limiter = tokens(600, burst_s=1)
    waits_s(limiter, 10)

    assert waits_s(limiter, 8, *[1] * 4) == pytest.approx([0.8, 0.9, 1.0, 1.1, 1.2])


def test_a_request_larger_than_the_bucket_goes_alone() -> None:
    """Once the bucket is full; those behind it wait until what it owes has flowed in. It is no error."""
    limiter = tokens(60, burst_s=10)
    waits_s(limiter, 4)

    assert waits_s(limiter, 100, 1) == [4, 4 + 91]


def test_asking_for_the_wait_changes_nothing() -> None:
    limiter = requests(60)
    waits_s(limiter, 1)

    asked = [limiter.wait_s(0, 1) for _ in range(3)]

    assert asked == [1, 1, 1]
    assert waits_s(limiter, 1) == [1]


# Given back and settled -----------------------------------------------------------------------------


def test_a_place_given_back_is_the_next_ones() -> None:
    limiter = requests(60)
    _, second = limiter.reserve(0, 1), limiter.reserve(0, 1)

    limiter.cancel(second, 0)

    assert waits_s(limiter, 1, 1) == [1, 2]


def test_a_place_is_given_back_once() -> None:
    limiter = requests(60)
    _, second = limiter.reserve(0, 1), limiter.reserve(0, 1)

    limiter.cancel(second, 0)
    limiter.cancel(second, 0)

    assert waits_s(limiter, 1) == [1]


def test_who_waits_moves_up_when_a_place_is_given_back() -> None:
    limiter = tokens(60, burst_s=0)
    _, large, small = limiter.reserve(0, 1), limiter.reserve(0, 59), limiter.reserve(0, 1)

    limiter.cancel(large, 0)

    assert small.delay_s == 60
    assert limiter.left_s(small, 0) == 1


def test_who_waits_moves_up_when_another_used_less() -> None:
    """Else a queue would be as slow as its estimates, which count the longest answer there may be."""
    limiter = tokens(60)
    calls = [limiter.reserve(0, 60) for _ in range(3)]

    limiter.settle(calls[0], 10, at(1))

    assert [limiter.left_s(call, at(1)) for call in calls] == [0, 60 - 50 - 1, 120 - 50 - 1]


@pytest.mark.parametrize(
    ("estimated", "actual", "wait_s"), [(40, 40, 10), (40, 10, 0), (40, 0, 0), (40, 70, 40), (10, 100, 70)]
)
def test_an_estimate_is_corrected_by_what_was_used(estimated: int, actual: int, wait_s: float) -> None:
    """Either way: the next one of 30 tokens gains or pays."""
    limiter = tokens(60)
    call = limiter.reserve(0, estimated)

    limiter.settle(call, actual, 0)

    assert limiter.wait_s(0, 30) == wait_s


def test_settling_twice_counts_the_last() -> None:
    limiter = tokens(60)
    call = limiter.reserve(0, 60)

    limiter.settle(call, 10, 0)
    limiter.settle(call, 60, 0)

    assert limiter.wait_s(0, 1) == 1


def test_settling_gives_no_more_than_the_bucket_holds() -> None:
    limiter = tokens(60)
    call = limiter.reserve(0, 60)

    limiter.settle(call, 0, at(45))

    assert waits_s(limiter, 60, 1, now_s=45) == [0, 1]


# Pauses ---------------------------------------------------------------------------------------------


def test_a_pause_stops_everybody() -> None:
    """Also those who wait already; and afterwards they go one by one, as they would have."""
    limiter = requests(60)
    first, second = limiter.reserve(0, 1), limiter.reserve(0, 1)

    limiter.pause(at(0.5), 10)

    assert limiter.left_s(first, at(0.5)) == 10
    assert limiter.left_s(second, at(1)) == 10
    assert limiter.left_s(second, at(11)) == 0
    assert waits_s(limiter, 1, now_s=1) == [11]


@pytest.mark.parametrize(
    ("pauses", "wait_s"),
    [([(0, 10)], 10), ([(0, 10), (0, 4)], 10), ([(0, 10), (5, 10)], 15), ([(0, 2), (5, 1)], 0)],
    ids=["one", "shorter", "longer", "over"],
)
def test_pauses_overlap_and_do_not_add_up(pauses: list[tuple[float, float]], wait_s: float) -> None:
    limiter = RateLimiter(RateLimit())
    for now_s, delay_s in pauses:
        limiter.pause(at(now_s), delay_s)

    assert limiter.wait_s(at(pauses[-1][0] + 1), 1) == max(0, wait_s - pauses[-1][0] - 1)


# Against a model, and from threads ------------------------------------------------------------------

SIZE = 10 * NS_PER_S  # of both buckets, each in the time it takes to fill: 10 requests, 10,000 tokens
REQUEST, TOKEN, MS = NS_PER_S, NS_PER_S // 1000, NS_PER_S // 1000


class Buckets:
    """Two plain buckets and a queue: what is first goes as soon as both hold enough."""

    def __init__(self, levels: tuple[int, int] = (SIZE, SIZE), queue: tuple[Reservation, ...] = ()) -> None:
        self.levels = levels
        self.queue = queue

    def pour(self, requests_ns: int, tokens_ns: int) -> None:
        self.levels = min(self.levels[0] + requests_ns, SIZE), min(self.levels[1] + tokens_ns, SIZE)

    def wait_ns(self) -> int:
        """How long the first of the queue still has to wait."""
        needed = min(self.queue[0].tokens * TOKEN, SIZE)
        return max(0, REQUEST - self.levels[0], needed - self.levels[1])

    def pass_time(self, time_ns: int) -> None:
        while self.queue and (wait_ns := self.wait_ns()) <= time_ns:
            self.pour(wait_ns, wait_ns)
            self.pour(-REQUEST, -self.queue[0].tokens * TOKEN)
            self.queue = self.queue[1:]
            time_ns -= wait_ns
        self.pour(time_ns, time_ns)

    def waits_ns(self) -> list[int]:
        """What everybody in the queue has to wait if nothing else happens."""
        trial, waits = Buckets(self.levels, self.queue), [0]
        while trial.queue:
            wait_ns = trial.wait_ns()
            waits.append(waits[-1] + wait_ns)
            left, trial.queue = trial.queue[1:], trial.queue[:1]
            trial.pass_time(wait_ns)
            trial.queue = left
        return waits[1:]


class LimiterAgainstBuckets(RuleBasedStateMachine):
    """Whatever happens, everybody waits as long as in front of two plain buckets."""

    reserved = Bundle("reserved")

    @initialize()
    def fill(self) -> None:
        self.limiter = RateLimiter(RateLimit(requests_per_minute=60, tokens_per_minute=60_000, burst_s=10))
        self.buckets = Buckets()
        self.now_ns = self.paused_ns = 0

    @rule(ms=st.integers(0, 20_000))
    def pass_time(self, ms: int) -> None:
        self.now_ns += ms * MS
        standing_ns = min(self.paused_ns, ms * MS)
        self.paused_ns -= standing_ns
        self.buckets.pass_time(ms * MS - standing_ns)

    @rule(target=reserved, tokens=st.integers(0, 15_000))
    def reserve(self, tokens: int) -> Reservation:
        asked_s = self.limiter.wait_s(self.now_ns, tokens)
        place = self.limiter.reserve(self.now_ns, tokens)
        self.buckets.queue += (place,)
        assert place.delay_s == asked_s == (self.buckets.waits_ns()[-1] + self.paused_ns) / NS_PER_S
        self.buckets.pass_time(0)
        return place

    @rule(place=consumes(reserved))
    def cancel(self, place: Reservation) -> None:
        if place in self.buckets.queue:
            self.buckets.queue = tuple(other for other in self.buckets.queue if other is not place)
        else:
            self.buckets.pour(REQUEST, place.tokens * TOKEN)
        self.limiter.cancel(place, self.now_ns)
        self.buckets.pass_time(0)

    @rule(place=reserved, actual=st.integers(0, 30_000))
    def settle(self, place: Reservation, actual: int) -> None:
        if place not in self.buckets.queue:
            self.buckets.pour(0, (place.tokens - actual) * TOKEN)
        self.limiter.settle(place, actual, self.now_ns)
        self.buckets.pass_time(0)

    @rule(ms=st.integers(0, 20_000))
    def pause(self, ms: int) -> None:
        self.limiter.pause(self.now_ns, ms / 1000)
        self.paused_ns = max(self.paused_ns, ms * MS)

    @invariant()
    def all_wait_alike(self) -> None:
        left_s = [self.limiter.left_s(place, self.now_ns) for place in self.buckets.queue]
        assert left_s == [(wait_ns + self.paused_ns) / NS_PER_S for wait_ns in self.buckets.waits_ns()]


def test_the_limiter_agrees_with_plain_buckets() -> None:
    run_state_machine_as_test(LimiterAgainstBuckets, settings=EXAMPLES)


def test_threads_get_places_of_their_own() -> None:
    limiter = requests(60)

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: limiter.reserve(0, 1).delay_s, range(400)))

    assert sorted(waits) == [float(place) for place in range(400)]


# Estimates and settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text_bytes", "max_tokens", "expected"),
    [(0, None, 0), (1, None, 1), (4, None, 1), (5, None, 2), (400, 50, 150)],
)
def test_four_bytes_are_a_token(text_bytes: int, max_tokens: int | None, expected: int) -> None:
    assert estimated_tokens(text_bytes, max_tokens) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (user("four"), 4),
        (user("Zürich", " ist schön"), 7 + 11),
        (user("four", Image(media_type="image/png", url="https://example.org/a.png")), 4 + MEDIA_BYTES),
        (assistant(ToolCall(id="1", name="f", raw_arguments='{"a": 1}')), 8),
        (tool_result("1", "warm", "er"), 6),
    ],
    ids=["text", "UTF-8", "picture", "call", "result"],
)
def test_all_that_is_sent_counts(message: Message, expected: int) -> None:
    assert prompt_bytes(ChatRequest(model="m", messages=(message, message))) == 2 * expected


def test_tools_and_schema_count() -> None:
    bare = ChatRequest(model="m", messages=())
    tool = Tool(name="lookup", parameters={"type": "object"})

    assert prompt_bytes(bare) == 0
    assert prompt_bytes(ChatRequest(model="m", messages=(), tools=(tool, tool))) == 2 * len(
        "lookup{'type': 'object'}"
    )
    assert prompt_bytes(ChatRequest(model="m", messages=(), schema={"type": "string"})) == len(
        "{'type': 'string'}"
    )


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: RateLimit(requests_per_minute=0), "None is no limit"),
        (lambda: RateLimit(tokens_per_minute=-5), "None is no limit"),
        (lambda: RateLimit(burst_s=-1), "burst_s"),
    ],
)
def test_limits_that_make_no_sense_are_refused(make: Callable[[], object], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        make()
