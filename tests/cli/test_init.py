"""`tapeline init`: files on disk, and what was done on stdout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Run, assert_refused, runner

from tapeline.scenarios.scaffold import ASV, BASICS


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys)


def test_files_are_created_once(run: Run, tmp_path: Path) -> None:
    dry = run("init", "--dry-run")
    before = list(tmp_path.rglob("*"))
    first = run("init")
    second = run("init", "--json")

    assert before == []
    assert {line.split()[0] for line in dry.out.splitlines()} == {"missing"}
    assert "created  scenarios/hello.yaml" in first.out.splitlines()
    assert first.err == "next: pytest scenarios tests/test_llm.py\n"
    rows = json.loads(second.out)
    assert {row["state"] for row in rows} == {"exists"}
    assert {row["path"] for row in rows} == {*BASICS, "scenarios/scenario.schema.json"}
    assert (dry.code, first.code, second.code) == (0, 0, 0)


def test_asv_comes_if_it_is_asked_for_in_any_folder(run: Run, tmp_path: Path) -> None:
    ended = run("init", "new/project", "--asv")

    assert ended.code == 0
    assert [path for path in ASV if not (tmp_path / "new" / "project" / path).is_file()] == []


def test_what_is_created_runs(run: Run) -> None:
    run("init")

    assert run("run", "scenarios").out == "ok      hello[french] openai\nok      hello[italian] openai\n"
    assert run("record", "scenarios", "--dry-run").out == ""


def test_a_file_in_the_way_of_a_folder_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cassettes").write_text("a file")

    ended = run("init", "--json")

    assert_refused(ended, "cannot create cassettes/hello/openai/french.yaml")
