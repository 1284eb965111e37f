"""Expiry: recordings older than they may be are named; those without a date are not judged."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from recordings import interaction, response

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.review.expiry import expired, parse_max_age, recorded_at
from tapeline.errors import ConfigError
from tapeline.types import Json

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY_S = 86_400


def dated(at: Json) -> Interaction:
    return interaction(answer=response(b"", meta={} if at is None else {"recorded_at": at}))


AGES = {"45s": 45, "5m": 300, "12h": 43_200, "30d": 30 * DAY_S, "2w": 14 * DAY_S, " 1 D ": DAY_S}


@pytest.mark.parametrize(("text", "age_s"), AGES.items())
def test_an_age_is_a_number_and_a_unit(text: str, age_s: float) -> None:
    assert parse_max_age(text) == age_s


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5d", "30 days", "1y", "9999999999d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    """And says how to write one."""
    with pytest.raises(ConfigError, match="such as 30d"):
        parse_max_age(text)


DATES = {
    "as we write it": ("2026-11-25T12:00:00+00:00", NOW),
    "with a Z": ("2026-11-25T12:00:00Z", NOW),
    "of another zone": ("2026-11-25T14:00:00+02:00", NOW),
    "without a zone": ("2026-11-25T12:00:00", NOW),
    "as YAML reads it": (NOW.replace(tzinfo=None), NOW),
    "a day": ("2026-11-25", NOW.replace(hour=0)),
    "no date": ("yesterday", None),
    "a number": (1764061200, None),
    "a day, as YAML reads it": (date(2026, 11, 25), NOW.replace(hour=0)),
    "nothing": (None, None),
}


@pytest.mark.parametrize(("at", "expected"), DATES.values(), ids=DATES.keys())
def test_a_date_is_read_if_it_is_one(at: Json, expected: datetime | None) -> None:
    assert recorded_at(dated(at)) == expected


def test_what_is_older_than_it_may_be_is_named() -> None:
    """By position; at that very age it still counts."""
    known = [
        dated((NOW - age).isoformat())
        for age in (timedelta(days=31), timedelta(days=30), timedelta(days=30, seconds=1), timedelta(-1))
    ]

    assert expired(known, now=NOW, max_age_s=30 * DAY_S) == (0, 2)
    assert expired(known, now=NOW, max_age_s=40 * DAY_S) == ()


def test_what_has_no_date_is_not_judged() -> None:
    known = [dated(None), dated("2020-01-01T00:00:00Z"), dated("?")]

    assert expired(known, now=NOW, max_age_s=1) == (1,)
