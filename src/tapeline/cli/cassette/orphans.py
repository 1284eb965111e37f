"""`tapeline cassette orphans`: cassettes that nothing uses any more, and their removal."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tapeline.bench.quantities import counted
from tapeline.cli.cassette.arguments import AsJson, Paths, chosen
from tapeline.cli.terminal import fail_if, say, say_json, tell, waiting
from tapeline.errors import ConfigError


def orphans(
    paths: Paths = None,
    used: Annotated[
        Path | None,
        typer.Option(help="A list of the cassettes that tests use, one a line: pytest is not run."),
    ] = None,
    pytest_args: Annotated[
        str, typer.Option(help="What pytest needs to collect all tests, such as 'tests -m slow'.")
    ] = "",
    keep: Annotated[
        list[str] | None, typer.Option(help="Pattern of paths that are no orphans; may be repeated.")
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove them, with their side files.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    json: AsJson = False,
) -> None:
    """List cassettes that no test, no scenario and no code uses.

    Run it where you run pytest, which tells what its tests play. A cassette
    whose path stands in a Python file is used. Exit code 1 if any are left.

    Example: tapeline cassette orphans tests/ --keep 'tests/by_hand/*'
    """
    arguments, patterns = _words(pytest_args), [pattern for pattern in keep or () if pattern]
    found = [path for path in chosen(paths) if not any(path.match(pattern) for pattern in patterns)]
    lonely = _unused(found, used, arguments) if found else []
    if not json:
        say("\n".join([*map(str, lonely), f"{len(lonely)} of {len(found)} cassettes are used by nothing"]))
    is_deleted = bool(delete and lonely and _is_sure(len(lonely), yes=yes))
    if is_deleted:
        _delete(lonely)
    if json:
        say_json({"orphans": list(map(str, lonely)), "is_deleted": is_deleted})
    fail_if(lonely and not is_deleted)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"--pytest-args: {error}: {text!r}") from error


def _unused(found: Sequence[Path], used: Path | None, arguments: Sequence[str]) -> list[Path]:
    from tapeline.cli.cassette import usage

    here = Path()
    with waiting("pytest collects the tests"):
        by_tests = usage.listed_cassettes(used) if used else usage.collected_cassettes(arguments)
    by_scenarios = usage.scenario_cassettes(here)
    return usage.unused(found, used=[*by_tests, *by_scenarios], named=usage.named_in_code(here))


def _is_sure(count: int, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError("--delete asks first, and here is no terminal to ask on: add --yes")
    return typer.confirm(f"delete {counted(count, 'cassette')}?", err=True)


def _delete(paths: Sequence[Path]) -> None:
    from tapeline.cassettes.review.inventory import delete_cassette

    for path in paths:
        delete_cassette(path)
    tell(f"deleted {counted(len(paths), 'cassette')}")
