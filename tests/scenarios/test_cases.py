"""The table of cases: rows, their names, and what becomes of the scenario in each."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tapeline.scenarios import Scenario
from tapeline.scenarios.cases import CASE_NAME, CASE_NAME_CHARACTERS, CaseSpec, case_ids, rows
from tapeline.types import system, user

SMALLEST = {"name": "a", "targets": ["openai:m"], "prompt": "Capital of {{country}}?"}


def scenario(**keys: Any) -> Scenario:
    return Scenario.model_validate(SMALLEST | keys)


def ids(*cases: dict[str, Any]) -> list[str]:
    return case_ids(tuple(CaseSpec.model_validate(case) for case in cases))


def test_without_a_table_there_is_one_row_without_a_name() -> None:
    plain = scenario(prompt="hi {{there}}")

    assert rows(plain) == [("", plain)]


def test_variables_alone_are_filled_in() -> None:
    [(id, row)] = rows(scenario(vars={"country": "France"}))

    assert (id, row.prompt) == ("", "Capital of France?")


def test_each_row_is_the_scenario_with_its_values() -> None:
    """Its own over the general ones; a value that is a list stays one where it stands alone."""
    table = scenario(
        prompt=None,
        messages=[{"role": "system", "content": "Speak {{language}}."}],
        turns=[{"content": "Capital of {{country}}?", "checks": [{"contains-any": "{{answers}}"}]}],
        vars={"language": "English"},
        cases=[
            {"vars": {"country": "France", "answers": ["Paris"]}},
            {"vars": {"country": "Italy", "answers": ["Rome", "Roma"], "language": "Italian"}},
        ],
    )

    (_, france), (_, italy) = rows(table)

    assert france.conversation() == (system("Speak English."),)
    assert [turn.message() for turn in italy.turns] == [user("Capital of Italy?")]
    assert [(check.name, check.value) for check in italy.checks_of_turn(0)] == [
        ("contains-any", ["Rome", "Roma"])
    ]
    assert italy.vars == {"country": "Italy", "answers": ["Rome", "Roma"], "language": "Italian"}
    assert italy.cases == ()


def test_a_row_has_checks_an_error_tags_and_excuses_of_its_own() -> None:
    table = scenario(
        checks=[{"contains": "x"}, {"finish-reason": "stop"}],
        tags=["geo"],
        skip="all of it",
        vars={"country": "France"},
        cases=[
            {},
            {
                "checks": [{"contains": "{{country}}"}],
                "error": "rate_limit",
                "tags": ["slow", "geo"],
                "skip": "not now",
                "xfail": "known",
            },
        ],
    )

    (_, plain), (_, special) = rows(table)

    assert (plain.error, plain.tags, plain.skip, plain.xfail) == (None, ("geo",), "all of it", None)
    assert [(check.name, check.value) for check in special.checks] == [
        ("finish-reason", "stop"),
        ("contains", "France"),
    ]
    assert (special.error, special.tags) == ("rate_limit", ("geo", "slow"))
    assert (special.skip, special.xfail) == ("not now", "known")


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ([{"name": "first"}, {"vars": {"a": "France"}}], ["first", "France"]),
        ([{"vars": {"a": "New York", "n": 3}}], ["New-York-3"]),
        ([{"vars": {"a": "x/../y"}}], ["x-..-y"]),
        ([{"vars": {"a": ["list"]}}, {}, {"vars": {"a": "日本"}}], ["case-1", "case-2", "case-3"]),
        ([{"vars": {"a": "x"}}, {"vars": {"a": "X"}}, {"vars": {"a": "x"}}], ["x", "X-2", "x-3"]),
        ([{"vars": {"a": "x"}}, {"name": "X"}], ["x-2", "X"]),
        ([{"vars": {"a": "../etc/passwd"}}], ["etc-passwd"]),
    ],
    ids=["given", "two values", "dots", "no letters", "twins", "a given one first", "a way out"],
)
def test_a_case_without_a_name_is_called_by_its_values(
    cases: list[dict[str, Any]], expected: list[str]
) -> None:
    assert ids(*cases) == expected


def test_names_are_files_whatever_the_values() -> None:
    """Long ones that begin alike too; and no two are one file, where capitals do not count either."""
    values = ["a" * 99, "a" * 99, "A" * 98, "-" * 50, ".", "..", "\x00", " ", "b" * 39 + "-c", "日" * 99]

    made = ids(*({"vars": {"v": value}} for value in values))

    assert all(CASE_NAME.fullmatch(name) for name in made)
    assert len({name.casefold() for name in made}) == len(values)
    assert max(map(len, made)) <= CASE_NAME_CHARACTERS


@pytest.mark.parametrize(
    ("case", "hint"),
    [
        ({"name": "../x"}, "is no name for a case"),
        ({"name": "a" * 41}, "is no name for a case"),
        ({"name": ".x"}, "is no name for a case"),
        ({"vars": {"two words": 1}}, "no name for a variable"),
        ({"tags": ["two words"]}, "is no tag"),
        ({"tags": ["parametrize"]}, "a marker of pytest's own"),
        ({"tags": ["skip"]}, "there are the keys skip and xfail"),
        ({"error": "nope"}, "rate_limit"),
        ({"country": "France"}, "extra_forbidden"),
    ],
)
def test_nonsense_is_refused(case: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        CaseSpec.model_validate(case)
