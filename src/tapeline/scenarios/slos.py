"""Service level objectives: `ttft_p95 < 800ms`, `error_rate < 1%`, `cost_per_request < 0.002`.

An objective is read once, into a value in base units: seconds, ratios, USD, one per second. What the
figures are is the benchmark's business.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tapeline.scenarios.durations import seconds_of

Unit = Literal["s", "ratio", "usd", "per_s"]
Comparison = Literal["<", "<=", ">", ">="]

COMPARISONS: Mapping[Comparison, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
DURATIONS = ("ttft", "itl", "tpot", "latency")
STATISTICS = ("mean", "min", "p50", "p90", "p95", "p99", "max")
METRICS: Mapping[str, Unit] = {
    **{f"{duration}_{statistic}": "s" for duration in DURATIONS for statistic in STATISTICS},
    "error_rate": "ratio",
    "goodput": "ratio",
    "cost_per_request": "usd",
    "requests_per_s": "per_s",
    "output_tokens_per_s": "per_s",
}
"""Metric -> its unit. ttft, itl, tpot: to the first token, between chunks, per output token; latency: of a
call as a whole. goodput: the share of calls that met every objective of their own."""

_OBJECTIVE = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\S.*?)\s*")
_NUMBER = re.compile(r"\$?\s*([0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)\s*(%|/s|usd|USD)?")
_SUFFIXES: Mapping[Unit, tuple[str | None, ...]] = {
    "s": (),
    "ratio": (None, "%"),
    "usd": (None, "usd"),
    "per_s": (None, "/s"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """A bound on one figure: `metric comparison limit`, the limit in `unit`."""

    metric: str
    comparison: Comparison
    limit: float
    unit: Unit

    def __str__(self) -> str:
        unit = {"s": " s", "ratio": "", "usd": " USD", "per_s": "/s"}[self.unit]
        return f"{self.metric} {self.comparison} {self.limit:g}{unit}"

    def is_met(self, figures: Mapping[str, float]) -> bool | None:
        """Whether the figures keep it, each in the unit of its metric; None where the figure is missing."""
        figure = figures.get(self.metric)
        return None if figure is None else COMPARISONS[self.comparison](figure, self.limit)


def parse_slo(text: Any) -> Slo:
    """Read an objective. Raises ValueError, which names the nearest metric."""
    match = _OBJECTIVE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'{text!r} is no objective: write one like "ttft_p95 < 800ms"')
    metric, limit = match[1], match[3]
    comparison = next(known for known in COMPARISONS if known == match[2])
    if metric not in METRICS:
        raise ValueError(_unknown(metric))
    unit = METRICS[metric]
    return Slo(metric=metric, comparison=comparison, limit=_limit(limit, unit), unit=unit)


def _limit(text: str, unit: Unit) -> float:
    if unit == "s":
        return seconds_of(text)
    match = _NUMBER.fullmatch(text)
    suffix = match[2].lower() if match and match[2] else None
    if match is None or suffix not in _SUFFIXES[unit]:
        example = {"ratio": "1%", "usd": "0.002", "per_s": "20"}[unit]
        raise ValueError(f"{text!r} is no limit for this metric: write it like {example}")
    return float(match[1]) / (100 if suffix == "%" else 1)


def _unknown(metric: str) -> str:
    near = difflib.get_close_matches(metric, METRICS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    others = [name for name, unit in METRICS.items() if unit != "s"]
    return (
        f"unknown metric {metric!r}; {hint}There are {', '.join(DURATIONS)}, each with "
        f"_{', _'.join(STATISTICS)}, and {', '.join(others)}"
    )
