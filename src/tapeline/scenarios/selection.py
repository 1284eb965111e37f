"""Which runs there are, every case against each target, and which of them are meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tapeline.errors import ConfigError
from tapeline.scenarios.loading import ScenarioFile
from tapeline.scenarios.targets import Target


@dataclass(frozen=True, slots=True)
class Run:
    """One case of a scenario against one target."""

    case: ScenarioFile
    target: Target

    @property
    def id(self) -> str:
        """What `-k` looks at, as pytest shows it: capital[france@openai]."""
        place = f"{self.case.case}@{self.target.id}" if self.case.case else self.target.id
        return f"{self.case.scenario.name}[{place}]"


def all_runs(files: Iterable[ScenarioFile]) -> list[Run]:
    """Return every run of some scenarios, in their order."""
    return [Run(case, target) for file in files for case in file.cases() for target in case.scenario.targets]


def select(
    runs: Sequence[Run], *, targets: Sequence[str] = (), cases: Sequence[str] = (), keyword: str = ""
) -> list[Run]:
    """Return the runs of these targets and cases whose ids match. Raises ConfigError for a name nobody has.

    keyword: words as pytest's -k has them, with `and`, `or` and `not` between; capitals do not count.
    """
    _refuse_unknown("target", targets, [run.target.id for run in runs])
    _refuse_unknown("case", cases, [run.case.case for run in runs if run.case.case])
    return [
        run
        for run in runs
        if (not targets or run.target.id in targets)
        and (not cases or run.case.case in cases)
        and (not keyword or matches(keyword, run.id))
    ]


def _refuse_unknown(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    known = sorted(set(known))
    if unknown := sorted(set(names) - set(known)):
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]}? There are" if near else "there are"
        raise ConfigError(f"no {kind} is called {', '.join(unknown)}; {hint} {', '.join(known) or 'none'}")


def matches(keyword: str, id: str) -> bool:
    """Whether an id matches words with `and`, `or` and `not`. Raises ConfigError for no such thing."""
    terms = [_split(alternative, "and") for alternative in _split(keyword.casefold().split(), "or")]
    holds = [[_holds(term, id.casefold(), keyword) for term in group] for group in terms]
    return any(all(group) for group in holds)


def _split(words: Sequence[str], separator: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == separator:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _holds(term: list[str], id: str, keyword: str) -> bool:
    match term:
        case ["not", *rest]:
            return not _holds(rest, id, keyword)
        case [word]:
            return word in id
        case _:
            raise ConfigError(f"-k {keyword!r}: one word is wanted on each side of `and` and `or`")
