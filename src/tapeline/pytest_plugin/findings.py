"""What there is to say about the tape of a test that has passed, and what of it fails the test after all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tapeline.cassettes.secrets.redaction import masked
from tapeline.cassettes.tape import Tape
from tapeline.pytest_plugin.settings import TapeSettings

SHOWN = 5


@dataclass(kw_only=True, eq=False)
class TapedTest:
    """The tape of one test, and what it was told."""

    tape: Tape
    settings: TapeSettings
    is_expired: bool

    def findings(self) -> list[Finding]:
        """Return what there is to say about a test that has passed."""
        return [*self._unplayed(), *self._drifted(), *self._verified(), *self._expired(), *self._unmet()]

    def _unplayed(self) -> Iterator[Finding]:
        left = [] if self.tape.may_send else self.tape.unplayed()
        if left and self.settings.unplayed != "off":
            lines = [_asked(self.tape, position) for position in left]
            yield Finding(
                kind="unplayed",
                severity=self.settings.unplayed,
                count=len(left),
                text=f"recorded, but this test never asked for it, in {self.tape.source}:\n{_listed(lines)}\n"
                "  Record the test anew (--record-mode=rewrite), or say @pytest.mark.tape(unplayed='off').",
            )

    def _drifted(self) -> Iterator[Finding]:
        changes = [(n, change) for n, change in self.tape.drifts if not change.is_mild]
        if changes and self.settings.drift != "off":
            lines = [f"interaction {position + 1}: {change}" for position, change in changes]
            yield Finding(
                kind="drifted",
                severity=self.settings.drift,
                count=len({position for position, _ in changes}),
                text=f"matched, but the request is no longer what was recorded in {self.tape.source}:\n"
                f"{_listed(lines)}\n  Record the test anew (--record-mode=rewrite) if this was meant.",
            )

    def _verified(self) -> Iterator[Finding]:
        for verdict in self.tape.verified():
            if verdict.position is None:
                request = verdict.request
                head, lines = "answered, but never recorded", [f"{request.method} {request.url}"]
            else:
                head = f"today's answer differs in shape from interaction {verdict.position + 1}"
                lines = [str(difference) for difference in verdict.differences]
            if lines:
                is_broken = verdict.position is None or any(each.is_breaking for each in verdict.differences)
                yield Finding(
                    kind="changed",
                    severity="fail" if is_broken else "warn",
                    count=1,
                    text=f"{head}, in {self.tape.source}:\n{_listed(lines)}",
                )

    def _expired(self) -> Iterator[Finding]:
        if self.is_expired and self.settings.on_expiry in ("fail", "warn"):
            yield Finding(
                kind="expired",
                severity=self.settings.on_expiry,
                count=1,
                text=f"older than max-age: {self.tape.source}. Record it anew with --record-mode=rewrite.",
            )

    def _unmet(self) -> Iterator[Finding]:
        if self.tape.faults is None or self.tape.may_send:  # nothing goes wrong on purpose with live calls
            return
        if unused := self.tape.faults.unused():
            yield Finding(
                kind="unmet",
                severity="warn",
                count=len(unused),
                text=f"faults that no call met, with {self.tape.source}:\n{_listed(unused)}",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to say about a tape. severity: fail or warn. count: of the summary."""

    kind: str
    severity: str
    count: int
    text: str = field(repr=False)


def _listed(lines: list[str]) -> str:
    shown = [f"    {masked(line)}" for line in lines[:SHOWN]]
    return "\n".join([*shown, *([f"    and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])])


def _asked(tape: Tape, position: int) -> str:
    request = tape.interactions[position].request
    return f"interaction {position + 1}: {request.method} {request.url}"
