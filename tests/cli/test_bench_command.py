"""`tapeline bench`: a table on standard output, a report and results in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Run, assert_refused, runner
from taped import NAME, scenario_in, streamed, taped

from tapeline.scenarios import ScenarioFile


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys)


@pytest.fixture
def scenario(tmp_path: Path) -> ScenarioFile:
    answer = streamed("two ", "words", head_s=0.25, gap_s=0.5)
    return taped(tmp_path, answer, stream=True, load={"requests": 4, "concurrency": 2})


def files_in(folder: Path) -> list[str]:
    """All files that are not the scenario's own."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] not in ("scenarios", "cassettes"))


def test_a_benchmark_prints_a_table_and_writes_a_report(
    run: Run, scenario: ScenarioFile, tmp_path: Path
) -> None:
    ended = run("bench", scenario.path, "--pace", "recorded", "--output", tmp_path / "new" / "folder")

    assert ended.code == 0
    assert "openai:m" in ended.out
    assert "750" in ended.out  # ms to the first word
    assert files_in(tmp_path) == ["new/folder/report.html", "new/folder/results.json"]
    assert (tmp_path / "new/folder/report.html").read_text().lstrip().lower().startswith("<!doctype html")
    [cell] = json.loads((tmp_path / "new/folder/results.json").read_text())["cells"]
    assert (cell["scenario"], cell["requests"]) == (NAME, 4)


def test_progress_is_no_result(run: Run, scenario: ScenarioFile) -> None:
    ended = run("bench", scenario.path, "--pace", "none")

    assert ended.err.splitlines() == ["4 calls done", "wrote results.json", "wrote report.html"]
    assert "wrote" not in ended.out


def test_json_is_printed_and_nothing_written(run: Run, scenario: ScenarioFile, tmp_path: Path) -> None:
    ended = run("bench", scenario.path, "--pace", "recorded", "--pace", "none", "--json")

    results = json.loads(ended.out)
    assert ended.code == 0
    assert [cell["pace"] for cell in results["cells"]] == ["recorded", "none"]
    assert results["cells"][0]["ttft_s"]["p50"] == 0.75
    assert files_in(tmp_path) == []


def test_requests_and_concurrency_win_over_the_scenario(run: Run, scenario: ScenarioFile) -> None:
    options = ["--pace", "recorded", "--requests", 6, "--concurrency", 6, "--json"]

    [cell] = json.loads(run("bench", scenario.path, *options).out)["cells"]

    assert (cell["requests"], cell["makespan_s"]) == (6, 1.25)


def test_a_missing_file_is_refused(run: Run, tmp_path: Path) -> None:
    assert_refused(run("bench", "nowhere.yaml"), "no such file or folder")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("pace", ["fast", "recorded*x", "recorded*-1", "recorded*nan", ""])
def test_an_unknown_pace_is_refused(run: Run, scenario: ScenarioFile, tmp_path: Path, pace: str) -> None:
    ended = run("bench", scenario.path, "--pace", pace, "--output", tmp_path / "new")

    assert ended.err.startswith("tapeline: ")
    assert_refused(ended, "pace")
    assert files_in(tmp_path) == []


def test_a_missing_cassette_is_refused(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path)

    ended = run("bench", path, "--output", tmp_path / "new")

    assert (ended.code, ended.out) == (2, "")
    assert "openai.yaml" in ended.err
    assert "Traceback" not in ended.err
    assert files_in(tmp_path) == []


def test_a_broken_scenario_is_refused(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path, lod={})

    assert_refused(run("bench", path), "did you mean 'load'?")
    assert files_in(tmp_path) == []


def test_an_output_that_is_a_file_is_refused(run: Run, scenario: ScenarioFile, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")

    ended = run("bench", scenario.path, "--pace", "none", "--output", tmp_path / "taken")

    assert ended.code == 2
    assert f"tapeline: cannot write to {tmp_path / 'taken'}: " in ended.err
    assert files_in(tmp_path) == ["taken"]
