"""Where two JSON values differ, and how two long texts are shown beside each other.

Texts are masked before they are cut: half a secret no longer looks like one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from enum import Enum
from typing import AnyStr, Final, NamedTuple

from tapeline.cassettes.redaction import masked
from tapeline.types import Json

SHOWN_CHARACTERS = 160
SHOWN_AROUND = 40
"""Characters on either side of a change."""

DIFFED_CHARACTERS = 6_000
"""What differs over more than this is shown by its beginning: comparing words takes time squared."""

_WORD = re.compile(r"\S+\s*|\s+")


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
    for index in range(max(len(place.old), len(place.new))):
        old = place.old[index] if index < len(place.old) else ABSENT
        new = place.new[index] if index < len(place.new) else ABSENT
        yield ValueDifference(f"{place.path}[{index}]", old, new)


# What people see ----------------------------------------------------------------------------------------


def readable(value: Json | Absent) -> str:
    """Return a value on one line: a text as it is, else its JSON; masked, nothing a terminal would obey."""
    text = masked(_text(value))
    return text if text.isprintable() else ascii(text)[1:-1]


def _text(value: Json | Absent) -> str:
    if isinstance(value, Absent):
        return str(value.value)
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply to show)"


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


def shared_start(old: AnyStr, new: AnyStr) -> int:
    """Return how many characters two texts begin with in common.

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


def shared_end(old: AnyStr, new: AnyStr, start: int = 0) -> int:
    """Return how many characters two texts end with in common, not counting the first `start`."""
    same, limit = 0, max(0, min(len(old), len(new)) - start)
    while same < limit:
        middle = (same + limit + 1) // 2
        if old[len(old) - middle : len(old) - same] == new[len(new) - middle : len(new) - same]:
            same = middle
        else:
            limit = middle - 1
    return same


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
