"""Scenario files as pytest modules: one test function each, one case per target.

A real module with a real function, so that fixtures, marks, `-k`, xdist and syrupy's snapshots work as
they do for tests people write.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, cast

import pytest

from tapeline.cassettes import RecordMode
from tapeline.errors import LLMError
from tapeline.scenarios.execution import problems, run_target
from tapeline.scenarios.loading import ScenarioFile, load_scenario
from tapeline.scenarios.schema import Target


class ScenarioModule(pytest.Module):
    """The tests of one scenario file."""

    def _getobj(self) -> ModuleType:
        """Return what `pytest.Module` would have imported from a Python file."""
        try:
            file = load_scenario(self.path)
        except LLMError as error:
            raise self.CollectError(error.message) from None
        module = ModuleType(self.path.stem)
        test = test_of(file)
        setattr(module, test.__name__, test)
        return module


def test_of(file: ScenarioFile) -> Any:
    """Return a test function that runs the scenario for each of its targets."""
    scenario = file.scenario

    @pytest.mark.parametrize("target", scenario.targets, ids=[target.id for target in scenario.targets])
    def test(request: pytest.FixtureRequest, target: Target) -> None:
        try:
            outcomes = run_target(file, target, record_mode=_record_mode(request.config))
        except LLMError as error:
            pytest.fail(str(error), pytrace=False)
        if found := problems(scenario, outcomes):
            pytest.fail("\n".join(found), pytrace=False)
        assert [outcome.fields(scenario.snapshot) for outcome in outcomes] == _snapshot(request)

    name = f"test_{scenario.name}"
    test.__name__ = test.__qualname__ = name
    test.__module__ = file.path.stem
    test.__doc__ = scenario.description
    return test


test_of.__test__ = False  # type: ignore[attr-defined]  # a helper that pytest must not take for a test


def _record_mode(config: pytest.Config) -> RecordMode:
    """Return the mode of pytest-recording's option; its "rewrite" is our "all"."""
    mode = config.getoption("--record-mode", default=None) or "none"
    return cast(RecordMode, "all" if mode == "rewrite" else mode)


def _snapshot(request: pytest.FixtureRequest) -> Any:
    if not request.config.pluginmanager.has_plugin("syrupy"):
        pytest.fail("scenario snapshots need syrupy: pip install 'tapeline[test]'", pytrace=False)
    from syrupy.extensions.json import JSONSnapshotExtension

    return request.getfixturevalue("snapshot").use_extension(JSONSnapshotExtension)
