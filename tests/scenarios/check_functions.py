"""Checks of a user's own, as the tests name them in `python:`."""

from __future__ import annotations

from typing import Any

from tapeline.scenarios.judging import CheckContext


def is_short(text: str, context: CheckContext) -> bool:
    return len(text) < 50


def is_short_because(text: str, context: CheckContext) -> tuple[bool, str]:
    return len(text) < 50, f"{len(text)} characters"


def asserts_short(text: str, context: CheckContext) -> bool:
    assert len(text) < 50, "too long"
    return True


def fails(text: str, context: CheckContext) -> bool:
    return 1 / 0 > 1


def says_perhaps(text: str, context: CheckContext) -> Any:
    return "perhaps"


def knows_its_place(text: str, context: CheckContext) -> bool:
    place = (context.scenario, context.case, context.target, context.variables)
    return place == ("s", "c", "t", {"city": "Paris"}) and context.outcome.text == text


async def is_a_coroutine(text: str, context: CheckContext) -> bool:
    return True


NOT_CALLABLE = 3
