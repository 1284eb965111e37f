"""Recording what is missing, and nothing else.

A run lacks its cassette, or an answer in it: the prompt has changed, a turn was added. What it lacks is
found by replaying it, which costs nothing and reaches nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from tapeline.cassettes import RecordMode, Tape
from tapeline.cassettes.review.spending import Meter, Totals
from tapeline.cassettes.storage.fileformat import save_changes
from tapeline.errors import CassetteMissError, ConfigError, InvalidCassetteError, LLMError
from tapeline.scenarios.assessment import problems
from tapeline.scenarios.execution import run_target
from tapeline.scenarios.selection import Run

Lack = Literal["missing", "incomplete", "recorded"]
"""No cassette; one in which an answer is missing; none of the two."""

_MODES: dict[Lack, RecordMode] = {"missing": "once", "incomplete": "new_episodes", "recorded": "all"}


NOTHING = Totals()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What was recorded for a run, or would be. problems: why it was not kept, if it was not."""

    run: Run
    lack: Lack
    spent: Totals = NOTHING
    problems: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return self.run.case.cassette(self.run.target)

    def to_json(self) -> dict[str, Any]:
        return {
            "scenario": self.run.case.scenario.name,
            "case": self.run.case.case or None,
            "target": self.run.target.id,
            "cassette": str(self.path),
            "lack": self.lack,
            "spent": self.spent.to_json(),
            "problems": list(self.problems),
        }


def lack_of(run: Run) -> Lack:
    """Return what a run lacks. Raises InvalidCassetteError, ConfigError."""
    if not run.case.cassette(run.target).exists():
        return "missing"
    scenario = run.case.scenario.model_copy(update={"faults": ()})  # a fault may hide that nothing is there
    try:
        run_target(replace(run.case, scenario=scenario), run.target, pace="none")
    except CassetteMissError:
        return "incomplete"
    except (ConfigError, InvalidCassetteError):
        raise
    except LLMError:
        pass  # a failure that was recorded
    return "recorded"


def pending(runs: Iterable[Run], *, is_forced: bool = False) -> Iterator[Recording]:
    """Yield what there is to record; with `is_forced`, everything."""
    for run in runs:
        if run.case.scenario.skip is None and ((lack := lack_of(run)) != "recorded" or is_forced):
            yield Recording(run=run, lack=lack)


def record(due: Recording, *, meter: Meter, is_forced: bool = False) -> Recording:
    """Call the real model and keep what it answers, if the checks hold. Raises ConfigError, CassetteError."""
    before = meter.spent.totals
    mode: RecordMode = "all" if is_forced else _MODES[due.lack]
    try:
        played: list[Tape] = []
        outcomes = run_target(
            due.run.case, due.run.target, record_mode=mode, meter=meter, on_replay=played.append
        )
        found = problems(due.run.case, due.run.target, outcomes)
        for tape in played:
            _drop_left_over(due, tape)
    except (ConfigError, InvalidCassetteError):
        raise
    except LLMError as error:
        found = [str(error)]
    return replace(due, spent=_since(before, meter.spent.totals), problems=tuple(found))


def _drop_left_over(due: Recording, tape: Tape) -> None:
    """Take out what nothing asks for any more: a scenario's cassette is its own."""
    left = set() if due.run.case.scenario.faults else set(tape.unplayed())
    if left:
        kept = [interaction for n, interaction in enumerate(tape.interactions) if n not in left]
        save_changes(due.path, before=tape.interactions, after=kept)


def _since(before: Totals, after: Totals) -> Totals:
    return Totals(
        **{sum.name: getattr(after, sum.name) - getattr(before, sum.name) for sum in fields(Totals)}
    )
