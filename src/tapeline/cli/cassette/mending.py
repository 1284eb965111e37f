"""`tapeline cassette lint`, `scrub` and `migrate`: what is wrong with cassettes, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tapeline.bench.quantities import counted
from tapeline.cli.cassette.arguments import AsJson, Paths, chosen, each
from tapeline.cli.terminal import fail_if, say, say_json, tell

if TYPE_CHECKING:
    from tapeline.cassettes.storage.lint import Finding
    from tapeline.cassettes.storage.migration import Migration
    from tapeline.cassettes.storage.scrub import ScrubReport

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")]


# lint ---------------------------------------------------------------------------------------------------


def lint(
    paths: Paths = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for warnings, too.")] = False,
    json: AsJson = False,
) -> None:
    """Say what keeps cassettes from being replayed, or should not be in them.

    Exit code 1 if there is an error or, with --strict, a warning.

    Example: tapeline cassette lint tests/
    """
    from tapeline.cassettes.storage.lint import lint

    found = {path: lint(path) for path in each(chosen(paths), "checking")}
    if json:
        say_json([_lint_json(path, findings) for path, findings in found.items()])
    elif found:
        _say_findings(found)
    fail_if([item for findings in found.values() for item in findings if strict or item.severity == "error"])


def _say_findings(found: Mapping[Path, Sequence[Finding]]) -> None:
    for path, findings in found.items():
        if findings:
            say("\n".join([str(path), *_finding_lines(path, findings)]))
    severities = [item.severity for findings in found.values() for item in findings]
    errors, warnings = severities.count("error"), severities.count("warning")
    say(f"{counted(len(found), 'cassette')}: {counted(errors, 'error')}, {counted(warnings, 'warning')}")


def _finding_lines(path: Path, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield one line for each thing that is wrong, where it is first, and how often after that."""
    places: dict[tuple[str, str], list[str]] = {}
    for item in findings:
        places.setdefault((item.severity, item.message), []).append(item.place)
    for (severity, message), where in places.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        at = f"{where[0]}{more}: " if where[0] else ""
        yield f"  {severity:9}{at}{message.removeprefix(f'{path}: ')}"


def _lint_json(path: Path, findings: Sequence[Finding]) -> dict[str, Any]:
    return {"path": str(path), "findings": [item._asdict() for item in findings]}


# scrub --------------------------------------------------------------------------------------------------


def scrub(paths: Paths = None, dry_run: DryRun = False, json: AsJson = False) -> None:
    """Take secrets out of cassettes, and all else that would not be written today.

    Says what was there by kind and number, never by value. Exit code 1 if a
    file cannot be scrubbed or, with --dry-run, if there is something to do.

    Example: tapeline cassette scrub tests/ --dry-run
    """
    found = {path: _scrubbed(path, is_dry_run=dry_run) for path in each(chosen(paths), "scrubbing")}
    if json:
        say_json([_scrub_json(path, report) for path, report in found.items()])
    elif found:
        _say_scrubbed(found, "to be taken out" if dry_run else "taken out")
    if any(not isinstance(report, str) and report.is_written for report in found.values()):
        tell("What was committed stays in the history: withdraw each key that was in a file.")
    fail_if([report for report in found.values() if isinstance(report, str) or (dry_run and report.total)])


def _scrubbed(path: Path, *, is_dry_run: bool) -> ScrubReport | str:
    """Return what was taken out of a cassette, or why that cannot be done."""
    from tapeline.cassettes.storage.scrub import scrub
    from tapeline.errors import CassetteError

    try:
        return scrub(path, is_dry_run=is_dry_run)
    except CassetteError as error:
        return error.message.removeprefix(f"{path}: ")


def _say_scrubbed(found: Mapping[Path, ScrubReport | str], done: str) -> None:
    for path, report in found.items():
        if isinstance(report, str):
            say(f"{path}: FAILED: {report}")
        elif report.total:
            kinds = (f"{count:7,}  {kind}" for kind, count in report.blanked.items())
            say("\n".join([str(path), *kinds]))
    reports = [report for report in found.values() if not isinstance(report, str)]
    total, failed = sum(report.total for report in reports), len(found) - len(reports)
    of = sum(bool(report.total) for report in reports)
    say(f"{counted(len(found), 'cassette')}: {counted(total, 'thing')} {done} of {of}, {failed} failed")


def _scrub_json(path: Path, report: ScrubReport | str) -> dict[str, Any]:
    if isinstance(report, str):
        return {"path": str(path), "problem": report, "blanked": {}, "is_written": False}
    return {
        "path": str(path),
        "problem": None,
        "blanked": dict(report.blanked),
        "is_written": report.is_written,
    }


# migrate ------------------------------------------------------------------------------------------------


def migrate(paths: Paths = None, dry_run: DryRun = False, json: AsJson = False) -> None:
    """Make plain cassettes readable and redacted. They replay as before.

    Takes those of vcrpy, pytest-recording and pydantic-ai, which stock vcrpy
    still replays then. Exit code 1 if one cannot be migrated; the others are.

    Example: tapeline cassette migrate tests/ --dry-run
    """
    from tapeline.cassettes.review.inventory import JSON_SUFFIXES, SUFFIXES
    from tapeline.cassettes.storage.migration import migrate, plan_migration

    work: Callable[[Path], Migration] = plan_migration if dry_run else migrate
    found = [work(path) for path in each(chosen(paths, (*SUFFIXES, *JSON_SUFFIXES)), "migrating")]
    if json:
        say_json([_migration_json(item) for item in found])
    elif found:
        _say_migrations(found, "would change" if dry_run else "changed")
    fail_if([item for item in found if item.problems])


def _say_migrations(found: Sequence[Migration], verb: str) -> None:
    for item in found:
        name = f"{item.path} -> {item.target.name}" if item.target != item.path else str(item.path)
        for problem in item.problems:
            say(f"FAILED   {problem}")
        if item.is_changed and not item.problems:
            say(f"{verb:8} {name} ({counted(len(item.interactions), 'interaction')})")
        for remark in item.remarks:
            say(f"         {remark}")
    failed = sum(bool(item.problems) for item in found)
    changed = sum(item.is_changed and not item.problems for item in found)
    same = len(found) - changed - failed
    say(f"{counted(len(found), 'cassette')}: {changed} {verb}, {same} as they are, {failed} failed")


def _migration_json(item: Migration) -> dict[str, Any]:
    return {
        "path": str(item.path),
        "target": str(item.target),
        "interactions": len(item.interactions),
        "is_changed": item.is_changed,
        "problems": item.problems,
        "remarks": item.remarks,
    }
