"""Distributions and profiles: the quantiles they are given by, and the same draws from a seed everywhere."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.latency.profile import PROFILES, Constant, LatencyProfile, LogNormal

UNIT = LogNormal(median_s=1.0, p95_s=math.e)
"""Its logarithm is normal with mean 0 and standard deviation 1 / 1.6448536."""


class Fixed(Random):
    """Says one number only."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def random(self) -> float:
        return self._value


@pytest.mark.parametrize(
    ("share", "value_s"),
    [(0.5, 1.0), (0.95, 2.718282), (0.05, 0.367879), (0.8413447461, 1.836675), (0.9772498681, 3.373375)],
    ids=["median", "p95", "p5", "one sigma", "two sigma"],
)
def test_a_log_normal_goes_through_its_two_figures(share: float, value_s: float) -> None:
    """Inverse transform: the share p of draws is at most median * (p95 / median) ** (z(p) / z(0.95))."""
    assert UNIT.sample_s(Fixed(share)) == value_s


def test_a_large_sample_has_the_quantiles_asked_for() -> None:
    """Within 2 %; the standard error of the median of 20000 is 0.5 %."""
    random = Random(1)
    sample = sorted(UNIT.sample_s(random) for _ in range(20_000))

    assert sample[10_000] == pytest.approx(1.0, rel=0.02)
    assert sample[19_000] == pytest.approx(math.e, rel=0.02)


DRAWS = {
    "hosted": ([0.342658, 0.243079, 0.567091], [0.004647, 0.012724, 0.009597]),
    "hosted-slow": ([0.768451, 0.489048, 1.491399], [0.01133, 0.03186, 0.023853]),
    "local": ([0.06718, 0.053911, 0.092782], [0.013962, 0.020449, 0.018377]),
}


@pytest.mark.parametrize("name", PROFILES)
def test_a_seed_gives_the_same_times_on_every_machine(name: str) -> None:
    """Whole microseconds, so that the last bit of somebody's libm does not show."""
    profile, random = PROFILES[name], Random(7)

    ttft, gap = ([each.sample_s(random) for _ in range(3)] for each in (profile.ttft, profile.gap))

    assert (ttft, gap) == DRAWS[name]
    assert profile.name == name


@settings(max_examples=50)
@given(st.floats(0.0, 1.0, exclude_max=True), st.floats(1e-3, 10.0), st.floats(1.0, 100.0))
def test_any_draw_is_a_duration(number: float, median_s: float, spread: float) -> None:
    """Finite and not negative, also for 0.0, which has no normal quantile."""
    value_s = LogNormal(median_s=median_s, p95_s=median_s * spread).sample_s(Fixed(number))

    assert 0.0 <= value_s < math.inf


def test_without_spread_it_is_constant() -> None:
    random = Random(1)
    flat = LogNormal(median_s=0.25, p95_s=0.25)

    assert {flat.sample_s(random) for _ in range(5)} == {Constant(0.25).sample_s(random)} == {0.25}


def test_one_number_is_drawn_for_each_value() -> None:
    """A constant draws none: what follows it in a profile is not disturbed."""
    random, twin = Random(3), Random(3)

    UNIT.sample_s(random)
    Constant(1.0).sample_s(random)
    twin.random()

    assert random.random() == twin.random()


def test_profiles_are_values() -> None:
    profile = LatencyProfile(name="x", ttft=Constant(1), gap=Constant(2))

    assert profile == LatencyProfile(name="x", ttft=Constant(1), gap=Constant(2))
    with pytest.raises(AttributeError):
        profile.name = "y"  # type: ignore[misc]
