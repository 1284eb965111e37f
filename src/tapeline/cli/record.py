"""`tapeline record`: call the real models for what has no recording yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tapeline.cli.scenarios import Cases, Keyword, Paths, Targets, chosen_runs
from tapeline.cli.terminal import fail_if, say, say_json, tell, waiting

if TYPE_CHECKING:
    from tapeline.scenarios.missing import Recording


def record(
    scenarios: Paths = None,
    target: Targets = None,
    case: Cases = None,
    keyword: Keyword = "",
    budget: Annotated[str, typer.Option(help="USD that recording may cost; then it stops.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what is missing; call nobody.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Record anew what is there, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was recorded as JSON.")] = False,
) -> None:
    """Record all that is missing, and nothing else: whole cassettes, and answers that a cassette lacks.

    A recording that fails its own checks is not kept, and is exit code 1.

    Interrupt it when you like: cassettes are written whole or not at all, and the next run goes on.

    Example: tapeline record scenarios/ --target openai --budget 0.50
    """
    from tapeline.cassettes.review.spending import Meter, parse_budget
    from tapeline.scenarios.missing import pending
    from tapeline.scenarios.missing import record as record_run

    runs = chosen_runs(scenarios, target, case, keyword)
    meter = Meter(parse_budget(budget) if budget else None)
    done = []
    for due in pending(runs, is_forced=force):
        with waiting(f"recording {due.run.case.label} {due.run.target.id}"):
            done.append(due if dry_run else record_run(due, meter=meter, is_forced=force))
        if not json:
            _say(done[-1], is_done=not dry_run)
    if json:
        say_json([recording.to_json() for recording in done])
    elif not done:
        tell(f"nothing is missing in {len(runs)} recordings")
    fail_if(any(recording.problems for recording in done))


def _say(recording: Recording, *, is_done: bool) -> None:
    what = f"{recording.run.case.label} {recording.run.target.id}"
    if recording.problems:
        say(f"FAILED     {what}: not kept")
        for problem in recording.problems:
            say("\n".join(f"           {line}" for line in problem.splitlines()))
    elif is_done:
        say(f"recorded   {what}: {recording.spent.described()}, in {recording.path}")
    else:
        say(f"{recording.lack:11}{what}: {recording.path}")
