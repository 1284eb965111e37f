"""What a run lacks. Recording it: tests/cli/test_record.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from taped import answered, refused, scenario_in, taped

from tapeline.errors import InvalidCassetteError
from tapeline.scenarios import load_scenario
from tapeline.scenarios.missing import lack_of, pending
from tapeline.scenarios.selection import Run, all_runs


def only(folder: Path, *answers: Any, **keys: Any) -> Run:
    [run] = all_runs([taped(folder, *answers, **keys)])
    return run


@pytest.mark.parametrize(
    ("answers", "keys", "lack"),
    [
        ([answered("a")], {}, "recorded"),
        ([answered("a")], {"repeat": 2}, "incomplete"),
        (
            [answered("a")],
            {"repeat": 2, "faults": [{"status": 401}], "error": "authentication_error"},
            "incomplete",
        ),
        ([refused(401, "no such key")], {}, "recorded"),
        ([answered("a")], {"checks": [{"contains": "b"}]}, "recorded"),
    ],
    ids=["all there", "a call more", "a call more, behind a fault", "a failure", "a check that fails"],
)
def test_a_run_lacks_what_a_replay_does_not_find(
    tmp_path: Path, answers: list[Any], keys: dict[str, Any], lack: str
) -> None:
    assert lack_of(only(tmp_path, *answers, **keys)) == lack


def test_a_run_without_a_cassette_lacks_all_of_it(tmp_path: Path) -> None:
    [run] = all_runs([load_scenario(scenario_in(tmp_path))])

    assert lack_of(run) == "missing"
    assert not (tmp_path / "cassettes").exists()


def test_only_what_is_missing_is_due_unless_it_is_forced(tmp_path: Path) -> None:
    there = only(tmp_path, answered("a"), name="a")
    [gone] = all_runs([load_scenario(scenario_in(tmp_path, name="b"))])
    [skipped] = all_runs([load_scenario(scenario_in(tmp_path, name="c", skip="later"))])
    runs = [there, gone, skipped]

    assert [due.run for due in pending(runs)] == [gone]
    assert [(due.run, due.lack) for due in pending(runs, is_forced=True)] == [
        (there, "recorded"),
        (gone, "missing"),
    ]


def test_a_broken_cassette_is_an_error(tmp_path: Path) -> None:
    run = only(tmp_path, answered("a"))
    run.case.cassette(run.target).write_text("interactions: [3]")

    with pytest.raises(InvalidCassetteError):
        lack_of(run)
