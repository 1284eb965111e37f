"""Where two JSON values differ, and how two long texts are shown beside each other.

Texts are masked before they are cut: half a secret no longer looks like one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from enum import Enum
from typing import Final, NamedTuple, TypeVar

from tapeline.cassettes.review.showable import shown_value
from tapeline.cassettes.secrets.redaction import masked
from tapeline.types import Json

SHOWN_CHARACTERS = 160
SHOWN_AROUND = 40
"""Characters on either side of a change."""

DIFFED_CHARACTERS = 6_000
"""What differs over more than this is shown by its beginning: comparing words takes time squared."""

MASKED_AROUND = 4_096
"""Characters around a change that are searched for secrets: more than any has, as a megabyte takes 0.1 s."""

S = TypeVar("S", str, bytes, list[Json])

_WORD = re.compile(r"\S+\s*|\s+")
_VOLATILE = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # a UUID
    r"|([A-Za-z]+[_-])*(?=[A-Za-z]*\d)[0-9A-Za-z]{16,128}"  # call_AbC123..., req-0123..., a digest
    r"|\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?"  # a date or a time
    r"|1[5-9]\d{8}(\d{3})?(\.\d+)?"  # seconds or milliseconds since 1970, 2017 to 2033
)


class Absent(Enum):
    """What stands in for a value that is not there; null is one that is."""

    ABSENT = "(absent)"


ABSENT: Final = Absent.ABSENT


class ValueDifference(NamedTuple):
    """Where two JSON values differ: a path such as "$.messages[1].content", and what stands there."""

    path: str
    old: Json
    new: Json


def value_differences(old: Json, new: Json) -> Iterator[ValueDifference]:
    """Yield each place where two JSON values differ, in the order of the keys.

    A list of its own, and no recursion: bodies come from outside, and may be nested as deeply as they like.
    """
    waiting = [ValueDifference("$", old, new)]
    while waiting:
        place = waiting.pop()
        if isinstance(place.old, dict) and isinstance(place.new, dict):
            waiting += reversed(list(_by_key(place)))
        elif isinstance(place.old, list) and isinstance(place.new, list):
            waiting += reversed(list(_by_index(place)))
        elif type(place.old) is not type(place.new) or place.old != place.new:  # True is not 1
            yield place


def _by_key(place: ValueDifference) -> Iterator[ValueDifference]:
    for key in sorted({*place.old, *place.new}):
        old, new = place.old.get(key, ABSENT), place.new.get(key, ABSENT)
        yield ValueDifference(f"{place.path}.{key}", old, new)


def _by_index(place: ValueDifference) -> Iterator[ValueDifference]:
    """Pair the items of two lists: from the start, but the equal ends of a list that grew or shrank.

    So a message put in between is one difference, not one for each message behind it.
    """
    old, new = place.old, place.new
    end = _equal_end(old, new) if len(old) != len(new) else 0
    old, new = old[: len(old) - end], new[: len(new) - end]
    for index in range(max(len(old), len(new))):
        left = old[index] if index < len(old) else ABSENT
        right = new[index] if index < len(new) else ABSENT
        yield ValueDifference(f"{place.path}[{index}]", left, right)


def _equal_end(old: list[Json], new: list[Json]) -> int:
    try:
        return shared_end(old, new, shared_start(old, new))
    except RecursionError:  # comparing is Python's own, and goes only so deep
        return 0


def is_volatile(value: Json | Absent) -> bool:
    """Whether a value looks like an id or a time, which are new in every run."""
    is_plain = isinstance(value, str | int | float)  # the text of anything else may not even end
    return is_plain and _VOLATILE.fullmatch(str(value)) is not None


# What people see ----------------------------------------------------------------------------------------


def readable(value: Json | Absent) -> str:
    """Return a value on one line: a text as it is, else its JSON; masked, nothing a terminal would obey."""
    return _printable(masked(_text(value)))


def beside(old: Json | Absent, new: Json | Absent) -> tuple[str, str]:
    """Return two values as people should see them: where they differ, on one line each."""
    left, right = _text(old), _text(new)
    start = max(0, shared_start(left, right) - MASKED_AROUND)
    end = start + 3 * MASKED_AROUND
    left, right = (_printable(masked(text[start:end])) for text in (left, right))
    return excerpts(left, right)


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]


def _text(value: Json | Absent) -> str:
    if isinstance(value, Absent):
        return str(value.value)
    shown = shown_value(value)
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def excerpts(old: str, new: str) -> tuple[str, str]:
    """Return what differs of two texts, with a little of what stands around it.

    Cut at words, and all of it where both are short.
    """
    if max(len(old), len(new)) <= SHOWN_CHARACTERS:
        return old, new
    start = _word_start(old, shared_start(old, new) - SHOWN_AROUND)
    end = max(0, shared_end(old, new, start + SHOWN_AROUND) - SHOWN_AROUND)
    left, right = old[start : len(old) - end], new[start : len(new) - end]
    if SHOWN_CHARACTERS < max(len(left), len(right)) <= DIFFED_CHARACTERS:
        left, right = _changed_words(left, right)
    return _framed(left, start, end), _framed(right, start, end)


def shared_start(old: S, new: S) -> int:
    """Return how many characters, bytes or items two sequences begin with in common.

    Halving and comparing slices is 100 times faster than a loop over characters.
    """
    same, limit = 0, min(len(old), len(new))
    while same < limit:
        middle = (same + limit + 1) // 2
        if old[same:middle] == new[same:middle]:
            same = middle
        else:
            limit = middle - 1
    return same


def shared_end(old: S, new: S, start: int = 0) -> int:
    """Return how many of them two sequences end with in common, not counting the first `start`."""
    same, limit = 0, max(0, min(len(old), len(new)) - start)
    while same < limit:
        middle = (same + limit + 1) // 2
        if old[len(old) - middle : len(old) - same] == new[len(new) - middle : len(new) - same]:
            same = middle
        else:
            limit = middle - 1
    return same


def likeness(old: bytes, new: bytes) -> float:
    """Return from 0 to 1 how much of two bodies is the same, at their start and at their end."""
    start = shared_start(old, new)
    return (start + shared_end(old, new, start)) / (max(len(old), len(new)) or 1)


def _word_start(text: str, position: int) -> int:
    """Return where the word at a position begins, if it does so nearby."""
    position = max(0, position)
    return text.rfind(" ", max(0, position - SHOWN_AROUND), position) + 1 or position


def _changed_words(old: str, new: str) -> tuple[str, str]:
    """Return only what changed, three words of context around it, where a text changed in several places."""
    left, right = _WORD.findall(old), _WORD.findall(new)
    groups = list(SequenceMatcher(None, left, right).get_grouped_opcodes(3))
    return (
        "... ".join("".join(left[group[0][1] : group[-1][2]]) for group in groups),
        "... ".join("".join(right[group[0][3] : group[-1][4]]) for group in groups),
    )


def _framed(text: str, start: int, end: int) -> str:
    is_cut = end > 0 or len(text) > SHOWN_CHARACTERS
    return f"{'...' if start else ''}{text[:SHOWN_CHARACTERS]}{'...' if is_cut else ''}"
