"""Verdicts: what came of each run, and what is none. On the command line: test_scenarios_command.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from taped import answered, refused, scenario_in, taped

from tapeline.errors import ConfigError, InvalidCassetteError
from tapeline.scenarios import load_scenario
from tapeline.scenarios.selection import Run, all_runs
from tapeline.scenarios.verdicts import Ran, run_all, run_one


def only(folder: Path, *answers: Any, **keys: Any) -> Run:
    [run] = all_runs([taped(folder, *answers, **keys)])
    return run


STATES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "ok", ""),
    ({"checks": [{"contains": "Paris"}]}, "failed", "call 1: contains: 'Paris' does not hold"),
    ({"repeat": 2}, "failed", "no interaction in"),
    ({"skip": "not today", "repeat": 2}, "skipped", "not today"),
    ({"xfail": "a bug", "repeat": 2}, "xfailed", "a bug"),
    ({"xfail": "a bug"}, "xpassed", "a bug"),
]


@pytest.mark.parametrize(("keys", "state", "said"), STATES)
def test_a_run_comes_to_what_its_test_would(
    tmp_path: Path, keys: dict[str, Any], state: str, said: str
) -> None:
    ran = run_one(only(tmp_path, answered("two words"), **keys))

    assert ran.state == state
    assert said in "\n".join(ran.problems)
    assert ran.to_json()["state"] == state


def test_a_call_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    runs = [
        only(tmp_path, refused(401, "no such key"), name="a"),
        only(tmp_path, answered("two words"), name="b"),
    ]
    ended: list[Ran] = []

    verdicts = run_all(runs, on_end=ended.append)

    assert [ran.state for ran in verdicts] == ["failed", "ok"]
    assert "no such key" in verdicts[0].problems[0]
    assert ended == verdicts


def test_a_wrong_setting_or_a_broken_file_is_no_verdict(tmp_path: Path) -> None:
    broken = only(tmp_path, answered("x"))
    broken.case.cassette(broken.target).write_text("interactions: [3]")
    [unknown] = all_runs([load_scenario(scenario_in(tmp_path, targets=["opnai:m"]))])

    with pytest.raises(InvalidCassetteError):
        run_one(broken)
    with pytest.raises(ConfigError):
        run_one(unknown)
