"""Checks: what must be true of an outcome, in the words people know from promptfoo.

A check is a function (outcome, expected) -> bool in one table. `not-` before a name turns it round.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tapeline.scenarios.outcome import Outcome

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
