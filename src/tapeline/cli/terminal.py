"""What commands print: results to stdout, progress to stderr, nothing a terminal would obey."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tapeline.bench.runner import Progress as OnCall
from tapeline.bench.untrusted import visible


def printable(text: str) -> str:
    """Return text with its lines kept, and every control or bidi character written as an escape."""
    return "\n".join(visible(line) for line in text.split("\n"))


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
