"""Latency profiles: seeded distributions of how a service answers.

A profile says when the first block of a response arrives and how long each further one takes. Sampling
is by inverse transform from one uniform number per value, rounded to microseconds, so that a seed gives
the same times on every machine and Python version. All times are seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from typing import Protocol

_NORMAL = NormalDist()
_P95 = _NORMAL.inv_cdf(0.95)


class Distribution(Protocol):
    """Something to draw durations from."""

    def sample_s(self, random: Random) -> float: ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    value_s: float

    def sample_s(self, random: Random) -> float:
        return self.value_s


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal:
    """Skewed to the right, as service times are; given by two figures people can read off a dashboard."""

    median_s: float
    p95_s: float

    def sample_s(self, random: Random) -> float:
        sigma = math.log(self.p95_s / self.median_s) / _P95
        # random() may return 0.0, which has no normal quantile
        quantile = _NORMAL.inv_cdf(max(random.random(), 1e-12))
        return round(self.median_s * math.exp(sigma * quantile), 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyProfile:
    """How a simulated service answers.

    ttft: from sending the request to the first block. gap: between two blocks of a stream; a plain
    answer is one block, which takes as many gaps as it has parts.
    """

    name: str
    ttft: Distribution
    gap: Distribution


PROFILES = {
    profile.name: profile
    for profile in (
        LatencyProfile(
            name="hosted",
            ttft=LogNormal(median_s=0.45, p95_s=1.2),
            gap=LogNormal(median_s=0.012, p95_s=0.035),
        ),
        LatencyProfile(
            name="hosted-slow",
            ttft=LogNormal(median_s=1.1, p95_s=4.0),
            gap=LogNormal(median_s=0.03, p95_s=0.09),
        ),
        LatencyProfile(
            name="local",
            ttft=LogNormal(median_s=0.08, p95_s=0.15),
            gap=LogNormal(median_s=0.02, p95_s=0.03),
        ),
    )
}
"""Named profiles. Their figures are round numbers of a plausible size, not measurements of any vendor."""
