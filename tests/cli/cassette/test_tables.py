"""Tables: what a figure means can be read off it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.cassettes.review.inventory import Call, Cassette
from tapeline.cassettes.review.spending import Spent, Totals
from tapeline.cli.cassette.tables import cost_text, dates_text, duration_text, list_lines, tokens_text

AT = datetime(2026, 11, 23, tzinfo=UTC)


def call(*, is_stream: bool = False, source: str = "openai:m", at: datetime | None = None) -> Call:
    return Call(
        source=source,
        status=200,
        is_stream=is_stream,
        body_bytes=10,
        spent=Spent(provider="openai", model="m", input_tokens=1, output_tokens=2, cost_usd=Decimal("0.25")),
        recorded_at=at,
        waited_s=None,
    )


def lines(*cassettes: Cassette, older_than: datetime | None = None) -> list[tuple[str, str]]:
    """The text and the style of each line."""
    shown = list_lines(cassettes, width=80, older_than=older_than)
    return [(line.plain, str(line.style)) for line in shown]


def test_a_list_as_a_whole() -> None:
    """A cassette that is old, one that mixes models, one that is all streams, and one that is broken."""
    mixed = call(at=AT), call(is_stream=True, source="ollama:m", at=AT), call(source="ollama:m", at=AT)
    cassettes = [
        Cassette(path=Path("a/broken.yaml"), file_bytes=3, problem="not YAML\x1b[2J"),
        Cassette(path=Path("a/mixed.yaml"), file_bytes=2_345, calls=mixed),
        Cassette(path=Path("b/old.yaml"), file_bytes=9, calls=(call(at=datetime(2025, 12, 31, tzinfo=UTC)),)),
        Cassette(path=Path("b/streams.yaml"), file_bytes=12_345, calls=(call(is_stream=True),) * 12),
    ]

    assert lines(*cassettes, older_than=datetime(2026, 1, 1, tzinfo=UTC)) == [
        ("                calls    size  tokens   USD     recorded  model", "bold"),
        ("a/", ""),
        ("  broken.yaml: not YAML\\x1b[2J", "red"),
        ("  mixed.yaml     3 ~1  2.3 kB       9  0.75   2026-11-23  ollama:m +1", ""),
        ("b/", ""),
        ("  old.yaml          1     9 B       3  0.25  !2025-12-31  openai:m", "yellow"),
        ("  streams.yaml   12 ~   12 kB      36  3.00            -  openai:m", ""),
        ("", ""),
        ("4 cassettes, 16 calls, 15 kB", ""),
        ("to record: 16 calls, 48 tokens, 4.00 USD", ""),
        ("~ streamed", "dim"),
        ("! 1 cassette with calls older than --max-age", "yellow"),
    ]


def test_a_list_of_broken_files_only() -> None:
    shown = lines(Cassette(path=Path("a/broken.yaml"), file_bytes=3, problem="not YAML"))

    assert shown[2] == ("  broken.yaml: not YAML", "red")


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0.0, "0 ms"), (0.0224, "22 ms"), (1.25, "1.2 s"), (59.9, "59.9 s"), (60, "1 min"), (7_200, "2.0 h")],
)
def test_durations_have_the_unit_that_fits(duration_s: float, text: str) -> None:
    assert duration_text(duration_s) == text


@pytest.mark.parametrize(
    ("oldest", "newest", "text"),
    [
        (AT, AT.replace(hour=23), "2026-11-23"),
        (AT, AT.replace(month=12), "2026-11-23..12-23"),
        (AT.replace(year=2025), AT, "2025-11-23..2026-11-23"),
    ],
)
def test_dates_are_a_day_or_from_one_to_another(oldest: datetime, newest: datetime, text: str) -> None:
    assert dates_text((oldest, newest)) == text
    assert dates_text(None) == "-"


@pytest.mark.parametrize(
    ("totals", "tokens", "cost"),
    [
        (Totals(), "-", "-"),
        (Totals(calls=2, input_tokens=1_000, output_tokens=234, unpriced_calls=2), "1,234", "-"),
        (Totals(calls=2, input_tokens=1, cost_usd=Decimal("0.5"), unpriced_calls=1), "1", "0.50+"),
        (Totals(calls=2, input_tokens=1, cost_usd=Decimal("0.5")), "1", "0.50"),
    ],
)
def test_what_is_not_known_does_not_read_as_nothing(totals: Totals, tokens: str, cost: str) -> None:
    assert (tokens_text(totals), cost_text(totals)) == (tokens, cost)
