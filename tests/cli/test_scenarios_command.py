"""`tapeline run`: verdicts on stdout, exit code 1 where a check failed, 2 where nothing could run."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from command_line import Run, assert_refused, runner
from rich.console import Console
from taped import NAME, answered, refused, scenario_in, taped

from tapeline.cli.scenarios import table_of
from tapeline.client import chat_model
from tapeline.scenarios import bundled_scenarios, load_scenario, load_scenarios
from tapeline.scenarios.selection import all_runs
from tapeline.scenarios.verdicts import Ran
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

    assert (ended.code, ended.out, ended.err) == (0, f"ok      {NAME} openai\n", "")


def test_a_check_that_fails_is_shown_and_is_exit_code_1(run: Run, tmp_path: Path) -> None:
    file = taped(tmp_path, answered("two words"), checks=[{"contains": "Paris"}])

    ended = run("run", file.path)

    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"FAILED  {NAME} openai",
        "        call 1: contains: 'Paris' does not hold for 'two words' (stop)",
    ]


def test_json_says_the_same_and_ends_the_same(run: Run, tmp_path: Path) -> None:
    file = taped(tmp_path, answered("two words"), checks=[{"contains": "Paris"}])

    ended = run("run", file.path, "--json")

    assert ended.code == 1
    assert json.loads(ended.out) == [
        {
            "scenario": NAME,
            "case": None,
            "target": "openai",
            "state": "failed",
            "problems": ["call 1: contains: 'Paris' does not hold for 'two words' (stop)"],
        }
    ]


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

    assert (ended.code, ended.out) == (0, f"ok      {NAME} openai\n")


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


CASES = {"prompt": "Say {{n}} words.", "cases": [{"vars": {"n": "two"}}, {"vars": {"n": "three"}}]}


def test_what_fails_does_not_hide_what_holds(run: Run, tmp_path: Path) -> None:
    """An error that was recorded, and a cassette that is not there, are exit code 1: a check failed."""
    taped(tmp_path, answered("two words"), name="a")
    taped(tmp_path, refused(401, "no such key"), name="b")
    scenario_in(tmp_path, name="c")

    ended = run("run", tmp_path / "scenarios")

    assert (ended.code, ended.err) == (1, "")
    verdicts = [line for line in ended.out.splitlines() if not line.startswith(" ")]
    assert verdicts == ["ok      a openai", "FAILED  b openai", "FAILED  c openai"]
    assert "no such key" in ended.out
    assert "openai.yaml" in ended.out


def test_cases_are_run_one_by_one_and_chosen(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path, **CASES)

    by_case = run("run", path, "--case", "two")
    by_word = run("run", path, "-k", "greet and not TWO")

    assert [line for line in by_case.out.splitlines() if line[0] != " "] == [f"FAILED  {NAME}[two] openai"]
    assert [line for line in by_word.out.splitlines() if line[0] != " "] == [f"FAILED  {NAME}[three] openai"]


def test_what_is_skipped_or_known_to_fail_is_no_failure(run: Run, tmp_path: Path) -> None:
    taped(tmp_path, answered("x"), name="a", skip="not today")
    taped(tmp_path, answered("x"), name="b", xfail="a bug", checks=[{"contains": "y"}])
    taped(tmp_path, answered("x"), name="c", xfail="a bug")

    ended = run("run", tmp_path / "scenarios")

    assert (ended.code, ended.out.splitlines()) == (
        0,
        [
            "skipped a openai",
            "        not today",
            "xfailed b openai",
            "        a bug",
            "xpassed c openai",
            "        a bug",
        ],
    )


def test_a_terminal_sees_how_far_each_scenario_is(tmp_path: Path) -> None:
    """A name cannot drive it."""
    file = load_scenario(scenario_in(tmp_path, **CASES))
    runs = all_runs([file])
    ended = [Ran(run=runs[0], state="failed", problems=("\x1b[2J",))]
    console = Console(file=StringIO(), width=80)

    console.print(table_of(runs, ended))

    assert [line.split() for line in console.file.getvalue().splitlines()] == [
        ["scenario", "done", "failed", "last"],
        [NAME, "1/2", "1", f"{NAME}[two@openai]", "failed"],
    ]


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

    assert_refused(
        run("run", path, "--target", "opnai"),
        "no target is called opnai; did you mean openai? There are openai",
    )


def test_a_broken_cassette_is_refused(run: Run, tmp_path: Path) -> None:
    file = taped(tmp_path, answered("two words"))
    file.cassette(file.scenario.targets[0]).write_text("interactions: [3]")

    assert_refused(run("run", file.path), "openai.yaml: interaction 1")


def test_an_unknown_provider_is_refused(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path, targets=["opnai:m"])

    assert_refused(run("run", path), "did you mean 'openai'?")


def test_to_record_without_a_key_is_refused(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path, targets=["openai:m"])

    assert_refused(run("run", path, "--record-mode", "all"), "OPENAI_API_KEY")
    assert files_in(tmp_path) == [path]


def test_an_unknown_case_is_refused(run: Run, tmp_path: Path) -> None:
    path = scenario_in(tmp_path, **CASES)

    assert_refused(run("run", path, "--case", "tow"), "no case is called tow; did you mean two?")


@pytest.mark.parametrize(
    ("words", "hint"), [("and", "one word is wanted"), ("nowhere", "nothing is left to run")]
)
def test_words_that_choose_nothing_are_refused(run: Run, tmp_path: Path, words: str, hint: str) -> None:
    assert_refused(run("run", scenario_in(tmp_path), "-k", words), hint)


def test_a_file_name_cannot_drive_the_terminal(run: Run) -> None:
    assert_refused(run("run", "\x1b[2J.yaml"), r"\x1b[2J.yaml")


def test_an_unknown_record_mode_is_wrong_usage(run: Run) -> None:
    ended = run("run", "--record-mode", "sometimes")

    assert (ended.code, ended.out) == (2, "")
    assert "sometimes" in ended.err


def test_a_project_runs_its_own_scenarios_by_default(run: Run, tmp_path: Path) -> None:
    """Those in `./scenarios`; elsewhere the bundled ones show what a run looks like."""
    assert "capital" in run("run").out

    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "own.yaml").write_text("{name: own, prompt: hi, targets: ['mock:m']}")
    ended = run("run")

    assert ended.code == 1  # nothing is recorded yet
    assert "own mock" in ended.out
    assert "capital" not in ended.out
