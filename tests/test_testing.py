"""The contract sees what it is there to see: each planted defect, and nothing in a sound provider."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from inner_pytest import ALONE

import tapeline.providers.mock  # noqa: F401 - pytester would forget it, and load it twice
from tapeline import registry
from tapeline.testing import ProviderContract

pytest_plugins = ["pytester"]

TESTING = Path(__file__).parent / "testing"
PLANTED = (TESTING / "planted_defects.py").read_text(encoding="utf-8")
DEFECTS = dict(re.findall(r'^class (\w+)\(TestSound\):\n    caught_by = "(.*)"', PLANTED, re.MULTILINE))

RAISED = {"TestReadsBlocksAsEvents", "TestRaisesItsHealth"}
"""Defects that are errors where there should be none: those go through as they are."""


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setattr(registry, "_PROVIDERS", dict(registry._PROVIDERS))  # they add to it
    pytester.syspathinsert(TESTING)
    pytester.makepyfile(test_planted=PLANTED)
    return pytester


def run(inner: pytest.Pytester, *nodes: str) -> pytest.RunResult:
    return inner.runpytest_inprocess(
        *ALONE, "-pno:recording", *(f"test_planted.py::{node}" for node in nodes)
    )


def test_each_planted_defect_is_seen(inner: pytest.Pytester) -> None:
    """By the check that is named with it, whose message says what the contract wants and what came."""
    result = run(inner, *(f"{defect}::{check}" for defect, check in DEFECTS.items()))

    assert len(DEFECTS) == PLANTED.count("caught_by = ") >= 30
    result.assert_outcomes(failed=len(DEFECTS))
    told = [line for line in result.outlines if re.match("E +Failed: the contract wants .*what came", line)]
    assert len(told) == len(DEFECTS) - len(RAISED)


def test_a_sound_provider_passes_the_same_checks(inner: pytest.Pytester) -> None:
    """It is the defect that they see."""
    checks = sorted(set(DEFECTS.values()))

    result = run(inner, *(f"TestSound::{check}" for check in checks))

    result.assert_outcomes(passed=len(checks))


def checks() -> dict[str, object]:
    return {name: check for name, check in inspect.getmembers(ProviderContract) if name.startswith("test_")}


def test_there_are_many_checks() -> None:
    """Counted without their parameters."""
    assert len(checks()) >= 100


@pytest.mark.parametrize("name", checks())
def test_each_check_says_what_it_claims(name: str) -> None:
    assert inspect.getdoc(checks()[name])


def test_no_check_hides_another() -> None:
    """They come from many classes, and must not share a name."""
    names = [name for kind in ProviderContract.__mro__ for name in vars(kind) if name.startswith("test_")]

    assert len(names) == len(set(names))
