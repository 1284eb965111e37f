"""Durations as people write them."""

from __future__ import annotations

import pytest

from tapeline.scenarios.durations import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("800ms", 0.8), ("1.2s", 1.2), (" 2 min ", 120.0), ("0s", 0.0), ("250 ms", 0.25)],
)
def test_a_duration_has_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "800", "ms", "-1s", "1h", "1,5s", "1s2", "1e3ms", "٣s"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 800ms"):
        seconds_of(text)
