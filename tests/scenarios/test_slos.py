"""Objectives: read into base units, compared with figures, refused with the nearest metric."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.scenarios.slos import METRICS, Slo, parse_slo

READ: list[tuple[str, Slo, str]] = [
    ("ttft_p95 < 800ms", Slo(metric="ttft_p95", comparison="<", limit=0.8, unit="s"), "ttft_p95 < 0.8 s"),
    (
        "latency_max<=2s",
        Slo(metric="latency_max", comparison="<=", limit=2.0, unit="s"),
        "latency_max <= 2 s",
    ),
    (
        "error_rate < 1%",
        Slo(metric="error_rate", comparison="<", limit=0.01, unit="ratio"),
        "error_rate < 0.01",
    ),
    (
        "error_rate < 0.01",
        Slo(metric="error_rate", comparison="<", limit=0.01, unit="ratio"),
        "error_rate < 0.01",
    ),
    (
        "cost_per_request < $0.002",
        Slo(metric="cost_per_request", comparison="<", limit=0.002, unit="usd"),
        "cost_per_request < 0.002 USD",
    ),
    (
        "  cost_per_request   <   0.002 usd ",
        Slo(metric="cost_per_request", comparison="<", limit=0.002, unit="usd"),
        "cost_per_request < 0.002 USD",
    ),
    (
        "output_tokens_per_s > 20/s",
        Slo(metric="output_tokens_per_s", comparison=">", limit=20.0, unit="per_s"),
        "output_tokens_per_s > 20/s",
    ),
    ("goodput >= 95%", Slo(metric="goodput", comparison=">=", limit=0.95, unit="ratio"), "goodput >= 0.95"),
]


@pytest.mark.parametrize(("text", "expected", "said"), READ, ids=[text for text, *_ in READ])
def test_an_objective_is_read_into_base_units_and_says_itself_again(
    text: str, expected: Slo, said: str
) -> None:
    slo = parse_slo(text)

    assert slo == expected
    assert str(slo) == said
    assert parse_slo(said.replace(" s", "s")) == slo


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("tftt_p95 < 800ms", "unknown metric 'tftt_p95'; did you mean 'ttft_p95'?"),
        ("ttft < 800ms", "ttft, itl, tpot, latency, each with _mean, _min, _p50"),
        ("speed > 3", "error_rate, goodput, cost_per_request"),
        ("ttft_p95 < 800", "write it like 800ms"),
        ("ttft_p95 < 1%", "write it like 800ms"),
        ("error_rate < 800ms", "no limit for this metric: write it like 1%"),
        ("error_rate < 2usd", "write it like 1%"),
        ("cost_per_request < 1%", "write it like 0.002"),
        ("requests_per_s > fast", "write it like 20"),
        ("ttft_p95 = 800ms", 'write one like "ttft_p95 < 800ms"'),
        ("ttft_p95 < ", "is no objective"),
        ("", "is no objective"),
        (3, "3 is no objective"),
        (None, "None is no objective"),
    ],
)
def test_nonsense_is_refused_with_a_hint(text: Any, hint: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # the hint is the point, and may hold anything
        parse_slo(text)

    assert hint in str(raised.value)


@pytest.mark.parametrize(
    ("comparison", "below", "equal", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
    ],
)
def test_figures_keep_an_objective_or_miss_it(comparison: str, below: bool, equal: bool, above: bool) -> None:
    slo = parse_slo(f"error_rate {comparison} 50%")

    assert [slo.is_met({"error_rate": figure}) for figure in (0.4, 0.5, 0.6)] == [below, equal, above]


def test_a_figure_that_is_missing_is_no_verdict() -> None:
    assert parse_slo("ttft_p95 < 800ms").is_met({"ttft_p50": 0.1}) is None


def test_every_metric_can_be_bounded() -> None:
    limits = {"s": "1s", "ratio": "1%", "usd": "1", "per_s": "1"}

    assert [parse_slo(f"{name} < {limits[unit]}").metric for name, unit in METRICS.items()] == list(METRICS)
