"""Opening the tape of a test, and saving it when the test has passed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tapeline.cassettes import load_tape, save_tape
from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.review.expiry import expired
from tapeline.cassettes.tape import Tape
from tapeline.clock import Clock, SystemClock
from tapeline.pytest_plugin.findings import TapedTest
from tapeline.pytest_plugin.keys import PASSED
from tapeline.pytest_plugin.naming import cassette_path
from tapeline.pytest_plugin.settings import TapeSettings, settings_of
from tapeline.pytest_plugin.summary import run_of
from tapeline.scenarios.pytest_items import PLAYED


def is_expired(tape: Tape, settings: TapeSettings) -> bool:
    """Whether any recording of a tape is older than it may be."""
    if settings.max_age_s is None:
        return False
    return bool(expired(tape.interactions, now=datetime.now(UTC), max_age_s=settings.max_age_s))


def command_of(item: pytest.Item) -> str:
    """Return how to record what a test misses.

    Not by new_episodes: a request that has changed would leave its old recording behind, unplayed.
    """
    return f'pytest "{item.nodeid}" --record-mode=rewrite'


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
    tape.live_clock = SystemClock()  # a server takes its time, whatever the clock of the test
    tape.faults = settings.faults
    tape.meter = run_of(item.config).meter
    tape.watches_drift = settings.drift != "off"
    tape.command = command_of(item)


@contextmanager
def bridged_tape(request: pytest.FixtureRequest, cassette: Any) -> Iterator[TapedTest]:
    """Play and record the cassette that pytest-recording has opened for a test."""
    from tapeline.cassettes.vcr_bridge import BridgedTape

    item, settings = request.node, settings_of(request.node)
    tape = BridgedTape(
        cassette,
        record_mode=None if settings.record_mode == "none" else settings.record_mode,
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


def clock_of(request: pytest.FixtureRequest) -> Clock:
    """Return the clock that a test runs on: the virtual one, if it asks for it."""
    if "virtual_clock" in request.fixturenames:
        clock: Clock = request.getfixturevalue("virtual_clock")
        return clock
    return SystemClock()


def tapes_of_scenario(item: pytest.Item) -> list[TapedTest]:
    """Return the tapes that the scenario of a test has played; it has failed already for what it left."""
    run_of(item.config)
    settings = settings_of(item)
    on_expiry = (
        "warn" if settings.on_expiry == "record" else settings.on_expiry
    )  # `tapeline record` does that
    settings = replace(settings, unplayed="off", on_expiry=on_expiry)
    return [
        TapedTest(tape=tape, settings=settings, is_expired=is_expired(tape, settings))
        for tape in item.stash.get(PLAYED, ())
    ]
