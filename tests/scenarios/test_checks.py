"""Checks: a truth table, read both ways."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.scenarios.checks import CHECKS, NEGATION, failed_checks, holds, wrong_value
from tapeline.scenarios.outcome import Outcome

PARIS = Outcome(text="Paris, of course.", finish_reason="stop", chunk_at_s=(0.1, 0.2))
JSON = Outcome(text=' {"city": "Paris"} ', finish_reason="length")
NOTHING = Outcome()

TRUTH: list[tuple[str, Any, Outcome, bool]] = [
    ("equals", "Paris, of course.", PARIS, True),
    ("equals", "Paris", PARIS, False),
    ("equals", 42, Outcome(text="42"), True),
    ("equals", "", NOTHING, True),
    ("contains", "Paris", PARIS, True),
    ("contains", "paris", PARIS, False),
    ("contains", 4, Outcome(text="42"), True),
    ("icontains", "pARIS", PARIS, True),
    ("icontains", "rome", PARIS, False),
    ("contains-any", ["Rome", "Paris"], PARIS, True),
    ("contains-any", ["Rome", "Oslo"], PARIS, False),
    ("contains-all", ["Paris", "course"], PARIS, True),
    ("contains-all", ["Paris", "Rome"], PARIS, False),
    ("starts-with", "Par", PARIS, True),
    ("starts-with", "course", PARIS, False),
    ("regex", r"of \w+\.$", PARIS, True),
    ("regex", "^course", PARIS, False),
    ("is-json", True, JSON, True),
    ("is-json", True, PARIS, False),
    ("is-json", True, NOTHING, False),
    ("finish-reason", "stop", PARIS, True),
    ("finish-reason", "stop", JSON, False),
    ("finish-reason", "stop", NOTHING, False),
    ("min-chunks", 2, PARIS, True),
    ("min-chunks", 3, PARIS, False),
    ("min-chunks", 1, NOTHING, False),
]


@pytest.mark.parametrize(("name", "expected", "outcome", "is_so"), TRUTH)
def test_a_check_and_its_opposite_never_agree(
    name: str, expected: Any, outcome: Outcome, is_so: bool
) -> None:
    assert wrong_value(name, expected) is None
    assert holds(outcome, name, expected) is is_so
    assert holds(outcome, NEGATION + name, expected) is not is_so


def test_the_table_has_every_check_both_ways() -> None:
    assert {(name, is_so) for name, _, _, is_so in TRUTH} == {
        (name, is_so) for name in CHECKS for is_so in (True, False)
    }


def test_an_unknown_check_is_an_error() -> None:
    with pytest.raises(KeyError):
        holds(PARIS, "contain", "Paris")


def test_each_check_that_fails_has_a_line() -> None:
    checks = [("contains", "Paris"), ("contains", "Rome"), ("not-contains", "Paris")]

    assert failed_checks(PARIS, checks) == [
        "contains: 'Rome' does not hold for 'Paris, of course.' (stop)",
        "not-contains: 'Paris' does not hold for 'Paris, of course.' (stop)",
    ]
