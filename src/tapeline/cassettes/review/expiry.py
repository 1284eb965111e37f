"""When a recording is too old to be trusted, by the date it carries. Ages are seconds.

A cassette is as old as its oldest recording. Who records anew because of that should drop what is no longer
asked for: an old recording that no run replaces keeps its cassette expired for ever.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from tapeline.cassettes.interaction import Interaction
from tapeline.errors import ConfigError

UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"(\d{1,9})\s*([smhdw])")


def parse_max_age(text: str) -> float:
    """Read an age such as "12h", "30d" or "2w" as seconds. Raises ConfigError."""
    age = _AGE.fullmatch(text.strip().lower())
    if age is None or not int(age[1]):
        raise ConfigError(f"not an age: {text!r}; write a number and a unit: s, m, h, d or w, such as 30d")
    return float(int(age[1]) * UNIT_S[age[2]])


def recorded_at(interaction: Interaction) -> datetime | None:
    """Return when a call was recorded, or None where that is not known: plain vcrpy files have no dates."""
    try:  # by its text: YAML makes a date of one that somebody has unquoted
        date = datetime.fromisoformat(str(interaction.response.meta.get("recorded_at")))
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def expired(interactions: Sequence[Interaction], *, now: datetime, max_age_s: float) -> tuple[int, ...]:
    """Return the positions of what is older than `max_age_s`. What has no date is not judged."""
    dates = ((position, recorded_at(known)) for position, known in enumerate(interactions))
    return tuple(
        position for position, date in dates if date is not None and (now - date).total_seconds() > max_age_s
    )
