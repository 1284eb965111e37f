"""Variables in texts."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.errors import ConfigError
from tapeline.scenarios.templates import filled, filled_text, has_placeholder, names_in, unreadable

VARIABLES = {"city": "Paris", "n": 3, "words": ["a", "b"], "yes": True, "brace": "{{city}}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Is it {{city}}?", "Is it Paris?"),
        ("{{ city }}{{city}}", "ParisParis"),
        ("{{n}} of {{words}}, {{yes}}", '3 of ["a", "b"], true'),
        ("{{brace}}", "{{city}}"),
        ('{{"{{city}}"}} is it', "{{city}} is it"),
        ("no braces, {one} and {}", "no braces, {one} and {}"),
        ("", ""),
    ],
    ids=["one", "two", "no text", "braces in a value", "braces in quotes", "single braces", "empty"],
)
def test_values_are_put_in_as_they_are(text: str, expected: str) -> None:
    assert filled_text(text, VARIABLES) == expected


def test_a_text_that_is_one_placeholder_becomes_the_value_itself() -> None:
    value = {"any": "{{words}}", "least": "{{n}}", "text": "n={{n}}", "list": ["{{yes}}", 7, None]}

    assert filled(value, VARIABLES) == {
        "any": ["a", "b"],
        "least": 3,
        "text": "n=3",
        "list": [True, 7, None],
    }


def test_a_short_file_cannot_stand_for_any_amount_of_text() -> None:
    with pytest.raises(ConfigError, match="a text of 20000"):
        filled_text("{{a}}" * 2_000, {"a": "x" * 1_000_000})


def test_a_variable_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        filled_text("{{town}}", VARIABLES)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("{{a}} {{b}}", ["a", "b"]), ({"x": ["{{a}}"], "y": 3}, ["a"]), ('{{"a"}}', []), (None, [])],
)
def test_the_names_in_a_value_are_found(value: Any, expected: list[str]) -> None:
    assert list(names_in(value)) == expected


@pytest.mark.parametrize(
    ("value", "has_one", "wrong"),
    [
        ("{{city}}", True, None),
        ("{city}", False, None),
        ("{{city | upper}}", True, "{{city | upper}}"),
        ("{{city.name}}", True, "{{city.name}}"),
        (["fine", "{{"], True, "{{"),
        ('{"a": {"b": 1}}', False, None),
    ],
)
def test_braces_that_are_no_placeholder_are_seen(value: Any, has_one: bool, wrong: str | None) -> None:
    assert has_placeholder(value) is has_one
    assert unreadable(value) == wrong
