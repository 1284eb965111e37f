"""Columns: what may be long makes way, figures stay, and no line is wider than the terminal."""

from __future__ import annotations

import pytest

from tapeline.cli.cassette.columns import Column, aligned, fair_shares, shortened, size_text

COLUMNS = (Column(is_name=True), Column(head="calls"), Column(head="model", is_name=True))


def test_rows_stand_below_each_other() -> None:
    lines = aligned(COLUMNS, [("a.yaml", "5", "one"), ("longer.yaml", "12", "another")], width=80)

    assert lines == [
        "             calls  model",
        "a.yaml           5  one",
        "longer.yaml     12  another",
    ]


def test_a_name_without_room_stands_above_its_row_and_others_are_shortened() -> None:
    rows = [("a.yaml", "5", "openai:gpt-5.4-mini"), (f"test_{'x' * 30}[case].yaml", "12", "m")]

    assert aligned(COLUMNS, rows, width=32) == [
        "        calls  model",
        "a.yaml      5  openai:g…5.4-mini",
        "test_xxxxxxxxxxx…xxxx[case].yaml\n           12  m",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 1000])
def test_no_line_is_wider_than_it_may_be(width: int) -> None:
    rows = [(f"{'n' * size}.yaml", "123,456", "m" * (90 - size)) for size in range(0, 90, 10)]

    lines = [line for row in aligned(COLUMNS, rows, width=width) for line in row.split("\n")]

    assert max(map(len, lines)) <= width
    assert sum("123,456" in line for line in lines) == len(rows)


def test_a_terminal_that_is_too_narrow_still_shows_the_figures() -> None:
    [_, row] = aligned(COLUMNS, [("n" * 30, "123,456", "m" * 30)], width=5)

    assert "123,456" in row


def test_names_are_made_harmless_before_they_are_measured() -> None:
    [_, row] = aligned(COLUMNS, [("\x1b[2Ja", "1", "\u202eb")], width=80)

    assert row == r"\x1b[2Ja      1  \u202eb"


@pytest.mark.parametrize(
    ("wanted", "left", "shares"),
    [
        ([10, 20], 100, [10, 20]),
        ([10, 90], 60, [10, 50]),
        ([90, 90], 60, [30, 30]),
        ([90, 90], 4, [8, 8]),
        ([], 10, []),
    ],
)
def test_who_wants_little_gets_all_of_it(wanted: list[int], left: int, shares: list[int]) -> None:
    assert fair_shares(wanted, left) == shares


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("abc", 3, "abc"), ("abcdef", 5, "ab…ef"), ("abcdef", 4, "ab…f"), ("abcdef", 1, "…")],
)
def test_a_long_name_loses_its_middle(text: str, width: int, expected: str) -> None:
    assert shortened(text, width) == expected


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (64 * 10**6, "64 MB"),
        (3 * 10**9, "3.0 GB"),
    ],
)
def test_sizes_have_two_digits_at_least(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text
