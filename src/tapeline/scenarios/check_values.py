"""What may stand behind the name of a check: a text, a list, a number, a pattern, a duration, a schema.

Each kind of value says what is wrong with one that is none, and its JSON schema, which editors read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from tapeline.errors import ConfigError
from tapeline.scenarios.callables import wrong_path
from tapeline.scenarios.durations import seconds_of
from tapeline.types import FinishReason
from tapeline.validation import checked_schema

PATTERN_CHARACTERS_LIMIT = 1_000
TOKEN_COUNTS = ("input", "output", "total")


@dataclass(frozen=True, slots=True)
class ValueKind:
    """wrong: what is wrong with a value, or None. json_schema: what editors are told."""

    wrong: Callable[[Any], str | None]
    json_schema: Mapping[str, Any]


def _wrong_text(value: Any) -> str | None:
    return None if type(value) in (str, int, float) else f"{value!r} is no text: put it in quotes"


def _wrong_text_or_json(value: Any) -> str | None:
    return None if isinstance(value, (dict, list)) else _wrong_text(value)


def _wrong_texts(value: Any) -> str | None:
    return None if isinstance(value, list) and value else "a list of texts is wanted"


def _wrong_pattern(value: Any) -> str | None:
    if len(str(value)) > PATTERN_CHARACTERS_LIMIT:
        return f"a pattern has at most {PATTERN_CHARACTERS_LIMIT} characters"
    try:
        re.compile(str(value))
    except (re.error, OverflowError, RecursionError) as error:
        return f"not a regular expression: {error}"
    return None


def _wrong_truth_or_schema(value: Any) -> str | None:
    if not isinstance(value, dict):
        return (
            None if value is True else "write `true` or a JSON schema; not- before the name for the opposite"
        )
    try:
        checked_schema(value)
    except ConfigError as error:
        return error.message
    return None


def _wrong_truth_or_text(value: Any) -> str | None:
    return None if value is True or isinstance(value, str) else "write `true`, or the name of a tool"


def _wrong_count(value: Any) -> str | None:
    return None if type(value) is int and value > 0 else "a number of chunks is wanted"


def _wrong_finish_reason(value: Any) -> str | None:
    known = get_args(FinishReason)
    if value in known:
        return None
    near = difflib.get_close_matches(str(value), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{value!r} is none; {hint}known are {', '.join(known)}"


def _wrong_duration(value: Any) -> str | None:
    try:
        return None if duration_s(value) > 0 else "more than nothing is wanted"
    except ValueError as error:
        return str(error)


def duration_s(value: Any) -> float:
    """Return the seconds of a number of milliseconds, or of a text with a unit. Raises ValueError."""
    if isinstance(value, str):
        return seconds_of(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is no duration: write milliseconds, or a text like 1.2s")
    return value / 1000


def _wrong_amount(value: Any) -> str | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return None if is_number and value >= 0 else f"{value!r} is no amount in USD"


def _wrong_bounds(value: Any) -> str | None:
    bounds = value if isinstance(value, dict) and value else {"total": value}
    if unknown := [name for name in bounds if name not in TOKEN_COUNTS]:
        return f"tokens has no {unknown[0]!r}; it knows {', '.join(TOKEN_COUNTS)}"
    wrong = [bound for bound in bounds.values() if type(bound) is not int or bound < 0]
    return f"{wrong[0]!r} is no number of tokens" if wrong else None


TEXT = ValueKind(_wrong_text, {"type": ["string", "number"]})
TEXT_OR_JSON = ValueKind(_wrong_text_or_json, {"type": ["string", "number", "object", "array"]})
TEXTS = ValueKind(_wrong_texts, {"type": "array", "minItems": 1})
PATTERN = ValueKind(_wrong_pattern, {"type": ["string", "number"], "format": "regex"})
TRUTH_OR_SCHEMA = ValueKind(_wrong_truth_or_schema, {"anyOf": [{"const": True}, {"type": "object"}]})
TRUTH_OR_TOOL = ValueKind(_wrong_truth_or_text, {"anyOf": [{"const": True}, {"type": "string"}]})
COUNT = ValueKind(_wrong_count, {"type": "integer", "minimum": 1})
FINISH_REASON = ValueKind(_wrong_finish_reason, {"enum": list(get_args(FinishReason))})
DURATION = ValueKind(_wrong_duration, {"type": ["number", "string"]})
AMOUNT_USD = ValueKind(_wrong_amount, {"type": "number", "minimum": 0})
TOKEN_BOUNDS = ValueKind(
    _wrong_bounds,
    {
        "type": ["integer", "object"],
        "minimum": 0,
        "properties": {name: {"type": "integer", "minimum": 0} for name in TOKEN_COUNTS},
        "additionalProperties": False,
    },
)
DOTTED_PATH = ValueKind(wrong_path, {"type": "string"})
