"""`tapeline bench`: run scenarios as a benchmark, print a comparison, write a report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from tapeline.errors import ConfigError


def bench(
    scenarios: Annotated[
        list[Path] | None,
        typer.Argument(help="Scenario files or folders; the bundled ones if none are given."),
    ] = None,
    pace: Annotated[
        list[str] | None,
        typer.Option(help="none, recorded, recorded*FACTOR, hosted, hosted-slow or local; may be repeated."),
    ] = None,
    requests: Annotated[int | None, typer.Option(help="Calls per cell, over the scenario's.", min=1)] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Calls at a time, over the scenario's.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated latencies.", min=0)] = 0,
    clock: Annotated[
        Literal["virtual", "real"], typer.Option(help="virtual: exact, and as fast as the machine can.")
    ] = "virtual",
    output: Annotated[Path, typer.Option(help="Folder for report.html and results.json.")] = Path(),
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON; write nothing.")] = False,
) -> None:
    """Run scenarios against their cassettes and compare the models. Needs no key and no network.

    Example: tapeline bench scenarios/ --pace recorded --pace hosted --requests 100
    """
    from rich.console import Console

    from tapeline.bench.report import render
    from tapeline.bench.runner import DEFAULT_PACES, Plan, run_benchmark
    from tapeline.bench.table import comparison_table
    from tapeline.cassettes.storage.locking import replace_file
    from tapeline.cli.scenarios import scenario_files
    from tapeline.cli.terminal import call_progress

    plan = Plan(
        files=scenario_files(scenarios),
        paces=pace or DEFAULT_PACES,
        seed=seed,
        clock=clock,
        requests=requests,
        concurrency=concurrency,
    )
    with call_progress(plan.calls) as on_call:
        results = run_benchmark(plan, on_call=on_call, command=shlex.join(["tapeline", *sys.argv[1:]]))
    if json:
        sys.stdout.write(results.to_json())
        return
    console = Console()
    console.print(comparison_table(results, width=console.width))
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in (("results.json", results.to_json()), ("report.html", render(results))):
            replace_file(output / name, text)
            print(f"wrote {output / name}", file=sys.stderr)
    except OSError as error:
        raise ConfigError(f"cannot write to {output}: {error.strerror}") from error
