"""What is wrong with the outcomes of a run, a line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from taped import scenario_in

from tapeline.scenarios import ScenarioFile, load_scenario, problems
from tapeline.scenarios.assessment import last_turn
from tapeline.scenarios.outcome import Outcome


def problems_of(file: ScenarioFile, outcomes: list[Outcome]) -> list[str]:
    return problems(file, file.scenario.targets[0], outcomes)


def said(text: str) -> Outcome:
    return Outcome(text=text, finish_reason="stop")


@pytest.mark.parametrize(
    ("keys", "outcomes", "expected"),
    [
        ({}, [said("yes")], []),
        ({"checks": [{"contains": "es"}]}, [said("yes")], []),
        (
            {"checks": [{"contains": "no"}], "repeat": 2},
            [said("no"), said("yes")],
            ["call 2: contains: 'no' does not hold for 'yes' (stop)"],
        ),
        ({}, [Outcome(error="rate_limit")], ["call 1: expected an answer, got the error rate_limit"]),
        (
            {"error": "rate_limit"},
            [said("yes")],
            ["call 1: expected the error rate_limit, got 'yes' (stop)"],
        ),
        ({"error": "rate_limit"}, [Outcome(error="rate_limit")], []),
    ],
    ids=["no check", "holds", "does not hold", "unwanted error", "error that did not come", "wanted error"],
)
def test_problems_are_told_a_line_each(
    tmp_path: Path, keys: dict[str, Any], outcomes: list[Outcome], expected: list[str]
) -> None:
    file = load_scenario(scenario_in(tmp_path, **keys))

    assert problems_of(file, outcomes) == expected


def test_a_turn_that_fails_its_check_is_told_by_number(tmp_path: Path) -> None:
    keys = {"prompt": None, "turns": ["one", {"content": "two", "checks": [{"equals": "no"}]}]}
    file = load_scenario(scenario_in(tmp_path, checks=[{"contains": "y"}], **keys))

    found = problems_of(file, [said("yes"), said("yes")])

    assert found == ["call 1, turn 2: equals: 'no' does not hold for 'yes' (stop)"]


def test_checks_in_python_are_told_the_case(tmp_path: Path) -> None:
    """They are looked for in the project, around the folder of scenarios."""
    (tmp_path / "checks_of_this_project.py").write_text(
        "def fits(text, context):\n"
        "    return (context.scenario, context.case, context.target, context.variables, text) == "
        "('greet', 'x', 'openai', {'n': 'two'}, 'two words')\n"
    )
    keys = {"prompt": "Say {{n}} words.", "cases": [{"name": "x", "vars": {"n": "two"}}]}
    [case] = load_scenario(
        scenario_in(tmp_path, checks=[{"python": "checks_of_this_project.fits"}], **keys)
    ).cases()

    assert problems_of(case, [said("two words")]) == []
    assert len(problems_of(case, [said("two other words")])) == 1


@pytest.mark.parametrize(("turns", "expected"), [(None, 0), (["a"], 0), (["a", "b"], 1)])
def test_an_error_is_wanted_of_the_last_turn_only(
    tmp_path: Path, turns: list[str] | None, expected: int
) -> None:
    keys = {"prompt": None, "turns": turns} if turns else {}
    file = load_scenario(scenario_in(tmp_path, error="rate_limit", **keys))
    good = [*[said("yes")] * expected, Outcome(error="rate_limit")]

    assert last_turn(file.scenario) == expected
    assert problems_of(file, good) == []
    assert len(problems_of(file, [Outcome(error="rate_limit")] * len(good))) == expected
