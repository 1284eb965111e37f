"""Checks: what must be true of an outcome, in the words people know from promptfoo.

One table: a name, what judges it, what its value may be. `not-` before a name turns it round.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tapeline.scenarios import check_values as values
from tapeline.scenarios import judging
from tapeline.scenarios.check_values import ValueKind
from tapeline.scenarios.judging import CheckContext, Judge, Verdict, ignoring_case, of_text
from tapeline.scenarios.outcome import Outcome

NEGATION = "not-"


@dataclass(frozen=True, slots=True)
class CheckKind:
    """A word of the vocabulary: what it means to people, what its value may be, what judges it."""

    meaning: str
    value: ValueKind
    judge: Judge


CHECKS: Mapping[str, CheckKind] = {
    "equals": CheckKind(
        "The text is exactly this; a mapping or a list is compared with the JSON it is.",
        values.TEXT_OR_JSON,
        of_text(judging.equals),
    ),
    "contains": CheckKind("This stands in the text.", values.TEXT, of_text(judging.contains)),
    "icontains": CheckKind(
        "This stands in the text, in capitals or not.", values.TEXT, ignoring_case(judging.contains)
    ),
    "contains-any": CheckKind(
        "One of these stands in the text.", values.TEXTS, of_text(judging.contains_any)
    ),
    "contains-all": CheckKind("All of these stand in the text.", values.TEXTS, of_text(judging.contains_all)),
    "icontains-any": CheckKind(
        "One of these stands in the text, in capitals or not.",
        values.TEXTS,
        ignoring_case(judging.contains_any),
    ),
    "icontains-all": CheckKind(
        "All of these stand in the text, in capitals or not.",
        values.TEXTS,
        ignoring_case(judging.contains_all),
    ),
    "starts-with": CheckKind(
        "The text starts so.", values.TEXT, of_text(lambda text, start: text.startswith(str(start)))
    ),
    "ends-with": CheckKind(
        "The text ends so.", values.TEXT, of_text(lambda text, end: text.endswith(str(end)))
    ),
    "regex": CheckKind(
        "This regular expression (Python's) is found in the text.", values.PATTERN, judging.matches
    ),
    "is-json": CheckKind(
        "The text is JSON, and follows the schema if one is given.", values.TRUTH_OR_SCHEMA, judging.is_json
    ),
    "contains-json": CheckKind(
        "Somewhere in the text is a JSON object or list, which follows the schema if one is given.",
        values.TRUTH_OR_SCHEMA,
        judging.contains_json,
    ),
    "is-valid-tool-call": CheckKind(
        "Declared tools are called, with arguments that fit their schemas; one of them is the tool named.",
        values.TRUTH_OR_TOOL,
        judging.is_valid_tool_call,
    ),
    "finish-reason": CheckKind(
        "The answer ended for this reason.",
        values.FINISH_REASON,
        lambda expected, context: Verdict(context.outcome.finish_reason == expected),
    ),
    "min-chunks": CheckKind(
        "The answer was streamed in at least so many chunks.",
        values.COUNT,
        lambda expected, context: Verdict(len(context.outcome.chunk_at_s) >= expected),
    ),
    "latency": CheckKind(
        "The whole answer took at most so long: milliseconds, or a text like 1.2s.",
        values.DURATION,
        judging.at_most_s("latency_s"),
    ),
    "ttft": CheckKind(
        "The first token took at most so long: milliseconds, or a text like 800ms.",
        values.DURATION,
        judging.at_most_s("ttft_s"),
    ),
    "cost": CheckKind("It cost at most so much, in USD.", values.AMOUNT_USD, judging.costs_at_most),
    "tokens": CheckKind(
        "It took at most so many tokens: a number, or bounds of input, output and total.",
        values.TOKEN_BOUNDS,
        judging.tokens_at_most,
    ),
    "python": CheckKind(
        "module.function of yours, called with the text and a context, agrees.",
        values.DOTTED_PATH,
        judging.python,
    ),
}

ELSEWHERE = {
    "javascript": "JavaScript is not run here: write the check in Python, `python: module.function`",
}
"""Words from promptfoo that mean nothing here -> what to do instead."""


def unknown_check(name: str) -> str | None:
    """Return what is wrong with the name of a check, or None."""
    kind = name.removeprefix(NEGATION)
    if kind in CHECKS:
        return None
    if kind in ELSEWHERE:
        return ELSEWHERE[kind]
    near = difflib.get_close_matches(kind, CHECKS, n=1)
    hint = f"did you mean {name.removesuffix(kind) + near[0]!r}? Known" if near else "known"
    return f"unknown check {name!r}; {hint} are {', '.join(sorted(CHECKS))}, each also with not-"


def wrong_value(name: str, expected: Any) -> str | None:
    """Return what is wrong with the value of a check, or None."""
    return CHECKS[name.removeprefix(NEGATION)].value.wrong(expected)


def failed_checks(
    outcome: Outcome, checks: Iterable[tuple[str, Any]], context: CheckContext | None = None
) -> list[str]:
    """Return a line for each check that does not hold, or of which nobody can tell."""
    lines = []
    for name, expected in checks:
        verdict = judged(outcome, name, expected, context)
        if not verdict.holds:
            lines.append(_line(outcome, name, expected, verdict))
    return lines


def judged(outcome: Outcome, name: str, expected: Any, context: CheckContext | None = None) -> Verdict:
    """Return the verdict of one check. Raises KeyError for an unknown name."""
    context = replace(context or CheckContext(), outcome=outcome)
    verdict = CHECKS[name.removeprefix(NEGATION)].judge(expected, context)
    if verdict.holds is None or not name.startswith(NEGATION):
        return verdict
    return Verdict(not verdict.holds, verdict.why)


def holds(outcome: Outcome, name: str, expected: Any, context: CheckContext | None = None) -> bool:
    """Whether one check holds. Raises KeyError for an unknown name."""
    return judged(outcome, name, expected, context).holds is True


def _line(outcome: Outcome, name: str, expected: Any, verdict: Verdict) -> str:
    if verdict.holds is None:
        return f"{name}: {expected!r} cannot be judged: {verdict.why}"
    why = f": {verdict.why}" if verdict.why else ""
    return f"{name}: {expected!r} does not hold for {outcome.described()}{why}"
