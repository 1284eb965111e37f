"""The few statistics the benchmarks report, exact and the same on every machine.

Samples go in and come out in the same unit. No interpolation: a reported percentile was observed, so
it also stays true of a distribution with two modes (cache hit or miss), where a blend of both never happened.
Sums are `math.fsum`: correctly rounded, whatever the order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the smallest sample that at least `percent` % of the samples do not exceed (nearest rank).

    samples: n >= 1 values in any order. 0 <= percent <= 100; 0 gives the minimum, 100 the maximum.
    Raises ValueError for no samples or a percent outside its range.
    Source: Hyndman & Fan, Sample Quantiles in Statistical Packages, The American Statistician 50 (1996),
    definition 1 (inverse of the empirical distribution function); numpy calls it "inverted_cdf".
    """
    if not samples:
        raise ValueError("no samples, so no percentile")
    if not 0 <= percent <= 100:
        raise ValueError(f"percent must be within 0 and 100, not {percent}")
    # Exact: in floats 0.07 * 100 is 7.000000000000001, and its ceiling one rank too high.
    rank = math.ceil(Fraction(str(percent)) * len(samples) / 100)
    return sorted(samples)[max(rank, 1) - 1]


def mean(samples: Sequence[float]) -> float:
    """Return the arithmetic mean of n >= 1 samples. Raises ValueError if there are none."""
    if not samples:
        raise ValueError("no samples, so no mean")
    return math.fsum(samples) / len(samples)


def spread_indices(count: int, *, limit: int) -> tuple[int, ...]:
    """Return at most `limit` >= 2 indices into `count` things, evenly spaced, the first and last included."""
    if count <= limit:
        return tuple(range(count))
    return tuple(position * (count - 1) // (limit - 1) for position in range(limit))
