"""Checks as a file writes them: one key and its value. What each may say: test_check_values.py."""

from __future__ import annotations

from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from tapeline.scenarios.checks import CHECKS
from tapeline.scenarios.expectations import Check, Checks, over

READER: TypeAdapter[tuple[Check, ...]] = TypeAdapter(Checks)


def test_ones_own_checks_stand_over_those_of_the_same_name() -> None:
    general = READER.validate_python([{"contains": "a"}, {"finish-reason": "stop"}])
    own = READER.validate_python([{"contains": "b"}, {"not-contains": "a"}])

    assert [(check.name, check.value) for check in over(own, general)] == [
        ("finish-reason", "stop"),
        ("contains", "b"),
        ("not-contains", "a"),
    ]


def test_a_value_that_is_still_to_be_filled_in_is_taken() -> None:
    [check] = READER.validate_python([{"min-chunks": "{{n}}"}])

    assert check.filled({"n": 3}).value == 3


def test_editors_are_told_every_name_both_ways() -> None:
    schema = READER.json_schema(mode="validation")

    names = schema["items"]["properties"]
    assert names.keys() == {negation + name for name in CHECKS for negation in ("", "not-")}
    good = [{"contains": "Paris"}, {"not-latency": "1.2s"}, {"min-chunks": "{{n}}"}]
    bad = [{"contain": "Paris"}, {}, {"contains": "a", "equals": "b"}, {"min-chunks": "many"}]
    validator = Draft202012Validator(schema)
    assert [validator.is_valid([check]) for check in (*good, *bad)] == [True] * 3 + [False] * 4
