"""`tapeline init`: a scenario, a test and a CI job in a project of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tapeline.cli.terminal import say, say_json, tell


def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder.")] = Path(),
    asv: Annotated[bool, typer.Option("--asv", help="Files for a history of the figures, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files; create none.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """Put a scenario, a test and a CI job into a project. They pass at once, without a key and a network.

    Files that exist stay as they are.

    Example: tapeline init --asv
    """
    from tapeline.scenarios.scaffold import scaffold, write

    rows = []
    for file in scaffold(folder, with_asv=asv):
        state = ("exists" if file.exists else "missing") if dry_run else write(file)
        rows.append({"path": file.path.as_posix(), "state": state})
    if json:
        say_json(rows)
        return
    for row in rows:
        say(f"{row['state']:9}{row['path']}")
    if not dry_run:
        tell("next: pytest scenarios tests/test_llm.py")
