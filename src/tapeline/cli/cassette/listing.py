"""`tapeline cassette ls` and `stats`: what cassettes there are, and what they hold together."""

from __future__ import annotations

from typing import Annotated

import typer

from tapeline.cli.cassette.arguments import AsJson, Paths, before, chosen, each
from tapeline.cli.terminal import fail_if, say_json, say_lines, screen_width


def ls(
    paths: Paths = None,
    max_age: Annotated[
        str | None, typer.Option(help="Mark what was recorded longer ago: 12h, 30d, 2w.", metavar="AGE")
    ] = None,
    json: AsJson = False,
) -> None:
    """List cassettes: calls, streams, size, date, models, tokens, and what recording them cost.

    As JSON: a list of {path, problem, interactions, streams, file_bytes, sources, recorded_from, recorded_to,
    waited_s, input_tokens, output_tokens, cost_usd, unpriced_calls}. Exit code 1 if a file cannot be read.

    Example: tapeline cassette ls tests/ --max-age 90d
    """
    from tapeline.cassettes.inventory import read_cassette
    from tapeline.cli.cassette.tables import list_lines

    older_than = before(max_age) if max_age else None
    found = [read_cassette(path) for path in each(chosen(paths), "reading")]
    if json:
        say_json([cassette.to_json() for cassette in found])
    elif found:
        say_lines(list_lines(found, width=screen_width(), older_than=older_than))
    fail_if(any(cassette.problem for cassette in found))


def stats(paths: Paths = None, json: AsJson = False) -> None:
    """Sum up cassettes by model: files, calls, size, tokens, what recording cost, and the waiting they save.

    As JSON: {"total": SUM, "sources": [SUM, ...], "unreadable": [path, ...]}; a SUM is {source, files,
    interactions, body_bytes, waited_s, oldest, input_tokens, output_tokens, cost_usd, unpriced_calls}.
    Exit code 1 if a file cannot be read.

    Example: tapeline cassette stats tests/cassettes
    """
    from tapeline.cassettes.inventory import group, groups, read_cassette
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
