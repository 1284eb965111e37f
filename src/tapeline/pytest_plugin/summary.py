"""What the tapes of a run did, added up over all workers, and told at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tapeline.cassettes.spending import Meter, Totals
from tapeline.pytest_plugin.taping import Finding, TapedTest

TOLD = ("unplayed", "drifted", "changed", "expired", "unmet")


@dataclass(kw_only=True)
class Tally:
    """Counts of one run. played, recorded: interactions. found: by kind. warnings: what failed no test."""

    played: int = 0
    recorded: int = 0
    found: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    saved: Totals = field(default_factory=Totals)
    spent: Totals = field(default_factory=Totals)

    def add(self, test: TapedTest, findings: list[Finding], meter: Meter) -> None:
        """Count a test that has ended."""
        tape = test.tape
        self.played += sum(tape.play_counts.values())
        self.recorded += len(tape.recorded())
        self.found.update({finding.kind: finding.count for finding in findings})
        self.warnings += [finding.text for finding in findings if finding.severity == "warn"]
        for position, count in tape.play_counts.items():
            for _ in range(0 if tape.may_send else count):
                meter.replay(tape.interactions[position])

    def merge(self, other: Tally) -> None:
        self.played += other.played
        self.recorded += other.recorded
        self.found += other.found
        self.warnings += other.warnings
        self.saved += other.saved
        self.spent += other.spent

    def to_json(self) -> dict[str, Any]:
        """Return what a worker sends home."""
        return {
            "played": self.played,
            "recorded": self.recorded,
            "found": dict(self.found),
            "warnings": self.warnings,
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
            saved=Totals.from_json(value["saved"]),
            spent=Totals.from_json(value["spent"]),
        )

    def lines(self) -> Iterator[str]:
        """Yield the summary for people; nothing for a run without tapes."""
        if not (self.played or self.recorded or self.found):
            return
        counts = [f"{self.played} played", *([f"{self.recorded} recorded"] if self.recorded else [])]
        counts += [f"{self.found[kind]} {kind}" for kind in TOLD if self.found[kind]]
        yield ", ".join(counts)
        if self.saved.calls:
            yield f"replays saved {self.saved.described()}"
        if self.spent.calls:
            yield f"recording took {self.spent.described()}"
