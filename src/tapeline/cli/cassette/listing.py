"""`tapeline cassette ls`, `stats`, `expire`: which cassettes there are, what is in them, what is too old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tapeline.bench.quantities import counted
from tapeline.cli.cassette.arguments import AsJson, Paths, before, chosen, each
from tapeline.cli.terminal import fail_if, say, say_json, say_lines, screen_width, tell

if TYPE_CHECKING:
    from tapeline.cassettes.review.inventory import Cassette

RENEW = ": record them again, with pytest --record-mode=all TESTS"


def ls(
    paths: Paths = None,
    max_age: Annotated[
        str | None, typer.Option(help="Mark what was recorded longer ago: 12h, 30d, 2w.", metavar="AGE")
    ] = None,
    json: AsJson = False,
) -> None:
    """List cassettes: calls, size, tokens, cost of recording them, date, model.

    Exit code 1 if a file cannot be read.

    Example: tapeline cassette ls tests/ --max-age 90d
    """
    from tapeline.cassettes.review.inventory import read_cassette
    from tapeline.cli.cassette.tables import list_lines

    older_than = before(max_age) if max_age else None
    found = [read_cassette(path) for path in each(chosen(paths), "reading")]
    if json:
        say_json([cassette.to_json() for cassette in found])
    elif found:
        say_lines(list_lines(found, width=screen_width(), older_than=older_than))
    fail_if(any(cassette.problem for cassette in found))


def stats(paths: Paths = None, json: AsJson = False) -> None:
    """Sum up cassettes by model, and say what each replay of them saves.

    Exit code 1 if a file cannot be read.

    Example: tapeline cassette stats tests/cassettes
    """
    from tapeline.cassettes.review.inventory import group, groups, read_cassette
    from tapeline.cli.cassette.tables import stats_lines

    found = [read_cassette(path) for path in each(chosen(paths), "reading")]
    total = group("all", [(cassette.path, call) for cassette in found for call in cassette.calls])
    unreadable = [cassette for cassette in found if cassette.problem]
    if json:
        sums = [each_group.to_json() for each_group in groups(found)]
        broken = [str(cassette.path) for cassette in unreadable]
        say_json({"total": total.to_json(), "sources": sums, "unreadable": broken})
    elif found:
        say_lines(stats_lines(groups(found), total, unreadable, width=screen_width()))
    fail_if(unreadable)


def expire(
    max_age: Annotated[str, typer.Option(help="How old a recording may be: 12h, 30d, 2w.", metavar="AGE")],
    paths: Paths = None,
    json: AsJson = False,
) -> None:
    """List cassettes with calls that were recorded too long ago.

    Those without dates are not judged. Exit code 1 if one has expired.

    Example: tapeline cassette expire tests/ --max-age 90d
    """
    from tapeline.cassettes.review.inventory import read_cassette

    older_than = before(max_age)
    cassettes = [read_cassette(path) for path in each(chosen(paths), "reading")]
    found = [known for known in cassettes if known.problem or known.expired(older_than)]
    if json:
        say_json([_expired_json(known, older_than) for known in found])
    elif cassettes:
        _say_expired(cassettes, older_than, max_age)
    if undated := sum(known.recorded is None and not known.problem for known in cassettes):
        tell(f"{counted(undated, 'cassette')} without dates, which never expire: record them with tapeline")
    fail_if(found)


def _say_expired(cassettes: Sequence[Cassette], older_than: datetime, max_age: str) -> None:
    for known in cassettes:
        if known.problem:
            say(f"{known.path}: {known.problem}")
        elif known.recorded and (expired := known.expired(older_than)):
            oldest = f"{known.recorded[0]:%Y-%m-%d}"
            say(f"{known.path}: {len(expired)} of {counted(len(known.calls), 'call')}, oldest {oldest}")
    count = sum(bool(known.expired(older_than)) for known in cassettes)
    say(f"{count} of {counted(len(cassettes), 'cassette')} older than {max_age}{RENEW if count else ''}")


def _expired_json(known: Cassette, older_than: datetime) -> dict[str, Any]:
    return {"expired": known.expired(older_than)} | {
        key: value
        for key, value in known.to_json().items()
        if key in ("path", "problem", "interactions", "recorded_from")
    }
