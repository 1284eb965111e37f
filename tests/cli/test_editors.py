"""`tapeline schema`: a JSON schema on stdout, or in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Run, assert_refused, runner

from tapeline.scenarios.editor_schema import editor_schema


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys)


def test_the_schema_is_printed(run: Run) -> None:
    ended = run("schema")

    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == editor_schema()


def test_or_written_to_a_file_in_a_folder_that_may_be_new(run: Run, tmp_path: Path) -> None:
    ended = run("schema", "--output", "a/b.json")

    assert (ended.code, ended.out, ended.err) == (0, "", "wrote a/b.json\n")
    assert json.loads((tmp_path / "a" / "b.json").read_text()) == editor_schema()


def test_a_place_that_cannot_be_written_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file, no folder")

    assert_refused(run("schema", "--output", "a/b.json"), "cannot write to a/b.json")
