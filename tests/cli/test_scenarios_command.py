"""`tapeline run`: verdicts on stdout, exit code 1 where a check failed, 2 where nothing could run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Run, assert_refused, runner
from taped import NAME, answered, refused, scenario_in, taped

from tapeline.client import chat_model
from tapeline.scenarios import bundled_scenarios, load_scenarios
from tapeline.server import Gateway


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys)


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_the_bundled_scenarios_hold(run: Run) -> None:
    ended = run("run", "--json")

    rows = json.loads(ended.out)
    targets = sum(len(file.scenario.targets) for file in load_scenarios(bundled_scenarios()))
    assert (ended.code, ended.err, len(rows)) == (0, "", targets)
    assert [row for row in rows if row["problems"]] == []


def test_a_scenario_that_holds_is_ok(run: Run, tmp_path: Path) -> None:
    file = taped(tmp_path, answered("two words"), checks=[{"contains": "words"}])

    ended = run("run", file.path)

    assert (ended.code, ended.out, ended.err) == (0, f"ok     {NAME} openai\n", "")


def test_a_check_that_fails_is_shown_and_is_exit_code_1(run: Run, tmp_path: Path) -> None:
    file = taped(tmp_path, answered("two words"), checks=[{"contains": "Paris"}])

    ended = run("run", file.path)

    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"FAILED {NAME} openai",
        "       call 1: contains: 'Paris' does not hold for 'two words' (stop)",
    ]


def test_json_says_the_same_and_ends_the_same(run: Run, tmp_path: Path) -> None:
    file = taped(tmp_path, answered("two words"), checks=[{"contains": "Paris"}])

    ended = run("run", file.path, "--json")

    [row] = json.loads(ended.out)
    assert (ended.code, row["scenario"], row["target"]) == (1, NAME, "openai")
    assert row["problems"] == ["call 1: contains: 'Paris' does not hold for 'two words' (stop)"]


@pytest.mark.parametrize("option", [[], ["--json"]], ids=["text", "json"])
def test_what_a_terminal_would_obey_is_shown_as_an_escape(
    run: Run, tmp_path: Path, option: list[str]
) -> None:
    file = taped(tmp_path, answered("\x1b[2J\u202eevil\x07"), checks=[{"contains": "Paris"}])

    ended = run("run", file.path, *option)

    assert ended.code == 1
    assert "evil" in ended.out
    assert {character for character in ended.out if not character.isprintable()} == {"\n"}


def test_only_the_chosen_targets_run(run: Run, tmp_path: Path) -> None:
    """The second target has no cassette: to run it would be a miss."""
    url = "http://127.0.0.1:1/v1"
    targets = [{"model": "openai:m", "base_url": url}, {"model": "openai:other", "name": "other"}]
    taped(tmp_path, answered("two words"), targets=targets)

    ended = run("run", tmp_path / "scenarios", "--target", "openai")

    assert (ended.code, ended.out) == (0, f"ok     {NAME} openai\n")


def test_a_recording_is_replayed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-nobody")
    with Gateway(chat_model("mock:echo")) as gateway:
        targets = [{"model": "openai:m", "base_url": f"{gateway.url}/v1"}]
        path = scenario_in(tmp_path, targets=targets)
        recorded = run("run", path, "--record-mode", "all")

    replayed = run("run", path)

    assert (recorded.code, replayed.code) == (0, 0)
    assert recorded.out == replayed.out
    assert files_in(tmp_path) == [tmp_path / "cassettes" / NAME / "openai.yaml", path]


# Refusals: exit code 2, one message, nothing written ----------------------------------------------------


def test_a_missing_file_is_refused(run: Run, tmp_path: Path) -> None:
    assert_refused(run("run", "nowhere.yaml"), "nowhere.yaml: no such file or folder")
    assert files_in(tmp_path) == []


def test_a_folder_without_scenarios_is_refused(run: Run, tmp_path: Path) -> None:
    assert_refused(run("run", tmp_path), "no scenarios (*.yaml)")


def test_a_broken_scenario_is_refused(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path, promt="hi")

    assert_refused(run("run", path), "promt: unknown key; did you mean 'prompt'?")
    assert files_in(tmp_path) == [path]


def test_an_unknown_target_is_refused(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path)

    assert_refused(run("run", path, "--target", "opnai"), "no target is called opnai; there are openai")


def test_a_missing_cassette_is_refused(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path)

    assert_refused(run("run", path), "openai.yaml")
    assert files_in(tmp_path) == [path]


def test_a_broken_cassette_is_refused(run: Run, tmp_path: Path) -> None:
    file = taped(tmp_path, answered("two words"))
    file.cassette(file.scenario.targets[0]).write_text("interactions: [3]")

    assert_refused(run("run", file.path), "openai.yaml: interaction 1")


def test_an_error_nobody_expected_is_refused(run: Run, tmp_path: Path) -> None:
    file = taped(tmp_path, refused(401, "no such key"))

    assert_refused(run("run", file.path), "no such key")


def test_an_unknown_provider_is_refused(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path, targets=["opnai:m"])

    assert_refused(run("run", path), "did you mean 'openai'?")


def test_to_record_without_a_key_is_refused(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path, targets=["openai:m"])

    assert_refused(run("run", path, "--record-mode", "all"), "OPENAI_API_KEY")
    assert files_in(tmp_path) == [path]


def test_a_file_name_cannot_drive_the_terminal(run: Run) -> None:
    assert_refused(run("run", "\x1b[2J.yaml"), r"\x1b[2J.yaml")


def test_an_unknown_record_mode_is_wrong_usage(run: Run) -> None:
    ended = run("run", "--record-mode", "sometimes")

    assert (ended.code, ended.out) == (2, "")
    assert "sometimes" in ended.err
