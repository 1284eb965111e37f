"""Checks as a scenario file writes them: one key and its value."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from tapeline.scenarios.checks import CHECKS, NEGATION, unknown_check, wrong_value
from tapeline.scenarios.strict import Strict, Variables
from tapeline.scenarios.templates import filled, has_placeholder


class Check(Strict):
    """One expectation: a name such as `contains` or `not-contains`, and its value."""

    name: str
    value: Any = None

    def filled(self, variables: Variables) -> Check:
        return self.model_copy(update={"value": filled(self.value, variables)})


def _check(value: Any) -> Any:
    if isinstance(value, Check):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError('a check is one key and its value, such as "contains: Paris"')
    [(name, expected)] = value.items()
    if problem := unknown_check(str(name)):
        raise ValueError(problem)
    if not has_placeholder(expected) and (problem := wrong_value(name, expected)):
        raise ValueError(f"{name}: {problem}")  # what is still to be filled in is checked when it is
    return {"name": name, "value": expected}


def _checks_json_schema() -> dict[str, Any]:
    """Return what editors are told: one of the names, each with the values it takes."""
    words = {
        negation + name: {
            "description": f"Not so: {kind.meaning}" if negation else kind.meaning,
            "anyOf": [dict(kind.value.json_schema), {"type": "string", "pattern": r"\{\{"}],
        }
        for name, kind in CHECKS.items()
        for negation in ("", NEGATION)
    }
    return {
        "type": "object",
        "description": "One check: its name and its value.",
        "properties": words,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


Checks: TypeAlias = tuple[
    Annotated[Check, BeforeValidator(_check), WithJsonSchema(_checks_json_schema(), mode="validation")], ...
]


def over(own: tuple[Check, ...], general: tuple[Check, ...]) -> tuple[Check, ...]:
    """Return the general checks with one's own over those of the same name, and the others after them."""
    names = {check.name for check in own}
    return (*(check for check in general if check.name not in names), *own)
