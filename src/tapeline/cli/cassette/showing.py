"""`tapeline cassette show` and `diff`: what is in a cassette, and what sets two apart."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tapeline.cli.cassette.arguments import AsJson
from tapeline.cli.terminal import fail_if, say, say_json, say_lines
from tapeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.text import Text

    from tapeline.cassettes.interaction import Interaction
    from tapeline.cassettes.review.comparison import Comparison, PairComparison

STYLES = {"head": "bold", "bad": "bold red", "plain": "", "note": "dim"}
"""Tone of a line -> how it looks."""

ACassette = Annotated[Path, typer.Argument(help="A cassette.", show_default=False)]


def show(
    file: ACassette,
    number: Annotated[
        int | None, typer.Argument(help="Which interaction, from 1; all if none is given.", min=1)
    ] = None,
    is_full: Annotated[bool, typer.Option("--full", help="Cut nothing.")] = False,
    raw: Annotated[
        Literal["request", "response"] | None,
        typer.Option(help="Write the bytes of one body as they are, and nothing else."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Show requests and answers: bodies, events with their times, tokens, cost.

    Secrets that were left in a file are not shown.

    Example: tapeline cassette show cassettes/capital/openai.yaml 1
    """
    from tapeline.cassettes.review.transcript import transcript_json

    interactions = _numbered(file, number)
    if raw:
        _write_raw(list(interactions.values()), raw)
    elif json:
        say_json([transcript_json(known) for known in interactions.values()])
    else:
        say_lines(_transcripts(file, interactions, is_full=is_full))


def _transcripts(file: Path, interactions: Mapping[int, Interaction], *, is_full: bool) -> Iterator[Text]:
    from rich.text import Text

    from tapeline.bench.untrusted import visible
    from tapeline.cassettes.review.transcript import transcript

    for number, known in interactions.items():
        yield Text(visible(f"{file}: interaction {number}"), style="bold underline")
        for line in transcript(known, is_full=is_full):
            yield Text(visible(line.text), style=STYLES[line.tone])
        yield Text()


def _numbered(file: Path, number: int | None) -> dict[int, Interaction]:
    """Return interactions by number, all or the one that is wanted. Raises ConfigError, CassetteError."""
    from tapeline.cassettes.storage.fileformat import load

    found = dict(enumerate(load(file), 1))
    if number is None:
        return found
    if number not in found:
        raise ConfigError(f"{file} has no interaction {number}: there are {len(found)}")
    return {number: found[number]}


def _write_raw(interactions: list[Interaction], part: Literal["request", "response"]) -> None:
    if len(interactions) != 1:
        raise ConfigError("--raw writes one body: say whose, such as: show FILE 1 --raw response")
    if sys.stdout.isatty():
        raise ConfigError("a terminal obeys what bytes may hold: send them to a file or another command")
    [known] = interactions
    sys.stdout.buffer.write(known.request.body if part == "request" else known.response.body)
    sys.stdout.buffer.flush()


def diff(
    old: ACassette,
    new: ACassette,
    json: AsJson = False,
) -> None:
    """Compare two cassettes as a review would: requests, answers, times, tokens.

    Ids and dates are counted, not shown. Exit code 1 if something changed.

    Example: tapeline cassette diff before.yaml after.yaml
    """
    from tapeline.cassettes.review.comparison import compare
    from tapeline.cassettes.storage.fileformat import load

    found = compare(load(old), load(new))
    if json:
        say_json(_comparison_json(found))
    else:
        say("\n".join(found.lines()))
    fail_if(found.has_changes)


def _comparison_json(found: Comparison) -> dict[str, Any]:
    return {
        "same": len(found.pairs) - len(found.changed),
        "changed": [_pair_json(pair) for pair in found.changed],
        "removed": [{"interaction": position + 1, "name": name} for position, name in found.removed.items()],
        "added": [{"interaction": position + 1, "name": name} for position, name in found.added.items()],
    }


def _pair_json(pair: PairComparison) -> dict[str, Any]:
    return {
        "name": pair.name,
        "old": pair.old_position + 1,
        "new": pair.new_position + 1,
        "request": [asdict(change) for change in pair.request],
        "answer": [asdict(change) for change in pair.answer],
        "hidden": pair.hidden,
    }
