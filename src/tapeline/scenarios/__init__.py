"""Scenarios: one YAML declaration that is a test, a recording and a benchmark."""

from __future__ import annotations

from tapeline.scenarios.assessment import problems
from tapeline.scenarios.execution import run_target
from tapeline.scenarios.loading import ScenarioFile, bundled_scenarios, load_scenario, load_scenarios
from tapeline.scenarios.schema import Scenario
from tapeline.scenarios.targets import Target

__all__ = [
    "Scenario",
    "ScenarioFile",
    "Target",
    "bundled_scenarios",
    "load_scenario",
    "load_scenarios",
    "problems",
    "run_target",
]
