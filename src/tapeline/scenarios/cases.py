"""The table of cases: its rows, what they are called, and what becomes of the scenario in each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from tapeline.errors import ErrorCode
from tapeline.scenarios.expectations import Checks, over
from tapeline.scenarios.strict import Strict, Variables

if TYPE_CHECKING:
    from tapeline.scenarios.schema import Scenario

CASE_NAME_CHARACTERS = 40  # with the names of scenario and target it fits into a file's
CASE_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{CASE_NAME_CHARACTERS - 1}}}")
PYTEST_MARKS = frozenset({"filterwarnings", "parametrize", "skip", "skipif", "usefixtures", "xfail"})
"""Marks that do something, and so are no tags."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class CaseSpec(Strict):
    """A row of the table: values of the variables, and what is special about it."""

    name: str = Field(default="", description="Its name in test ids and cassettes; else made of the values.")
    vars: dict[str, Any] = Field(default_factory=dict, description="Values over the scenario's `vars`.")
    checks: Checks = Field(default=(), description="Checks over the scenario's of the same name.")
    error: ErrorCode | None = Field(
        default=None, description="The error that must come, over the scenario's."
    )
    tags: tuple[str, ...] = Field(default=(), description="Tags besides the scenario's.")
    skip: str | None = Field(default=None, description="Why it is not run.")
    xfail: str | None = Field(default=None, description="Why it is known to fail.")

    @field_validator("name")
    @classmethod
    def _names_a_file(cls, name: str) -> str:
        if name and not CASE_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name for a case: take up to 40 letters, digits, '.', '_' and '-'; it also "
                "names a cassette"
            )
        return name

    @field_validator("vars")
    @classmethod
    def _are_variables(cls, variables: dict[str, Any]) -> dict[str, Any]:
        return variable_names(variables)

    @field_validator("tags")
    @classmethod
    def _are_tags(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tag_names(tags)


def variable_names(variables: dict[str, Any]) -> dict[str, Any]:
    if wrong := [name for name in variables if not _VARIABLE.fullmatch(name)]:
        raise ValueError(f"{wrong[0]!r} is no name for a variable: take letters, digits and _")
    return variables


def tag_names(tags: tuple[str, ...]) -> tuple[str, ...]:
    for tag in tags:
        if not tag.isidentifier():
            raise ValueError(f"{tag!r} is no tag: take letters, digits and _; it becomes a pytest marker")
        if tag in PYTEST_MARKS:
            raise ValueError(f"{tag!r} is a marker of pytest's own; there are the keys skip and xfail")
    return tags


# Rows ---------------------------------------------------------------------------------------------------


def rows(scenario: Scenario) -> list[tuple[str, Scenario]]:
    """Return (id, scenario with its variables filled in) for each row; without a table, one with no id."""
    if not scenario.cases:
        return [("", scenario.filled(scenario.vars) if scenario.vars else scenario)]
    ids = case_ids(scenario.cases)
    return [(id, _row(scenario, case)) for id, case in zip(ids, scenario.cases, strict=True)]


def _row(scenario: Scenario, case: CaseSpec) -> Scenario:
    merged = scenario.model_copy(
        update={
            "cases": (),
            "checks": over(case.checks, scenario.checks),
            "error": case.error or scenario.error,
            "tags": (*scenario.tags, *(tag for tag in case.tags if tag not in scenario.tags)),
            "skip": case.skip or scenario.skip,
            "xfail": case.xfail or scenario.xfail,
        }
    )
    return merged.filled({**scenario.vars, **case.vars})


def case_ids(cases: tuple[CaseSpec, ...]) -> list[str]:
    """Return a name for each case, made of its values where it has none; no two are taken for one another."""
    taken = {case.name.casefold() for case in cases if case.name}
    ids = []
    for number, case in enumerate(cases, 1):
        name = case.name or _free(_made_of(case.vars) or f"case-{number}", taken)
        taken.add(name.casefold())
        ids.append(name)
    return ids


def _made_of(variables: Variables) -> str:
    words = "-".join(str(value) for value in variables.values() if isinstance(value, (str, int, float)))
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", words).strip("-._")
    return slug[:CASE_NAME_CHARACTERS].rstrip("-._")


def _free(name: str, taken: set[str]) -> str:
    """Return a name nobody has, on no file system."""
    free, number = name, 1
    while free.casefold() in taken:
        number += 1
        free = f"{name[: CASE_NAME_CHARACTERS - 5]}-{number}"
    return free
