"""Running scenarios one after the other, and what came of each: where a test would pass or fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tapeline.cassettes import RecordMode
from tapeline.cassettes.review.spending import Meter
from tapeline.errors import CassetteMissError, ConfigError, InvalidCassetteError, LLMError
from tapeline.scenarios.assessment import problems
from tapeline.scenarios.execution import run_target
from tapeline.scenarios.selection import Run

State = Literal["ok", "failed", "skipped", "xfailed", "xpassed"]
"""Of pytest's words those that a scenario can come to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of a run. problems: a text for each thing that is wrong, or why it was not run."""

    run: Run
    state: State
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "scenario": self.run.case.scenario.name,
            "case": self.run.case.case or None,
            "target": self.run.target.id,
            "state": self.state,
            "problems": list(self.problems),
        }


def run_all(
    runs: Iterable[Run],
    *,
    record_mode: RecordMode = "none",
    pace: str | None = None,
    meter: Meter | None = None,
    on_end: Callable[[Ran], None] = lambda ran: None,
) -> list[Ran]:
    """Run them all, and return what came of each. Raises ConfigError, and CassetteError but for a miss.

    A call that fails, or that nothing was recorded for, is a problem of its run; the others go on.
    """
    verdicts = []
    for run in runs:
        ran = run_one(run, record_mode=record_mode, pace=pace, meter=meter)
        on_end(ran)
        verdicts.append(ran)
    return verdicts


def run_one(
    run: Run, *, record_mode: RecordMode = "none", pace: str | None = None, meter: Meter | None = None
) -> Ran:
    """Run one, if it is not to be skipped."""
    scenario = run.case.scenario
    if scenario.skip is not None:
        return Ran(run=run, state="skipped", problems=(scenario.skip,))
    found = _found(run, record_mode=record_mode, pace=pace, meter=meter)
    if scenario.xfail is not None:
        return Ran(run=run, state="xfailed" if found else "xpassed", problems=(scenario.xfail,))
    return Ran(run=run, state="failed" if found else "ok", problems=tuple(found))


def _found(run: Run, **how: Any) -> list[str]:
    try:
        return problems(run.case, run.target, run_target(run.case, run.target, **how))
    except CassetteMissError as error:
        return [str(error)]
    except (ConfigError, InvalidCassetteError):
        raise  # no verdict on a model: a setting or a file is wrong
    except LLMError as error:
        return [str(error)]
