"""Differences of values are found and named; long texts are shown where they do, secrets never."""

from __future__ import annotations

import pytest

from tapeline.cassettes.review.differences import (
    ABSENT,
    SHOWN_CHARACTERS,
    beside,
    excerpts,
    is_volatile,
    readable,
    shared_end,
    shared_start,
    value_differences,
)

DIFFERENCES = {
    "nothing": ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, []),
    "a value": ({"a": {"b": 1}}, {"a": {"b": 2}}, [("$.a.b", 1, 2)]),
    "a key more": ({}, {"a": None}, [("$.a", ABSENT, None)]),
    "a key less": ({"a": 1}, {}, [("$.a", 1, ABSENT)]),
    "an item more": (["x"], ["x", "y"], [("$[1]", ABSENT, "y")]),
    "another type": ({"a": []}, {"a": {}}, [("$.a", [], {})]),
    "a flag is no number": ([True], [1], [("$[0]", True, 1)]),
    "an item put in between": (["a", "b", "c"], ["a", "x", "b", "c"], [("$[1]", ABSENT, "x")]),
    "an item taken out": (["a", "b", "c"], ["a", "c"], [("$[1]", "b", ABSENT)]),
    "several, in order": (
        {"b": [1, 2], "a": 1},
        {"a": 2, "b": [3, 4]},
        [("$.a", 1, 2), ("$.b[0]", 1, 3), ("$.b[1]", 2, 4)],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_each_place_where_values_differ_is_named(old, new, expected) -> None:
    assert list(value_differences(old, new)) == expected


def test_values_may_be_nested_as_deeply_as_they_like() -> None:
    """Deeper than Python's own recursion goes."""
    old, new = [1], [2]
    for _ in range(5_000):
        old, new = [old], [new]

    (found,) = value_differences(old, new)

    assert (found.old, found.new) == (1, 2)
    assert readable(old) == "(nested too deeply to show)"
    assert not is_volatile(old)


VOLATILE = {
    "0f8fad5b-d9cb-469f-a165-70867728950e": True,
    "call_AbCdEfGh12345678": True,
    "toolu_01AbCdEfGh12345678": True,
    "9e107d9d372bb6826bd81d3542a419d6": True,
    "2026-11-25": True,
    "2026-11-25T09:00:00.123Z": True,
    1764061200: True,
    1764061200123: True,
    "gpt-5.4-mini": False,
    "gpt-4o-2024-08-06": False,
    "internationalization": False,
    "in 2026-11-25": False,
    4096: False,
    True: False,
    None: False,
}


@pytest.mark.parametrize(("value", "expected"), VOLATILE.items())
def test_ids_and_times_are_known_by_their_look(value, expected: bool) -> None:
    assert is_volatile(value) is expected


SHARED = {
    "nothing": ("abc", "xyz", 0, 0),
    "all": ("abc", "abc", 3, 3),
    "start": ("abcd", "abxy", 2, 0),
    "end": ("abcd", "xycd", 0, 2),
    "both": ("aXb", "aYYb", 1, 1),
    "empty": ("", "abc", 0, 0),
    "one within the other": ("abab", "ab", 2, 2),
}


@pytest.mark.parametrize(("old", "new", "start", "end"), SHARED.values(), ids=SHARED.keys())
def test_what_two_texts_share_is_measured(old: str, new: str, start: int, end: int) -> None:
    """Of texts and of bytes; the end does not run into what the start took."""
    assert (shared_start(old, new), shared_end(old, new)) == (start, end)
    assert (shared_start(old.encode(), new.encode()), shared_end(old.encode(), new.encode())) == (start, end)
    assert shared_end("aa", "aaa", start=2) == 0


READABLE = {
    "text": ("plain words", "plain words"),
    "nothing": (ABSENT, "(absent)"),
    "null": (None, "null"),
    "a flag": (True, "true"),
    "an object": ({"a": ["é"]}, '{"a": ["é"]}'),
    "control characters": ("\x1b[2J\u202e\n", r"\x1b[2J\u202e\n"),
}


@pytest.mark.parametrize(("value", "text"), READABLE.values(), ids=READABLE.keys())
def test_a_value_is_shown_on_one_line(value, text: str) -> None:
    assert readable(value) == text


def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "canary-environment")

    assert "canary" not in readable({"a": "canary-environment", "b": "sk-canary-0123456789abcdef"})


def test_a_secret_at_the_start_of_a_line_is_not_shown() -> None:
    """In JSON the line end before it is a letter, which hides where it begins."""
    assert "sk-" not in readable({"a": ["first\nsk-proj-abcdefghijklmnopqrstuvwx"]})


def test_a_secret_is_not_shown_beside_another_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it stands in a long text: across its change, or across the edge of what is looked at."""
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "canary-environment")
    secret = " sk-canary-0123456789abcdef canary-environment "

    for before in range(0, 9_000, 211):
        text = secret + "x" * before + secret + "y" * 9_000 + secret
        shown = beside(text[:before] + text[before + 1 :], text)
        assert "sk-canary-0123456789abcdef" not in "".join(shown)
        assert "canary-environment" not in "".join(shown)


def test_values_are_shown_beside_each_other() -> None:
    """Of whatever type; long ones only where they differ."""
    assert beside({"a": 1}, ABSENT) == ('{"a": 1}', "(absent)")
    assert beside("x" * 50_000 + " a\x1b", "x" * 50_000 + " b\x1b") == (
        "..." + "x" * 39 + r" a\x1b",
        "..." + "x" * 39 + r" b\x1b",
    )


def test_short_texts_are_shown_whole() -> None:
    assert excerpts("a b", "a c") == ("a b", "a c")


PREFIX, REST = "All work and no play. " * 50, " And so on." * 50


def test_a_long_text_is_shown_around_its_change() -> None:
    """From the start of a word before it, to a little behind it; not more."""
    assert excerpts(f"{PREFIX}makes Jack dull{REST}", f"{PREFIX}makes Jill dull{REST}") == (
        "...and no play. All work and no play. makes Jack dull And so on. And so on. And so on. A...",
        "...and no play. All work and no play. makes Jill dull And so on. And so on. And so on. A...",
    )


def test_several_changes_are_shown_side_by_side() -> None:
    """Without what lies between them."""
    old = " ".join(f"word{n}" for n in range(100))

    left, right = excerpts(old, old.replace("word20 ", "TWENTY ").replace("word70 ", "SEVENTY "))

    assert left == (
        "...word17 word18 word19 word20 word21 word22 word23 ... "
        "word67 word68 word69 word70 word71 word72 word73 ..."
    )
    assert "TWENTY" in right
    assert "SEVENTY" in right
    assert "word50" not in left + right


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_excerpts_stay_short_whatever_changed(size: int) -> None:
    left, right = excerpts("x" * size, "y " * size)

    assert max(len(left), len(right)) <= SHOWN_CHARACTERS + 2 * len("...")


def test_an_excerpt_of_what_was_added_at_the_end_shows_it() -> None:
    old, new = excerpts(PREFIX, f"{PREFIX}And the end.")

    assert old.endswith("no play. ")
    assert new.endswith("no play. And the end.")
