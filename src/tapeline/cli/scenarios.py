"""`tapeline run`: scenarios as checks, without pytest; and what the commands for scenarios are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from tapeline.cli.terminal import fail_if, say, say_json
from tapeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from tapeline.scenarios import ScenarioFile
    from tapeline.scenarios.selection import Run
    from tapeline.scenarios.verdicts import Ran

OWN_FOLDER = Path("scenarios")
"""Where `tapeline init` puts them, and pytest looks for them."""

Paths: TypeAlias = Annotated[
    list[Path] | None,
    typer.Argument(help="Scenario files or folders; by default ./scenarios, or else the bundled ones."),
]
Targets: TypeAlias = Annotated[list[str] | None, typer.Option(help="Only these targets; may be repeated.")]
Cases: TypeAlias = Annotated[list[str] | None, typer.Option(help="Only these cases; may be repeated.")]
Keyword: TypeAlias = Annotated[
    str, typer.Option("-k", help='Only ids with these words, such as "capital and not openai".')
]


def run(
    scenarios: Paths = None,
    target: Targets = None,
    case: Cases = None,
    keyword: Keyword = "",
    pace: Annotated[
        str | None, typer.Option(help="none, recorded, recorded*FACTOR or a profile; over the scenario's.")
    ] = None,
    record_mode: Annotated[
        Literal["none", "once", "new_episodes", "all", "verify"],
        typer.Option(help="none replays; verify asks again and compares shapes; the others record."),
    ] = "none",
    json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
) -> None:
    """Run scenarios as checks: replayed from their cassettes, or recorded into them.

    Exit code 1 if one does not hold, 2 if a file or a setting is wrong.

    Example: tapeline run scenarios/capital.yaml --target openai -k france
    """
    from tapeline.scenarios.verdicts import run_all

    runs = chosen_runs(scenarios, target, case, keyword)
    with progress_table(runs) as on_end:
        verdicts = run_all(runs, record_mode=record_mode, pace=pace, on_end=on_end)
    if json:
        say_json([ran.to_json() for ran in verdicts])
    else:
        for ran in verdicts:
            _say(ran)
    fail_if(any(ran.state == "failed" for ran in verdicts))


def chosen_runs(
    paths: Sequence[Path] | None, targets: list[str] | None, cases: list[str] | None, keyword: str
) -> list[Run]:
    """Return the runs that were asked for. Raises ScenarioError, ConfigError, also if there are none."""
    from tapeline.scenarios.selection import all_runs, select

    paths = paths or ([OWN_FOLDER] if OWN_FOLDER.is_dir() else None)
    runs = select(all_runs(scenario_files(paths)), targets=targets or (), cases=cases or (), keyword=keyword)
    if not runs:
        raise ConfigError("nothing is left to run: take another -k, --case or --target")
    return runs


def scenario_files(paths: Sequence[Path] | None) -> list[ScenarioFile]:
    """Return the scenarios of files and folders, or the bundled ones. Raises ScenarioError, ConfigError."""
    from tapeline.scenarios import bundled_scenarios, load_scenario, load_scenarios

    files: list[ScenarioFile] = []
    for path in paths or [bundled_scenarios()]:
        if not path.exists():
            raise ConfigError(f"{path}: no such file or folder")
        files += load_scenarios(path) if path.is_dir() else [load_scenario(path)]
    return files


def _say(ran: Ran) -> None:
    verdict = "FAILED" if ran.state == "failed" else ran.state
    say(f"{verdict:8}{ran.run.case.label} {ran.run.target.id}")
    for problem in ran.problems:
        say("\n".join(f"        {line}" for line in problem.splitlines()))


# Progress -----------------------------------------------------------------------------------------------


@contextmanager
def progress_table(runs: Sequence[Run]) -> Iterator[Callable[[Ran], None]]:
    """Show a row for each scenario while runs end, on standard error; nothing where that is no terminal."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda ran: None
        return
    ended: list[Ran] = []
    with Live(table_of(runs, ended), console=console, transient=True, auto_refresh=False) as live:

        def on_end(ran: Ran) -> None:
            ended.append(ran)
            live.update(table_of(runs, ended), refresh=True)

        yield on_end


def table_of(runs: Sequence[Run], ended: Sequence[Ran]) -> Table:
    """Return how far each scenario is: done of all, failed, and what ended last."""
    from rich.table import Table
    from rich.text import Text

    from tapeline.bench.untrusted import visible

    table = Table("scenario", "done", "failed", "last", box=None, pad_edge=False)
    for name in dict.fromkeys(run.case.scenario.name for run in runs):
        of_all = [run for run in runs if run.case.scenario.name == name]
        done = [ran for ran in ended if ran.run.case.scenario.name == name]
        failed = sum(ran.state == "failed" for ran in done)
        last = f"{done[-1].run.id} {done[-1].state}" if done else ""
        cells = (name, f"{len(done)}/{len(of_all)}", str(failed or ""), last)
        table.add_row(*(Text(visible(cell)) for cell in cells))  # as plain text: an id looks like markup
    return table
