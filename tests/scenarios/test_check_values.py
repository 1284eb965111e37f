"""Values of checks: what each kind takes and refuses, and what editors are told of it."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tapeline.scenarios.check_values import PATTERN_CHARACTERS_LIMIT, duration_s
from tapeline.scenarios.checks import CHECKS

GOOD: list[tuple[str, list[Any]]] = [
    ("equals", ["", "a", 3, 1.5, {"a": 1}, ["a"]]),
    ("contains", ["a", 3, 1.5]),
    ("contains-any", [["a"], [1, "b"]]),
    ("regex", ["^a$", 3]),
    ("is-json", [True, {}, {"type": "object"}]),
    ("is-valid-tool-call", [True, "weather"]),
    ("finish-reason", ["stop", "tool_calls"]),
    ("min-chunks", [1, 200]),
    ("latency", [800, 0.5, "1.2s", "800ms"]),
    ("cost", [0, 0.002, 1]),
    ("tokens", [0, 100, {"input": 1}, {"input": 1, "output": 2, "total": 3}]),
    ("python", ["a.b"]),
]
BAD: list[tuple[str, Any, str]] = [
    ("equals", True, "no text: put it in quotes"),
    ("equals", None, "no text"),
    ("contains", ["a"], "no text"),
    ("contains", {}, "no text"),
    ("contains-any", [], "a list of texts"),
    ("contains-any", "a", "a list of texts"),
    ("regex", "(", "not a regular expression"),
    ("regex", "a" * (PATTERN_CHARACTERS_LIMIT + 1), "at most"),
    ("is-json", False, "write `true` or a JSON schema"),
    ("is-json", "true", "write `true` or a JSON schema"),
    ("is-json", {"type": "objekt"}, "not a JSON schema: 'objekt'"),
    ("is-valid-tool-call", False, "the name of a tool"),
    ("finish-reason", "stopp", "did you mean 'stop'? known are stop, length"),
    ("finish-reason", ["stop"], "known are"),
    ("min-chunks", 0, "a number of chunks"),
    ("min-chunks", True, "a number of chunks"),
    ("latency", "soon", "write it like 800ms"),
    ("latency", 0, "more than nothing"),
    ("latency", True, "write milliseconds"),
    ("latency", [1], "write milliseconds"),
    ("cost", -1, "no amount in USD"),
    ("cost", "1 USD", "no amount in USD"),
    ("cost", float("nan"), "no amount in USD"),
    ("tokens", -1, "no number of tokens"),
    ("tokens", {"inputs": 1}, "tokens has no 'inputs'; it knows input, output, total"),
    ("tokens", {}, "no number of tokens"),
    ("tokens", {"input": True}, "no number of tokens"),
    ("python", "a", "write module.function"),
]


@pytest.mark.parametrize(("name", "values"), GOOD)
def test_a_good_value_is_taken_and_fits_what_editors_are_told(name: str, values: list[Any]) -> None:
    kind = CHECKS[name].value

    assert [kind.wrong(value) for value in values] == [None] * len(values)
    assert [list(Draft202012Validator(kind.json_schema).iter_errors(value)) for value in values] == [
        []
    ] * len(values)


@pytest.mark.parametrize(("name", "value", "hint"), BAD)
def test_a_bad_value_is_refused_with_a_hint(name: str, value: Any, hint: str) -> None:
    assert hint in (CHECKS[name].value.wrong(value) or "")


@pytest.mark.parametrize("name", CHECKS)
def test_what_editors_are_told_is_a_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(CHECKS[name].value.json_schema)


@pytest.mark.parametrize(("value", "seconds"), [(800, 0.8), (0.5, 0.0005), ("1.2s", 1.2)])
def test_a_bare_number_is_milliseconds(value: Any, seconds: float) -> None:
    assert duration_s(value) == pytest.approx(seconds)
