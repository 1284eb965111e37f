"""Whether every variable of a scenario has a value in every case, every value a use, and what becomes of it.

Only a file that declares `vars` or `cases` has variables; in any other, braces are braces.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tapeline.scenarios.cases import case_ids
from tapeline.scenarios.checks import wrong_value
from tapeline.scenarios.expectations import Check
from tapeline.scenarios.strict import Variables, WrongPartError
from tapeline.scenarios.templates import filled, names_in, unreadable

if TYPE_CHECKING:
    from tapeline.scenarios.schema import Scenario

Steps: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A case as it will be run: its values, and the checks it has of its own. where: for messages."""

    where: str = ""
    variables: Variables
    checks: tuple[tuple[Steps, Check], ...] = ()


def check_variables(scenario: Scenario) -> None:
    """Raise WrongPartError for the first thing that is wrong; `steps` lead to it."""
    shared = list(scenario.placed_checks())
    if not scenario.vars and not scenario.cases:
        for steps, check in shared:
            _refuse_value(check.name, check.value, steps)
        return
    rows = _rows(scenario)
    texts = [*scenario.placed_texts(), *_values(shared)]
    own = [place for row in rows for place in _values(row.checks)]
    for steps, text in (*texts, *own):
        _refuse_unreadable(text, steps)
    _refuse_unused(scenario, {name for _, text in (*texts, *own) for name in names_in(text)})
    for row in rows:
        for steps, text in (*texts, *_values(row.checks)):
            _refuse_missing(text, row, steps)
        for steps, check in (*shared, *row.checks):
            _refuse_value(check.name, filled(check.value, row.variables), steps, row.where)


def _rows(scenario: Scenario) -> list[_Row]:
    if not scenario.cases:
        return [_Row(variables=scenario.vars)]
    ids = case_ids(scenario.cases)
    return [
        _Row(
            where=f" in the case {id}",
            variables={**scenario.vars, **case.vars},
            checks=tuple((("cases", n, "checks", m), check) for m, check in enumerate(case.checks)),
        )
        for n, (id, case) in enumerate(zip(ids, scenario.cases, strict=True))
    ]


def _values(checks: Iterable[tuple[Steps, Check]]) -> Iterator[tuple[Steps, Any]]:
    return ((steps, check.value) for steps, check in checks)


def _refuse_unreadable(value: Any, steps: Steps) -> None:
    if (text := unreadable(value)) is not None:
        raise WrongPartError(
            f'{text[:40]!r}: two braces begin a variable, {{{{city}}}}; for braces write {{{{"{{{{"}}}}',
            *steps,
        )


def _refuse_unused(scenario: Scenario, used: set[str]) -> None:
    for n, case in enumerate(scenario.cases):
        for name in case.vars:
            if name not in used:
                raise WrongPartError(_unused(name, used), "cases", n, "vars", name)
    for name in scenario.vars:
        if name not in used:
            raise WrongPartError(_unused(name, used), "vars", name)


def _unused(name: str, used: set[str]) -> str:
    return f"nothing uses the variable {name!r}; {_nearest(name, used) or 'write it where it belongs'}"


def _refuse_missing(value: Any, row: _Row, steps: Steps) -> None:
    for name in names_in(value):
        if name not in row.variables:
            hint = _nearest(name, row.variables) or "give it one in vars"
            raise WrongPartError(f"the variable {name!r} has no value{row.where}; {hint}", *steps)


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def _refuse_value(name: str, value: Any, steps: Steps, where: str = "") -> None:
    if problem := wrong_value(name, value):
        raise WrongPartError(f"{name}: {problem}{where}", *steps)
