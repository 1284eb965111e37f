"""A column has one unit and one precision; its values keep at least two significant digits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from tapeline.bench.quantities import (
    Number,
    Scale,
    count_text,
    counted,
    duration_scale,
    percent_scale,
    rate_scale,
    usd_scale,
)

Values = list[Number | None]

COLUMNS: dict[str, tuple[Callable[[Values], Scale], Values, list[str]]] = {
    "milliseconds": (duration_scale, [0.329, 1.059, None], ["329 ms", "1059 ms", "-"]),
    "one digit more where all are small": (duration_scale, [0.0085, 0.0209], ["8.5 ms", "20.9 ms"]),
    "the small one keeps two digits": (duration_scale, [0.0032, 0.9], ["3.2 ms", "900.0 ms"]),
    "seconds from five digits on": (duration_scale, [0.8, 12.345], ["0.80 s", "12.35 s"]),
    "no time": (duration_scale, [0.0, 0.0], ["0 ms", "0 ms"]),
    "microseconds": (duration_scale, [0.0000042], ["0.0042 ms"]),
    "nothing known": (duration_scale, [None], ["-"]),
    "whole percents": (percent_scale, [0.07, 0.29, 0.0], ["7 %", "29 %", "0 %"]),
    "parts of a percent": (percent_scale, [0.025, 0.0], ["2.5 %", "0.0 %"]),
    "money to the cent": (usd_scale, [Decimal("12.5"), Decimal(3)], ["12.50 USD", "3.00 USD"]),
    "money in millionths": (
        usd_scale,
        [Decimal("0.000042"), Decimal("0.01")],
        ["0.000042 USD", "0.010000 USD"],
    ),
    "rates": (lambda values: rate_scale(values, unit="tok/s"), [85.34, 7.25], ["85.3 tok/s", "7.2 tok/s"]),
}


@pytest.mark.parametrize(("scale_for", "values", "texts"), COLUMNS.values(), ids=COLUMNS.keys())
def test_scale_fits_its_column(
    scale_for: Callable[[Values], Scale], values: Values, texts: list[str]
) -> None:
    scale = scale_for(values)

    assert [scale.with_unit(value) for value in values] == texts


def test_counts_set_thousands_apart() -> None:
    assert [count_text(1234567), count_text(None)] == ["1,234,567", "-"]
    assert [counted(1, "model"), counted(2, "model"), counted(0, "call")] == [
        "1 model",
        "2 models",
        "0 calls",
    ]
