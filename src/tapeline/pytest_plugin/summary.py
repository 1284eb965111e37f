"""What the tapes of a run did, added up over all workers, and told at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tapeline.cassettes.review.spending import Meter, Totals
from tapeline.pytest_plugin.findings import Finding, TapedTest
from tapeline.pytest_plugin.keys import RUN
from tapeline.pytest_plugin.settings import budget_usd

SHOWN = 5
TOLD = ("unplayed", "drifted", "changed", "expired", "unmet")


@dataclass(kw_only=True)
class Tally:
    """Counts of one run. played, recorded: interactions. found: by kind. warnings: what failed no test.

    opened: the cassettes of tests that passed. unclaimed: those that no test seemed to play.
    """

    played: int = 0
    recorded: int = 0
    found: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    unclaimed: set[str] = field(default_factory=set)
    saved: Totals = field(default_factory=Totals)
    spent: Totals = field(default_factory=Totals)

    def add(self, test: TapedTest, findings: list[Finding], meter: Meter) -> None:
        """Count a test that has ended."""
        tape = test.tape
        self.opened.add(str(Path(tape.source).absolute()))
        self.played += sum(tape.play_counts.values())
        self.recorded += len(tape.recorded())
        for finding in findings:
            self.found[finding.kind] += finding.count
        self.warnings += [finding.text for finding in findings if finding.severity == "warn"]
        for position, count in tape.play_counts.items():
            for _ in range(0 if tape.may_send else count):
                meter.replay(tape.interactions[position])

    def merge(self, other: Tally) -> None:
        self.played += other.played
        self.recorded += other.recorded
        self.found += other.found
        self.warnings += other.warnings
        self.opened |= other.opened
        self.unclaimed |= other.unclaimed
        self.saved += other.saved
        self.spent += other.spent

    def to_json(self) -> dict[str, Any]:
        """Return what a worker sends home."""
        return {
            "played": self.played,
            "recorded": self.recorded,
            "found": dict(self.found),
            "warnings": self.warnings,
            "opened": sorted(self.opened),
            "unclaimed": sorted(self.unclaimed),
            "saved": self.saved.to_json(),
            "spent": self.spent.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tally:
        return cls(
            played=value["played"],
            recorded=value["recorded"],
            found=Counter(value["found"]),
            warnings=list(value["warnings"]),
            opened=set(value["opened"]),
            unclaimed=set(value["unclaimed"]),
            saved=Totals.from_json(value["saved"]),
            spent=Totals.from_json(value["spent"]),
        )

    def lines(self) -> Iterator[str]:
        """Yield the summary for people; nothing for a run without tapes."""
        if orphans := sorted(self.unclaimed - self.opened):
            shown = ", ".join(orphans[:SHOWN])
            yield f"{len(orphans)} without a test, see `tapeline cassette orphans`: {shown}"
        if not (self.played or self.recorded or self.found):
            return
        counts = [f"{self.played} played", *([f"{self.recorded} recorded"] if self.recorded else [])]
        counts += [f"{self.found[kind]} {kind}" for kind in TOLD if self.found[kind]]
        yield ", ".join(counts)
        if self.saved.calls:
            yield f"replays saved {self.saved.described()}"
        if self.spent.calls:
            yield f"{'recording' if self.recorded else 'live calls'} took {self.spent.described()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What all tests of a run share: the meter of its calls, and the tally."""

    meter: Meter
    tally: Tally = field(default_factory=Tally)

    def conclude(self, item: pytest.Item, taped: TapedTest) -> list[str]:
        """Count a test that has passed, note what there is to say, and return what fails it after all."""
        findings = taped.findings()
        self.tally.add(taped, findings, self.meter)
        for finding in findings:
            if finding.severity == "warn":  # the others are told as what failed the test
                item.add_report_section("call", "tape", finding.text)
        return [finding.text for finding in findings if finding.severity == "fail"]

    def close(self) -> Tally:
        """Return the tally with all that was spent and saved."""
        self.tally.saved += self.meter.saved.totals
        self.tally.spent += self.meter.spent.totals
        return self.tally


def run_of(config: pytest.Config) -> Run:
    """Return what is shared, made for the first tape."""
    if RUN not in config.stash:
        config.stash[RUN] = Run(meter=Meter(budget_usd(config)))
    return config.stash[RUN]
