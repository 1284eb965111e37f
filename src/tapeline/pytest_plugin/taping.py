"""The tape of a test: how it is opened, and what must be true of it when the test has passed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tapeline.cassettes import load_tape, save_tape
from tapeline.cassettes.expiry import expired
from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.redaction import masked
from tapeline.cassettes.spending import Meter
from tapeline.cassettes.tape import Tape
from tapeline.cassettes.vcr_bridge import BridgedTape
from tapeline.clock import Clock, SystemClock
from tapeline.pytest_plugin.naming import cassette_path
from tapeline.pytest_plugin.settings import TapeSettings, settings_of

SHOWN = 5
PASSED = pytest.StashKey[bool]()
METER = pytest.StashKey[Meter]()
TAPED: pytest.StashKey[TapedTest] = pytest.StashKey()


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
                text=f"{self.tape.source}: recorded, but this test never asked for it:\n{_listed(lines)}\n"
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
                text=f"{self.tape.source}: matched, but the request is no longer what was recorded:\n"
                f"{_listed(lines)}\n  Record the test anew (--record-mode=rewrite) if this was meant.",
            )

    def _verified(self) -> Iterator[Finding]:
        for verdict in self.tape.verified():
            place = "not recorded" if verdict.position is None else f"interaction {verdict.position + 1}"
            lines = [str(difference) for difference in verdict.differences]
            if verdict.position is None:
                lines = [f"{verdict.request.method} {verdict.request.url}"]
            if lines:
                is_broken = verdict.position is None or any(each.is_breaking for each in verdict.differences)
                yield Finding(
                    kind="changed",
                    severity="fail" if is_broken else "warn",
                    count=1,
                    text=f"{self.tape.source}: {place}: today's answer differs in shape:\n{_listed(lines)}",
                )

    def _expired(self) -> Iterator[Finding]:
        if self.is_expired and self.settings.on_expiry in ("fail", "warn"):
            yield Finding(
                kind="expired",
                severity=self.settings.on_expiry,
                count=1,
                text=f"{self.tape.source}: older than --max-age. Record it anew with --record-mode=rewrite.",
            )

    def _unmet(self) -> Iterator[Finding]:
        if self.tape.faults is not None and (unused := self.tape.faults.unused()):
            yield Finding(
                kind="unmet",
                severity="warn",
                count=len(unused),
                text=f"{self.tape.source}: planned, but no call met it:\n{_listed(unused)}",
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


# Opening ------------------------------------------------------------------------------------------------


def is_expired(tape: Tape, settings: TapeSettings) -> bool:
    """Whether any recording of a tape is older than it may be."""
    if settings.max_age_s is None:
        return False
    return bool(expired(tape.interactions, now=datetime.now(UTC), max_age_s=settings.max_age_s))


def command_of(item: pytest.Item) -> str:
    """Return how to record what a test misses."""
    return f'pytest "{item.nodeid}" --record-mode=new_episodes'


@contextmanager
def own_tape(request: pytest.FixtureRequest) -> Iterator[TapedTest]:
    """Open a tape of ours for a test, and save it if the test passes."""
    clock = clock_of(request)
    item, settings = request.node, settings_of(request.node)
    path = cassette_path(item, settings.path)
    tape = _loaded(path, settings, clock)
    if (is_old := is_expired(tape, settings)) and settings.on_expiry == "record":
        tape = _loaded(path, settings, clock, record_mode="all")
    _equip(tape, settings, item)
    with intercepted(tape):
        yield TapedTest(tape=tape, settings=settings, is_expired=is_old)
    if item.stash.get(PASSED, False):
        save_tape(tape, path)


def _loaded(path: Path, settings: TapeSettings, clock: Clock, **changed: Any) -> Tape:
    return load_tape(
        path,
        **{"record_mode": settings.record_mode} | changed,
        pace=settings.pace,
        clock=clock,
        ignore=settings.ignore,
    )


def _equip(tape: Tape, settings: TapeSettings, item: pytest.Item) -> None:
    tape.faults = settings.faults
    tape.meter = item.config.stash[METER]
    tape.watches_drift = settings.drift != "off"
    tape.command = command_of(item)


@contextmanager
def bridged_tape(request: pytest.FixtureRequest, cassette: Any) -> Iterator[TapedTest]:
    """Play and record the cassette that pytest-recording has opened for a test."""
    item, settings = request.node, settings_of(request.node)
    tape = BridgedTape(
        cassette,
        record_mode=settings.record_mode if settings.record_mode in ("all", "verify") else None,
        pace=settings.pace,
        clock=clock_of(request),
        matcher=Matcher(settings.ignore),
    )
    if (is_old := is_expired(tape, settings)) and settings.on_expiry == "record":
        tape.record_mode = "all"
    _equip(tape, settings, item)
    with intercepted(tape):
        yield TapedTest(tape=tape, settings=settings, is_expired=is_old)
    tape.hand_over(is_passed=item.stash.get(PASSED, False))


def noted(item: pytest.Item, taped: TapedTest) -> TapedTest:
    """Remember the tape of a test for when it has ended."""
    item.stash[TAPED] = taped
    return taped


def clock_of(request: pytest.FixtureRequest) -> Clock:
    """Return the clock that a test runs on: the virtual one, if it asks for it."""
    if "virtual_clock" in request.fixturenames:
        clock: Clock = request.getfixturevalue("virtual_clock")
        return clock
    return SystemClock()
