"""Variables: each has a value and a use, and what becomes of it is looked at before anything runs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tapeline.scenarios import Scenario
from tapeline.scenarios.strict import WrongPartError

SMALLEST = {"name": "a", "targets": ["openai:m"], "prompt": "Capital of {{country}}?"}
FRANCE = {"vars": {"country": "France"}}


def refusal(**keys: Any) -> tuple[str, tuple[str | int, ...]]:
    with pytest.raises(ValidationError) as raised:
        Scenario.model_validate(SMALLEST | keys)
    [problem] = raised.value.errors()
    error = problem["ctx"]["error"]
    assert isinstance(error, WrongPartError)
    return str(error), error.steps


REFUSED: dict[str, tuple[dict[str, Any], str, tuple[str | int, ...]]] = {
    "no value": (
        {"vars": {"countri": "France"}},
        "nothing uses the variable 'countri'; did you mean 'country'?",
        ("vars", "countri"),
    ),
    "no value in one case": (
        {"cases": [FRANCE, {"name": "b"}]},
        "the variable 'country' has no value in the case b; give it one in vars",
        ("prompt",),
    ),
    "no use in one case": (
        {"cases": [{"vars": {"country": "France", "capital": "Paris"}}]},
        "nothing uses the variable 'capital'; write it where it belongs",
        ("cases", 0, "vars", "capital"),
    ),
    "no value in a check": (
        {"cases": [FRANCE], "checks": [{"finish-reason": "stop"}, {"contains": "{{county}}"}]},
        "the variable 'county' has no value in the case France; did you mean 'country'?",
        ("checks", 1),
    ),
    "no value in the check of a case": (
        {"cases": [FRANCE, FRANCE | {"checks": [{"contains": "{{x}}"}]}]},
        "the variable 'x' has no value in the case France-2; give it one in vars",
        ("cases", 1, "checks", 0),
    ),
    "no placeholder": (
        {"cases": [FRANCE], "prompt": "{{country}} {{country.name}}"},
        'two braces begin a variable, {{city}}; for braces write {{"{{"}}',
        ("prompt",),
    ),
    "no placeholder in a turn": (
        {"prompt": None, "turns": ["{{country}}", "{{"], "vars": {"country": "France"}},
        "two braces begin a variable",
        ("turns", 1, "content"),
    ),
    "a value no check takes": (
        {"cases": [{"vars": {"country": "France", "n": "many"}}], "checks": [{"min-chunks": "{{n}}"}]},
        "min-chunks: a number of chunks is wanted in the case France-many",
        ("checks", 0),
    ),
    "a value the check of a turn does not take": (
        {
            "prompt": None,
            "turns": [{"content": "{{country}}", "checks": [{"regex": "{{country}}"}]}],
            "vars": {"country": "("},
        },
        "regex: not a regular expression",
        ("turns", 0, "checks", 0),
    ),
    "a placeholder where there are no variables": (
        {"checks": [{"min-chunks": "{{n}}"}]},
        "min-chunks: a number of chunks is wanted",
        ("checks", 0),
    ),
}


@pytest.mark.parametrize(("keys", "message", "steps"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_wrong_says_where_and_in_which_case(
    keys: dict[str, Any], message: str, steps: tuple[str | int, ...]
) -> None:
    said, led = refusal(**keys)

    assert message in said
    assert led == steps


def test_a_file_without_variables_may_hold_any_braces() -> None:
    scenario = Scenario.model_validate(SMALLEST | {"checks": [{"contains": "{{x}} {{"}]})

    assert scenario.conversation() == "Capital of {{country}}?"


def test_a_variable_may_be_used_in_one_place_only() -> None:
    """A default that every case overrides, and one that only a check of one case asks for."""
    case = {"vars": {"country": "Italy"}, "checks": [{"contains": "{{capital}}"}]}

    assert Scenario.model_validate(SMALLEST | {"vars": {"country": "?", "capital": "Rome"}, "cases": [case]})
