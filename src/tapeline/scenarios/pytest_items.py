"""Scenario files as pytest modules: one test function each, run for every case and target.

A real module with a real function, so that fixtures, markers, `-k`, `--lf`, xdist, junit and syrupy's
snapshots work as they do for tests people write. Ids read case@target, or target where there are no cases.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from tapeline.cassettes import RecordMode, Tape
from tapeline.cassettes.review.spending import Meter
from tapeline.errors import LLMError
from tapeline.scenarios.assessment import problems
from tapeline.scenarios.execution import run_target
from tapeline.scenarios.loading import ScenarioFile, load_scenario
from tapeline.scenarios.outcome import Outcome
from tapeline.scenarios.targets import Target

PLAYED = pytest.StashKey[list[Tape]]()
"""The tapes that a scenario test has played."""
_OWNERS = pytest.StashKey[dict[Path, Path]]()
"""Folder of cassettes -> the scenario file that has it."""


class ScenarioModule(pytest.Module):
    """The tests of one scenario file. meter: counts what they record, and stops it, where there is one."""

    meter: Meter | None = None

    def _getobj(self) -> ModuleType:
        """Return what `pytest.Module` would have imported from a Python file."""
        try:
            file = load_scenario(self.path)
        except LLMError as error:
            raise self.CollectError(error.message) from None
        self._claim_cassettes(file)
        module = ModuleType(self.path.stem)
        test = test_of(file, meter=self.meter, config=self.config)
        setattr(module, test.__name__, test)
        return module

    def _claim_cassettes(self, file: ScenarioFile) -> None:
        """Refuse a second scenario of one name: each would play, and record over, the other's cassettes."""
        owners = self.config.stash.setdefault(_OWNERS, {})
        owner = owners.setdefault(file.cassettes, file.path)
        if owner != file.path:
            raise self.CollectError(
                f"{file.path} and {owner} are both called {file.scenario.name!r}: they would share cassettes"
            )


def test_of(file: ScenarioFile, *, meter: Meter | None, config: pytest.Config) -> Any:
    """Return a test function that runs each case of the scenario against each of its targets."""
    scenario = file.scenario

    @pytest.mark.parametrize(("case", "target"), _runs(file, config))
    def test(request: pytest.FixtureRequest, case: ScenarioFile, target: Target) -> None:
        played: list[Tape] = []
        request.node.stash[PLAYED] = played
        try:
            outcomes = run_target(
                case,
                target,
                record_mode=_record_mode(request.config),
                pace=request.config.getoption("--pace", default=None),
                meter=meter,
                on_replay=played.append,
            )
            found = problems(case, target, outcomes)
        except LLMError as error:
            pytest.fail(str(error), pytrace=False)
        if found := found or _left_over(case, played, request.config):
            pytest.fail("\n".join(found), pytrace=False)
        assert _snapshot_of(case, outcomes) == _stored(request)

    name = f"test_{scenario.name}"
    test.__name__ = test.__qualname__ = name
    test.__module__ = file.path.stem
    test.__doc__ = scenario.description
    return test


test_of.__test__ = False  # type: ignore[attr-defined]  # a helper that pytest must not take for a test


def cassette_of(item: pytest.Item) -> Path | None:
    """Return the cassette of a collected scenario test, or None if the item is none."""
    if not isinstance(item.parent, ScenarioModule) or not isinstance(item, pytest.Function):
        return None
    run: dict[str, Any] = dict(item.callspec.params)
    path: Path = run["case"].cassette(run["target"])
    return path


def _runs(file: ScenarioFile, config: pytest.Config) -> list[Any]:
    return [
        pytest.param(
            case,
            target,
            id=f"{case.case}@{target.id}" if case.case else target.id,
            marks=_marks(case, config),
        )
        for case in file.cases()
        for target in case.scenario.targets
    ]


def _marks(case: ScenarioFile, config: pytest.Config) -> list[pytest.MarkDecorator]:
    scenario = case.scenario
    _declare(scenario.tags, config)
    marks = [getattr(pytest.mark, tag) for tag in scenario.tags]
    if scenario.skip is not None:
        marks.append(pytest.mark.skip(reason=scenario.skip))
    if scenario.xfail is not None:
        marks.append(pytest.mark.xfail(reason=scenario.xfail))
    return marks


def _declare(tags: Sequence[str], config: pytest.Config) -> None:
    """Tell --strict-markers: a tag is declared where it stands."""
    known = {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")}
    for tag in tags:
        if tag not in known:
            config.addinivalue_line("markers", f"{tag}: a tag of scenarios.")


def _left_over(case: ScenarioFile, played: list[Tape], config: pytest.Config) -> list[str]:
    """Return what is wrong with recordings that nothing asks for, where such fail tests and none is made."""
    if case.scenario.faults or _record_mode(config) != "none" or _unplayed(config) != "fail":
        return []
    return [
        f"{tape.source}: {len(left)} of {len(tape.interactions)} recordings are not asked for by this "
        f"scenario. Record it anew: {tape.command} --force"
        for tape in played
        if (left := tape.unplayed())
    ]


def _unplayed(config: pytest.Config) -> str:
    return str(config.getoption("--unplayed", default=None) or config.getini("tape_unplayed"))


def _record_mode(config: pytest.Config) -> RecordMode:
    """Return the mode of pytest-recording's option; its "rewrite" is our "all"."""
    mode = config.getoption("--record-mode", default=None) or "none"
    return cast(RecordMode, "all" if mode == "rewrite" else mode)


def _snapshot_of(case: ScenarioFile, outcomes: list[Outcome]) -> list[dict[str, Any]]:
    return [outcome.fields(case.scenario.snapshot) for outcome in outcomes]


def _stored(request: pytest.FixtureRequest) -> Any:
    if not request.config.pluginmanager.has_plugin("syrupy"):
        pytest.fail("scenario snapshots need syrupy: pip install 'tapeline[test]'", pytrace=False)
    from tapeline.scenarios.yaml_snapshots import YamlSnapshotExtension

    return request.getfixturevalue("snapshot").use_extension(YamlSnapshotExtension)
