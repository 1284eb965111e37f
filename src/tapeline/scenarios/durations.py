"""Durations as people write them: `800ms`, `1.2s`, `2min`. Seconds inside."""

from __future__ import annotations

import re

SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "min": 60.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min)")


def seconds_of(text: str) -> float:
    """Return the seconds of a duration with its unit. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration: write it like 800ms, 1.2s or 2min")
    number, unit = match.groups()
    return float(number) * SECONDS_PER_UNIT[unit]
