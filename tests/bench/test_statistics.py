"""Percentiles are observed values, found by exact nearest rank; means are correctly rounded."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.bench.statistics import mean, percentile, spread_indices

FIVE = [15.0, 20.0, 35.0, 40.0, 50.0]
TEN = [3.0, 6.0, 7.0, 8.0, 8.0, 10.0, 13.0, 15.0, 16.0, 20.0]
HUNDRED = [float(value) for value in range(1, 101)]

# Ranks worked out on paper: ceil(percent / 100 * n), at least 1.
PERCENTILES = {
    "p0 is the minimum": (FIVE, 0, 15.0),
    "5 % of 5 is rank 1": (FIVE, 5, 15.0),
    "30 % of 5 is rank 2": (FIVE, 30, 20.0),
    "40 % of 5 is rank 2 exactly": (FIVE, 40, 20.0),
    "50 % of 5 is rank 3": (FIVE, 50, 35.0),
    "p100 is the maximum": (FIVE, 100, 50.0),
    "25 % of 10 is rank 3": (TEN, 25, 7.0),
    "the median of an even number is the lower middle": (TEN, 50, 8.0),
    "75 % of 10 is rank 8": (TEN, 75, 15.0),
    "one sample is every percentile": ([4.0], 99, 4.0),
    "p99 of 100 leaves one above": (HUNDRED, 99, 99.0),
    "7 % of 100 is rank 7, though 0.07 * 100 is more than 7 in floats": (HUNDRED, 7, 7.0),
    "99.9 % of 1000 is rank 999, though 99.9 is more than 99.9 in binary": (
        [float(value) for value in range(1, 1001)],
        99.9,
        999.0,
    ),
    "order does not matter": ([3.0, 1.0, 2.0], 50, 2.0),
    "infinite samples are samples": ([1.0, math.inf], 99, math.inf),
}


@pytest.mark.parametrize(("samples", "percent", "expected"), PERCENTILES.values(), ids=PERCENTILES.keys())
def test_percentile_is_the_nearest_rank(samples: list[float], percent: float, expected: float) -> None:
    assert percentile(samples, percent) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(0, 100))
def test_percentile_is_the_smallest_sample_that_enough_samples_do_not_exceed(
    samples: list[float], percent: int
) -> None:
    """The definition itself, in exact arithmetic."""

    def share_up_to(value: float) -> Fraction:
        return Fraction(sum(sample <= value for sample in samples), len(samples))

    found = percentile(samples, percent)

    assert found in samples
    assert share_up_to(found) >= Fraction(percent, 100)
    assert all(share_up_to(sample) < Fraction(percent, 100) for sample in samples if sample < found)


@pytest.mark.parametrize(("samples", "percent"), [([], 50), ([1.0], -1), ([1.0], 101), ([1.0], math.nan)])
def test_percentile_refuses_what_has_no_answer(samples: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match=r"no samples|within 0 and 100"):
        percentile(samples, percent)


def test_mean_does_not_depend_on_order() -> None:
    """A running sum would lose the small samples beside the large one."""
    samples = [1e16, 1.0, 1.0, -1e16]

    assert mean(samples) == mean(sorted(samples)) == 0.5


def test_mean_refuses_no_samples() -> None:
    with pytest.raises(ValueError, match="no samples"):
        mean([])


INDICES = {
    "none": (0, 3, ()),
    "fewer than the limit": (2, 3, (0, 1)),
    "as many as the limit": (3, 3, (0, 1, 2)),
    "more": (7, 4, (0, 2, 4, 6)),
    "an uneven step": (10, 4, (0, 3, 6, 9)),
}


@pytest.mark.parametrize(("count", "limit", "expected"), INDICES.values(), ids=INDICES.keys())
def test_spread_indices_keep_first_and_last(count: int, limit: int, expected: tuple[int, ...]) -> None:
    assert spread_indices(count, limit=limit) == expected


@given(st.integers(1, 10_000), st.integers(2, 300))
def test_spread_indices_are_within_limit_ascending_and_even(count: int, limit: int) -> None:
    indices = spread_indices(count, limit=limit)

    steps = {later - earlier for earlier, later in pairwise(indices)}
    assert len(indices) == min(count, limit)
    assert (indices[0], indices[-1]) == (0, count - 1)
    assert not steps or 1 <= min(steps) <= max(steps) <= min(steps) + 1
