"""Checks: what must be true of an outcome, in the words people know from promptfoo.

A check is a function (outcome, expected) -> bool in one table. `not-` before a name turns it round.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from tapeline.scenarios.outcome import Outcome
from tapeline.types import FinishReason

NEGATION = "not-"


def _is_json(outcome: Outcome, expected: Any) -> bool:
    try:
        json.loads(outcome.text)
    except ValueError:
        return False
    return True


def _contains_any(outcome: Outcome, expected: Iterable[str]) -> bool:
    return any(str(part) in outcome.text for part in expected)


def _contains_all(outcome: Outcome, expected: Iterable[str]) -> bool:
    return all(str(part) in outcome.text for part in expected)


CHECKS: Mapping[str, Callable[[Outcome, Any], bool]] = {
    "equals": lambda outcome, expected: outcome.text == str(expected),
    "contains": lambda outcome, expected: str(expected) in outcome.text,
    "icontains": lambda outcome, expected: str(expected).lower() in outcome.text.lower(),
    "contains-any": _contains_any,
    "contains-all": _contains_all,
    "starts-with": lambda outcome, expected: outcome.text.startswith(str(expected)),
    "regex": lambda outcome, expected: re.search(str(expected), outcome.text) is not None,
    "is-json": _is_json,
    "finish-reason": lambda outcome, expected: outcome.finish_reason == expected,
    "min-chunks": lambda outcome, expected: len(outcome.chunk_at_s) >= int(expected),
}


def wrong_value(name: str, expected: Any) -> str | None:
    """Return what is wrong with the value of a check, or None."""
    kind = name.removeprefix(NEGATION)
    if kind == "is-json":
        return None if expected is True else "write `is-json: true`, or `not-is-json: true`"
    if kind == "min-chunks":
        return None if type(expected) is int and expected > 0 else "a number of chunks is wanted"
    if kind == "finish-reason":
        known = get_args(FinishReason)
        return None if expected in known else f"{expected!r} is none; known are {', '.join(known)}"
    if kind in ("contains-any", "contains-all"):
        return None if isinstance(expected, list) and expected else "a list of texts is wanted"
    if kind == "regex":
        return _wrong_pattern(expected)
    return None if type(expected) in (str, int) else f"{expected!r} is no text: put it in quotes"


def _wrong_pattern(expected: Any) -> str | None:
    try:
        re.compile(str(expected))
    except re.error as error:
        return f"not a regular expression: {error}"
    return None


def failed_checks(outcome: Outcome, checks: Iterable[tuple[str, Any]]) -> list[str]:
    """Return a line for each check that does not hold."""
    return [
        f"{name}: {expected!r} does not hold for {outcome.described()}"
        for name, expected in checks
        if not holds(outcome, name, expected)
    ]


def holds(outcome: Outcome, name: str, expected: Any) -> bool:
    """Whether one check holds. Raises KeyError for an unknown name."""
    if name.startswith(NEGATION):
        return not CHECKS[name.removeprefix(NEGATION)](outcome, expected)
    return CHECKS[name](outcome, expected)
