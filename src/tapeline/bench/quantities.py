"""Numbers as people read them: one unit and one precision for all that stands in one column or axis.

Takes seconds, USD and shares of 1; gives text. Values keep at least two significant digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

UNKNOWN = "-"
Number = float | Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How to print the numbers of a column: value * factor, with so many decimals, in `unit`."""

    unit: str
    factor: int = 1
    decimals: int = 0

    def text(self, value: Number | None) -> str:
        """Return the value without its unit."""
        return UNKNOWN if value is None else f"{value * self.factor:.{self.decimals}f}"

    def with_unit(self, value: Number | None) -> str:
        return UNKNOWN if value is None else f"{self.text(value)} {self.unit}"


def duration_scale(durations_s: Iterable[Number | None]) -> Scale:
    """Milliseconds, or seconds where milliseconds would take five digits."""
    known = _known(durations_s)
    unit, factor = ("s", 1) if max(known, default=0) >= 10 else ("ms", 1000)
    return Scale(unit=unit, factor=factor, decimals=_decimals([value * factor for value in known], digits=5))


def rate_scale(rates_per_s: Iterable[Number | None], *, unit: str) -> Scale:
    return Scale(unit=unit, decimals=_decimals(_known(rates_per_s), digits=5))


def usd_scale(costs_usd: Iterable[Number | None]) -> Scale:
    """Whole cents at least; a single call costs millionths."""
    return Scale(unit="USD", decimals=max(2, _decimals(_known(costs_usd), digits=7)))


def percent_scale(shares: Iterable[Number | None]) -> Scale:
    is_whole = all(round(float(value) * 100, 9).is_integer() for value in _known(shares))
    return Scale(unit="%", factor=100, decimals=0 if is_whole else 1)


def count_text(count: int | None) -> str:
    """Return a count with its thousands set apart."""
    return UNKNOWN if count is None else f"{count:,}"


def counted(count: int, noun: str) -> str:
    """Return "1 model", "2 models"."""
    return f"{count_text(count)} {noun}{'' if count == 1 else 's'}"


def _known(values: Iterable[Number | None]) -> list[Number]:
    return [value for value in values if value is not None]


def _decimals(values: list[Number], *, digits: int) -> int:
    """Three significant digits for the largest value, two for the smallest above zero; `digits` in all."""
    above_zero = [value for value in values if value > 0]
    if not above_zero:
        return 0
    largest = max(above_zero)
    wanted = max(_decimals_for(largest, digits=3), _decimals_for(min(above_zero), digits=2))
    return max(0, min(wanted, digits - len(str(int(largest)))))


def _decimals_for(value: Number, *, digits: int) -> int:
    """Decimals that show `value` > 0 with so many significant digits (9 at most)."""
    decimals = 0
    # By comparison, not by log10, whose last bit depends on the C library.
    while decimals < 9 and value * 10**decimals < 10 ** (digits - 1):
        decimals += 1
    return decimals
