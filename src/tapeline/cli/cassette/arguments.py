"""What the commands for cassettes are told: which files to look at, and since when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from tapeline.cli.terminal import tell

Paths: TypeAlias = Annotated[
    list[Path] | None,
    typer.Argument(help="Cassettes, or folders with some below them; the current folder if none are given."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")]


def chosen(paths: Sequence[Path] | None, suffixes: tuple[str, ...] = ()) -> list[Path]:
    """Return the cassettes to look at; says so if there are none. Raises ConfigError for a wrong path."""
    from tapeline.cassettes.review.inventory import SUFFIXES, find_cassettes

    places = paths or [Path()]
    found = find_cassettes(places, suffixes or SUFFIXES)
    if not found:
        tell(f"no cassettes below {', '.join(map(str, places))}")
    return found


def each(paths: Sequence[Path], doing: str) -> Iterator[Path]:
    """Yield the files; a terminal shows how many are done, on standard error."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return iter(
        track(paths, description=doing, console=console, transient=True, disable=not console.is_terminal)
    )


def before(max_age: str) -> datetime:
    """Return the moment that many days, hours... ago. Raises ConfigError for what is no age."""
    from tapeline.cassettes.review.expiry import parse_max_age

    return datetime.now(UTC) - timedelta(seconds=parse_max_age(max_age))
