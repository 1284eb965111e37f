"""The pytest plugin: tapes for `@pytest.mark.vcr`, and scenario files as tests. Thin hooks only.

* With pytest-recording installed, every test marked `vcr` gets our interception, timing, matching,
  redaction and atomic saves; `@pytest.mark.tape(pace=..., ignore=[...])` sets pace and ignored paths.
* `scenarios/*.yaml` are collected as tests, one per target, checked and compared with a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tapeline.clock import SystemClock, VirtualClock
from tapeline.errors import ConfigError
from tapeline.latency.pacing import parse_pace

if TYPE_CHECKING:
    from tapeline.cassettes.tape import Tape

SCENARIO_FOLDER = "scenarios"
_passed = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tapeline")
    group.addoption(
        "--pace",
        default="none",
        help="Pace of replayed responses: none (default), recorded, recorded*FACTOR or a profile.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "tape(pace='none', ignore=()): how the cassette of a vcr-marked test is replayed."
    )
    try:
        parse_pace(config.getoption("--pace"))
    except ConfigError as error:
        raise pytest.UsageError(f"--pace: {error.message}") from None
    if config.pluginmanager.has_plugin("recording"):
        config.pluginmanager.register(_RecordingFixtures(), "tapeline-recording")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".yaml" and file_path.parent.name == SCENARIO_FOLDER:
        from tapeline.scenarios.pytest_items import ScenarioModule

        collector: pytest.Collector = ScenarioModule.from_parent(parent, path=file_path)
        return collector
    return None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report: pytest.TestReport = outcome.get_result()
    if report.when == "call":
        item.stash[_passed] = report.passed


@pytest.hookimpl(optionalhook=True)
def pytest_recording_configure(config: pytest.Config, vcr: Any) -> None:
    """pytest-recording is about to open a cassette."""
    from tapeline.cassettes.vcr_bridge import configure

    configure(vcr)


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """A clock on which waiting takes no time; the tape of the test runs on it too."""
    return VirtualClock()


def _marked(*, pace: str | None = None, ignore: Sequence[str] = ()) -> tuple[str | None, Sequence[str]]:
    """Return what a `tape` marker says; anything else in it is a TypeError."""
    return pace, ignore


class _RecordingFixtures:
    """Fixtures that need those of pytest-recording."""

    @pytest.fixture(autouse=True)
    def tape(self, request: pytest.FixtureRequest, vcr: Any) -> Iterator[Tape | None]:
        """The tape of a vcr-marked test; None in any other."""
        if vcr is None:
            yield None
            return
        from tapeline.cassettes.interception import intercepted
        from tapeline.cassettes.matching import Matcher
        from tapeline.cassettes.vcr_bridge import BridgedTape

        marker = request.node.get_closest_marker("tape")
        pace, ignore = _marked(**marker.kwargs) if marker else _marked()
        is_virtual = "virtual_clock" in request.fixturenames
        tape = BridgedTape(
            vcr,
            pace=parse_pace(pace or request.config.getoption("--pace")),
            clock=request.getfixturevalue("virtual_clock") if is_virtual else SystemClock(),
            matcher=Matcher(tuple(ignore)),
        )
        with intercepted(tape):
            yield tape
        tape.hand_over(is_passed=request.node.stash.get(_passed, False))
