"""How each check judges an outcome. Pure, but for `python`, which calls what the user wrote.

A verdict holds, does not hold, or cannot be given: no price is known, nothing was streamed. What cannot be
judged fails both the check and its opposite; a test must not pass on what nobody knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from tapeline.scenarios.callables import find_callable
from tapeline.scenarios.check_values import duration_s
from tapeline.scenarios.outcome import Outcome
from tapeline.types import Tool, ToolCall
from tapeline.validation import check

SEARCHED_CHARACTERS_LIMIT = 100_000  # a pattern that backtracks is slow in proportion at the least
JSON_STARTS_LIMIT = 1_000  # brackets tried as the start of JSON, each of which may cost the whole text

_JSON_START = re.compile(r"[{\[]")


class Verdict(NamedTuple):
    """Whether a check holds, None if that cannot be told; and why, where that needs words."""

    holds: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What a check may know besides the text: also the second argument of a `python` check.

    outcome: the whole answer. variables: those of the case. folder: of the project.
    """

    outcome: Outcome = field(default_factory=Outcome)
    scenario: str = ""
    case: str = ""
    target: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Tool, ...] = ()
    folder: Path = Path()


Judge: TypeAlias = Callable[[Any, CheckContext], Verdict]
"""(value in the file, context) -> verdict."""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")  # Python would take NaN and Infinity


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


# Texts ----------------------------------------------------------------------------------------------------


def of_text(holds: Callable[[str, Any], bool]) -> Judge:
    """Return the judge that looks at the text alone."""
    return lambda expected, context: Verdict(holds(context.outcome.text, expected))


def ignoring_case(holds: Callable[[str, Any], bool]) -> Judge:
    """Return the judge that looks at the text alone, all letters small."""

    def lowered(expected: Any) -> Any:
        return (
            [str(part).lower() for part in expected] if isinstance(expected, list) else str(expected).lower()
        )

    return lambda expected, context: Verdict(holds(context.outcome.text.lower(), lowered(expected)))


def contains(text: str, expected: Any) -> bool:
    return str(expected) in text


def contains_any(text: str, expected: Any) -> bool:
    return any(str(part) in text for part in expected)


def contains_all(text: str, expected: Any) -> bool:
    return all(str(part) in text for part in expected)


def equals(text: str, expected: Any) -> bool:
    """A list or a mapping is compared with the JSON that the text is."""
    if not isinstance(expected, (dict, list)):
        return text == str(expected)
    try:
        return bool(_DECODER.decode(text) == expected)
    except (ValueError, RecursionError):
        return False


def matches(expected: Any, context: CheckContext) -> Verdict:
    text = context.outcome.text
    if len(text) > SEARCHED_CHARACTERS_LIMIT:
        return Verdict(None, f"no pattern is tried on more than {SEARCHED_CHARACTERS_LIMIT} characters")
    return Verdict(re.search(str(expected), text) is not None)


# JSON -----------------------------------------------------------------------------------------------------


def is_json(expected: Any, context: CheckContext) -> Verdict:
    try:
        value = _DECODER.decode(context.outcome.text)
    except (ValueError, RecursionError) as error:
        return Verdict(False, f"no JSON: {error}")
    return _fits(value, expected)


def contains_json(expected: Any, context: CheckContext) -> Verdict:
    """Without a schema only objects count: the [1] of a footnote is JSON too, but not what anybody means."""
    found = (
        value for value in json_values_in(context.outcome.text) if expected is not True or _has_object(value)
    )
    verdicts = [_fits(value, expected) for value in found]
    good = next((verdict for verdict in verdicts if verdict.holds), None)
    return good or (verdicts[0] if verdicts else Verdict(False, "there is no JSON in it"))


def json_values_in(text: str) -> Iterator[Any]:
    """Yield the objects and lists that stand in a text, outer ones only, in their order."""
    position = 0
    for _ in range(JSON_STARTS_LIMIT):
        start = _JSON_START.search(text, position)
        if start is None:
            return
        try:
            value, position = _DECODER.raw_decode(text, start.start())
            yield value
        except (ValueError, RecursionError):
            position = start.end()


def _has_object(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_has_object, value)))


def _fits(value: Any, expected: Any) -> Verdict:
    if expected is True:
        return Verdict(True)
    try:
        check(value, expected)
    except ValueError as error:
        return Verdict(False, str(error))
    return Verdict(True)


# Tools ----------------------------------------------------------------------------------------------------


def is_valid_tool_call(expected: Any, context: CheckContext) -> Verdict:
    """There are calls, each of a declared tool with arguments that fit; one of them of the tool named."""
    calls = context.outcome.tool_calls
    if not calls:
        return Verdict(False, "no tool was called")
    tools = {tool.name: tool for tool in context.tools}
    if wrong := [problem for call in calls if (problem := _wrong_call(call, tools))]:
        return Verdict(False, "; ".join(wrong))
    if expected is not True and expected not in {call.name for call in calls}:
        return Verdict(False, f"{', '.join(call.name for call in calls)} was called, {expected} was not")
    return Verdict(True)


def _wrong_call(call: ToolCall, tools: Mapping[str, Tool]) -> str | None:
    if call.name not in tools:
        return f"no tool is called {call.name!r}"
    try:
        check(call.arguments, tools[call.name].parameters)
    except (ValueError, RecursionError) as error:
        return f"the arguments of {call.name}: {error}"
    return None


# Figures --------------------------------------------------------------------------------------------------


def at_most_s(figure: str) -> Judge:
    """Return the judge of a duration of the outcome."""

    def judge(expected: Any, context: CheckContext) -> Verdict:
        taken_s = getattr(context.outcome, figure)
        if taken_s is None:
            return Verdict(None, "nothing was streamed, so there is no first token")
        return Verdict(taken_s <= duration_s(expected), f"it took {taken_s * 1000:g} ms")

    return judge


def costs_at_most(expected: Any, context: CheckContext) -> Verdict:
    cost_usd = context.outcome.cost_usd
    if cost_usd is None:
        return Verdict(None, "no price is known for this model; `price_as` of the target names one")
    return Verdict(float(cost_usd) <= expected, f"it cost {cost_usd} USD")


def tokens_at_most(expected: Any, context: CheckContext) -> Verdict:
    usage = context.outcome.usage
    counts = {"input": usage.input_tokens, "output": usage.output_tokens, "total": usage.total_tokens}
    bounds = expected if isinstance(expected, dict) else {"total": expected}
    if unknown := [name for name in bounds if counts[name] is None]:
        return Verdict(None, f"the provider did not count {unknown[0]} tokens")
    over = [f"{counts[name]} {name} tokens" for name, bound in bounds.items() if (counts[name] or 0) > bound]
    return Verdict(not over, ", ".join(over))


# Code -----------------------------------------------------------------------------------------------------


def python(expected: str, context: CheckContext) -> Verdict:
    """Call function(text, context): it returns a bool, (bool, reason), or raises AssertionError."""
    function = find_callable(expected, context.folder)
    try:
        said = function(context.outcome.text, context)
    except AssertionError as error:
        return Verdict(False, str(error))
    except Exception as error:  # whatever it is, it is a bug of the check and no verdict
        return Verdict(None, f"it raised {type(error).__name__}: {error}")
    if isinstance(said, tuple) and len(said) == 2 and isinstance(said[0], bool):
        return Verdict(said[0], str(said[1]))
    if isinstance(said, bool):
        return Verdict(said)
    return Verdict(None, f"it returned {said!r:.80}; a bool, or a bool and a reason, is wanted")
