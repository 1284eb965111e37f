"""The pytest plugin: tapes for tests, scenario files as tests, and no network by accident. Thin hooks only.

* `@pytest.mark.tape` or the `tape` fixture gives a test a cassette of its own; with pytest-recording
  installed, every test marked `vcr` gets the same over the cassette that plugin opens.
* `scenarios/*.yaml` are collected as tests, checked and compared with a snapshot.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tapeline.pytest_plugin import claims, naming, settings
from tapeline.pytest_plugin.keys import BLOCKADE, PASSED, RUN, TAPED
from tapeline.pytest_plugin.network import Blockade

if TYPE_CHECKING:
    from tapeline.pytest_plugin.findings import TapedTest

FIXTURE = "_tape_of_marked_test"
SCENARIO_FOLDER = "scenarios"
WORKER_KEY = "tapeline"


# The run ------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    settings.add_options(parser)
    parser.getgroup("tapeline").addoption(
        "--cassette-list", metavar="FILE", help="Write the path of each collected test's cassette to a file."
    )
    if not _has_recording(pluginmanager):
        parser.addoption(
            "--record-mode", choices=settings.RECORD_MODES, help="What to record. Default: none."
        )
    else:
        _offer_verify(parser)


def _has_recording(pluginmanager: pytest.PytestPluginManager) -> bool:
    """Whether pytest-recording is loaded, or will be."""
    is_to_come = (
        importlib.util.find_spec("pytest_recording") is not None
        and not pluginmanager.is_blocked("recording")
        and not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    )
    return is_to_come or pluginmanager.has_plugin("recording")


def _offer_verify(parser: pytest.Parser) -> None:
    """pytest-recording declares `--record-mode`, before us or after us: give it our mode too."""
    theirs: Any = importlib.import_module("pytest_recording.plugin")
    theirs.RECORD_MODES = settings.RECORD_MODES
    for option in parser.getgroup("recording").options:
        if "--record-mode" in option.names():
            option._action.choices = settings.RECORD_MODES


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", settings.MARKER)
    config.addinivalue_line("markers", "allow_network: let this test reach other machines.")
    settings.check_options(config)
    config.stash[BLOCKADE] = blockade = Blockade()
    if settings.blocks_network(config):
        blockade.raise_up(settings.allowed_hosts(config))
    has_recording = config.pluginmanager.has_plugin("recording")
    name = "vcr_fixtures" if has_recording else "fixtures"
    config.pluginmanager.register(importlib.import_module(f"{__name__}.{name}"), "tapeline-fixtures")


def pytest_unconfigure(config: pytest.Config) -> None:
    if (blockade := config.stash.get(BLOCKADE, None)) is not None:
        blockade.take_down()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".yaml" and file_path.parent.name == SCENARIO_FOLDER:
        from tapeline.scenarios.pytest_items import ScenarioModule

        collector: ScenarioModule = ScenarioModule.from_parent(parent, path=file_path)
        if settings.record_mode(parent.config) != "none":
            from tapeline.pytest_plugin.summary import run_of

            collector.meter = run_of(parent.config).meter
        return collector
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse wrong markers, and see which cassettes no test plays.

    Before anything is deselected: all of it is about all tests.
    """
    for item in items:
        if item.get_closest_marker("tape") is not None:
            naming.cassette_path(item, settings.settings_of(item).path)
        if _is_marked(item):
            _ask_for_tape(item)
    if (target := config.getoption("--cassette-list")) is not None:
        paths = sorted(map(str, claims.claimed(items)))
        Path(target).write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    if claims.collected_all(config) and (left := claims.unclaimed(items)):
        from tapeline.pytest_plugin.summary import run_of

        run_of(config).tally.unclaimed |= {str(path) for path in left}


def _is_marked(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) is not None for name in ("tape", "vcr"))


def _ask_for_tape(item: pytest.Item) -> None:
    """Give a marked test its fixture: after those of a wider scope, whose calls are not the test's.

    An autouse fixture would do the same, and cost each unmarked test of a run half a millisecond.
    """
    names = getattr(item, "fixturenames", None)
    if names is not None and FIXTURE not in names:
        narrow = (n for n, name in enumerate(names) if _scope_of(item, name) == "function")
        names.insert(next(narrow, len(names)), FIXTURE)


def _scope_of(item: pytest.Item, fixture: str) -> str:
    definitions = item.session._fixturemanager.getfixturedefs(fixture, item)
    return definitions[-1].scope if definitions else "function"


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Tests that do not run cannot show what they play."""
    if items and (run := items[0].config.stash.get(RUN, None)) is not None:
        run.tally.unclaimed.clear()


# Each test ----------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let a marked test out, whatever its fixtures do."""
    with ExitStack() as open_hosts:
        if hosts := _allowed_hosts(item):
            open_hosts.enter_context(item.config.stash[BLOCKADE].allowing(hosts))
        return (yield)


def _allowed_hosts(item: pytest.Item) -> list[str]:
    """Return whom a test may reach by its markers: ours, and pytest-recording's."""
    if item.get_closest_marker("allow_network") is not None:
        return [".*"]
    blocked = item.get_closest_marker("block_network")
    return list(blocked.kwargs.get("allowed_hosts") or ()) if blocked else []


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Open the tape of a test that only its fixtures have marked."""
    if _is_marked(item) and FIXTURE not in getattr(item, "fixturenames", (FIXTURE,)):
        item._request.getfixturevalue(FIXTURE)  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that has passed still fails if its tape shows what it must not."""
    result = yield
    if wrong := [text for taped in _tapes_of(item) for text in item.config.stash[RUN].conclude(item, taped)]:
        pytest.fail("\n".join(wrong), pytrace=False)
    return result


def _tapes_of(item: pytest.Item) -> list[TapedTest]:
    """Return the tapes of a test that has passed: its own, or those that its scenario has played."""
    if item.path.parent.name == SCENARIO_FOLDER:
        from tapeline.pytest_plugin.taping import tapes_of_scenario

        return tapes_of_scenario(item)
    return [item.stash[TAPED]] if TAPED in item.stash else []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report: pytest.TestReport = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


# The end ------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under xdist each worker sends home what it has counted."""
    run = session.config.stash.get(RUN, None)
    if run is not None and hasattr(session.config, "workeroutput"):
        session.config.workeroutput[WORKER_KEY] = run.close().to_json()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    if (counted := getattr(node, "workeroutput", {}).get(WORKER_KEY)) is not None:
        from tapeline.pytest_plugin.summary import Tally, run_of

        run_of(node.config).tally.merge(Tally.from_json(counted))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if (run := config.stash.get(RUN, None)) is None:
        return
    from tapeline.bench.untrusted import visible

    tally = run.close()
    if lines := list(tally.lines()):
        terminalreporter.section("tapes")
        for text in [*tally.warnings, *lines]:
            for line in text.split("\n"):
                terminalreporter.write_line(visible(line))


# pytest-recording ---------------------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_recording_configure(config: pytest.Config, vcr: Any) -> None:
    """pytest-recording is about to open a cassette."""
    from tapeline.cassettes.vcr_bridge import configure

    configure(vcr)
