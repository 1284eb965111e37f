"""Judging: JSON found in texts, and the bounds on what a text may cost. The verdicts: test_checks.py."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.scenarios.judging import JSON_STARTS_LIMIT, json_values_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("no JSON", []),
        ('{"a": 1}', [{"a": 1}]),
        ('so {"a": {"b": 1}} and [2, 3] here', [{"a": {"b": 1}}, [2, 3]]),
        ('{not} {"a": 1}', [{"a": 1}]),
        ('{"a": NaN}', []),
        ('[{"a": 1}', [{"a": 1}]),
        ('"{\\"a\\": 1}"', []),
    ],
    ids=["empty", "none", "all", "outer ones", "after a brace", "NaN", "cut", "in a string"],
)
def test_objects_and_lists_are_found_in_a_text(text: str, expected: list[Any]) -> None:
    assert list(json_values_in(text)) == expected


def test_a_text_of_braces_costs_no_more_than_its_bound() -> None:
    """What stands behind more brackets than that is not looked for."""
    braces = "{" * JSON_STARTS_LIMIT

    assert list(json_values_in(braces + '{"a": 1}')) == []
    assert list(json_values_in(braces[1:] + '{"a": 1}')) == [{"a": 1}]
    assert list(json_values_in("[" * 200_000)) == []
