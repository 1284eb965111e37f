"""What commands print: results to stdout, progress to stderr, nothing a terminal would obey."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from tapeline.bench.untrusted import visible

if TYPE_CHECKING:
    from tapeline.bench.runner import Progress as OnCall

WIDE = 1000
"""Columns where there is no terminal: nothing is shortened then, as it may be searched."""


def printable(text: str) -> str:
    """Return text with its lines kept, and every control or bidi character written as an escape."""
    return "\n".join(visible(line) for line in text.split("\n"))


def say(text: str) -> None:
    """Print a result."""
    typer.echo(printable(text))


def say_lines(lines: Iterable[Text]) -> None:
    """Print lines that have been made visible, in their colours if it is for a terminal."""
    console = Console(highlight=False)
    for line in lines:
        console.print(line, soft_wrap=True)


def say_json(value: Any) -> None:
    """Print a result as JSON, in which every character that is not ASCII is an escape."""
    typer.echo(json.dumps(value, indent=2))


def tell(text: str) -> None:
    """Print what is no result, to standard error."""
    print(printable(text), file=sys.stderr)


def screen_width() -> int:
    """Return how many columns there are."""
    return shutil.get_terminal_size((WIDE, 0)).columns


def fail_if(has_findings: object) -> None:
    """End with exit code 1 if something was found."""
    if has_findings:
        raise typer.Exit(1)


def waiting(doing: str) -> AbstractContextManager[object]:
    """Show on a terminal what takes a while, on standard error."""
    console = Console(stderr=True)
    return console.status(doing) if console.is_terminal else nullcontext()


@contextmanager
def call_progress(total: int) -> Iterator[OnCall]:
    """Show how many calls are done, on standard error; a plain line at the end where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=total)

        def on_call(cell: str) -> None:
            progress.update(task, advance=1, description=visible(cell))

        yield on_call
    if not console.is_terminal:
        print(f"{total} calls done", file=sys.stderr)
