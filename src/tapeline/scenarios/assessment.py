"""What is wrong with the outcomes of a run: errors that came or did not, checks that do not hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tapeline.scenarios.attachments import project_folder
from tapeline.scenarios.checks import failed_checks
from tapeline.scenarios.judging import CheckContext
from tapeline.scenarios.loading import ScenarioFile
from tapeline.scenarios.outcome import Outcome
from tapeline.scenarios.schema import Scenario
from tapeline.scenarios.targets import Target


def problems(file: ScenarioFile, target: Target, outcomes: Sequence[Outcome]) -> list[str]:
    """Return what is wrong with the outcomes, a line each."""
    scenario = file.scenario
    context = context_of(file, target)
    found = []
    for (turn, place), outcome in zip(_places(scenario), outcomes, strict=False):
        wanted = scenario.error if turn == last_turn(scenario) else None
        if outcome.error != wanted:
            expected = f"the error {wanted}" if wanted else "an answer"
            found.append(f"{place}: expected {expected}, got {outcome.described()}")
        else:
            checks = ((check.name, check.value) for check in scenario.checks_of_turn(turn))
            found += [f"{place}: {line}" for line in failed_checks(outcome, checks, context)]
    return found


def _places(scenario: Scenario) -> Iterator[tuple[int, str]]:
    """Yield (turn, its name for people) for each outcome of a run, in order."""
    turns = range(max(1, len(scenario.turns)))
    for call in range(1, scenario.repeat + 1):
        for turn in turns:
            yield turn, f"call {call}, turn {turn + 1}" if scenario.turns else f"call {call}"


def last_turn(scenario: Scenario) -> int:
    """Return the number of the last turn, counted from 0."""
    return max(0, len(scenario.turns) - 1)


def context_of(file: ScenarioFile, target: Target) -> CheckContext:
    """Return what the checks of a scenario may know besides the outcome."""
    return CheckContext(
        scenario=file.scenario.name,
        case=file.case,
        target=target.id,
        variables=file.scenario.vars,
        tools=tuple(spec.declared() for spec in file.scenario.tools),
        folder=project_folder(file.folder),
    )
