"""`tapeline run`: run scenarios as checks, and record them."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tapeline.errors import ConfigError
from tapeline.scenarios import (
    ScenarioFile,
    Target,
    bundled_scenarios,
    load_scenario,
    load_scenarios,
    problems,
    run_target,
)


def run(
    scenarios: Annotated[
        list[Path] | None,
        typer.Argument(help="Scenario files or folders; the bundled ones if none are given."),
    ] = None,
    target: Annotated[list[str] | None, typer.Option(help="Only these targets; may be repeated.")] = None,
    record_mode: Annotated[
        Literal["none", "once", "new_episodes", "all"],
        typer.Option(help="none replays; the others call the real model where they must."),
    ] = "none",
    json: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Run scenarios as checks: replayed from their cassettes, or recorded into them.

    Example: tapeline run scenarios/capital.yaml --target openai --record-mode all
    """
    rows = []
    for file, chosen in _chosen(scenario_files(scenarios), target):
        outcomes = run_target(file, chosen, record_mode=record_mode)
        found = problems(file, chosen, outcomes)
        rows.append({"scenario": file.scenario.name, "target": chosen.id, "problems": found})
    _print(rows, as_json=json)
    if any(row["problems"] for row in rows):
        raise typer.Exit(1)


def scenario_files(paths: Sequence[Path] | None) -> list[ScenarioFile]:
    """Return the scenarios of files and folders, or the bundled ones. Raises ScenarioError, ConfigError."""
    files: list[ScenarioFile] = []
    for path in paths or [bundled_scenarios()]:
        if not path.exists():
            raise ConfigError(f"{path}: no such file or folder")
        files += load_scenarios(path) if path.is_dir() else [load_scenario(path)]
    return files


def _chosen(files: Sequence[ScenarioFile], names: list[str] | None) -> list[tuple[ScenarioFile, Target]]:
    """Return what to run, scenario by scenario. Raises ConfigError for a name that is no target's."""
    known = {target.id for file in files for target in file.scenario.targets}
    if unknown := sorted(set(names or ()) - known):
        raise ConfigError(f"no target is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [
        (file, target)
        for file in files
        for target in file.scenario.targets
        if not names or target.id in names
    ]


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    from tapeline.cli.terminal import printable

    if as_json:
        typer.echo(jsonlib.dumps(rows, indent=2))
        return
    for row in rows:
        verdict = "FAILED" if row["problems"] else "ok"
        typer.echo(printable(f"{verdict:7}{row['scenario']} {row['target']}"))
        for line in row["problems"]:
            typer.echo(printable(f"       {line}"))
