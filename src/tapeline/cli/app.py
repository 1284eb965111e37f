"""`tapeline`: the commands, and how they end.

Exit codes: 0 fine; 1 a check failed; 2 wrong usage, scenario, cassette or setting; 130 interrupted.
Results go to standard output, progress and errors to standard error.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tapeline import __version__
from tapeline.cli import bench, cassette, editors, init, providers, record, scenarios, serve
from tapeline.errors import LLMError

app = typer.Typer(
    help="Record, replay, test and measure LLM calls. Start with: tapeline bench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("bench")(bench.bench)
app.command("init")(init.init)
app.command("record")(record.record)
app.command("run")(scenarios.run)
app.command("schema")(editors.schema)
app.command("serve")(serve.serve)
app.add_typer(cassette.app, name="cassette")
app.add_typer(providers.app, name="providers")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"tapeline {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Record, replay, test and measure LLM calls."""


def main() -> None:
    """Run the command line; every error of ours is one clear message and an exit code, never a traceback."""
    try:
        app()
    except LLMError as error:
        from tapeline.cli.terminal import printable

        print(printable(f"tapeline: {error}"), file=sys.stderr)
        sys.exit(2)
