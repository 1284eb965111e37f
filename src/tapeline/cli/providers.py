"""`tapeline providers`: which there are, and whether they can be used."""

from __future__ import annotations

import json as jsonlib
from contextlib import closing
from dataclasses import asdict
from typing import Annotated, Any

import typer

from tapeline.capabilities import Health

app = typer.Typer(help="Which providers there are, and whether they can be used.", no_args_is_help=True)

VERDICTS = {True: "yes", False: "NO", None: "-"}


@app.command("list")
def list_providers(
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the providers, and which settings of theirs are found in the environment or in tapeline.toml.

    Example: tapeline providers list
    """
    from tapeline.config import found_settings
    from tapeline.registry import provider_names

    rows = {name: found_settings(name) for name in provider_names()}
    if json:
        typer.echo(jsonlib.dumps(rows, indent=2))
        return
    for name, settings in rows.items():
        found = ", ".join(f"{setting} from {origin}" for setting, origin in settings.items())
        typer.echo(f"{name:18}{found or '-'}")


@app.command("check")
def check(
    models: Annotated[list[str], typer.Argument(help='Models, such as "openai:gpt-5.4-mini".')],
    base_url: Annotated[str | None, typer.Option(help="Where they are reached, if not as usual.")] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for each.")] = 30.0,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Ask each model for one short answer: is it reachable, is the key good, is there such a model, how fast.

    Exit code 1 if one of them cannot be used. It costs a few tokens each.

    Example: tapeline providers check openai:gpt-5.4-mini anthropic:claude-haiku-5-5
    """
    found = {name: _health(name, base_url, timeout_s) for name in models}
    if json:
        typer.echo(jsonlib.dumps({name: _as_json(health) for name, health in found.items()}, indent=2))
    else:
        _print(found)
    if not all(health.is_healthy for health in found.values()):
        raise typer.Exit(1)


def _health(name: str, base_url: str | None, timeout_s: float) -> Health:
    from tapeline.client import chat_model

    with closing(chat_model(name, base_url=base_url, timeout_s=timeout_s, deadline_s=timeout_s)) as model:
        return model.check_health()


def _as_json(health: Health) -> dict[str, Any]:
    return asdict(health) | {"is_healthy": health.is_healthy}


def _print(found: dict[str, Health]) -> None:
    from tapeline.cli.terminal import printable

    width = max(map(len, found)) + 2
    typer.echo(f"{'model':{width}}{'reachable':11}{'key':6}{'exists':8}latency")
    for name, health in found.items():
        facts = (health.is_reachable, health.is_authenticated, health.has_model)
        reachable, key, exists = (VERDICTS[fact] for fact in facts)
        latency = "-" if health.latency_s is None else f"{health.latency_s * 1000:.0f} ms"
        typer.echo(printable(f"{name:{width}}{reachable:11}{key:6}{exists:8}{latency}"))
        if health.detail:
            typer.echo(printable(f"  {health.detail}"))
