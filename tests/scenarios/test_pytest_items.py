"""Scenario files as tests, in a pytest of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from inner_pytest import ALONE, BARE, recording
from local_server import LocalServer, echo

from tapeline.cassettes.storage.fileformat import load, save
from tapeline.scenarios.pytest_items import cassette_of

pytest_plugins = ["pytester"]

SCENARIO = """\
name: greeting
description: Says hello.
prompt: hi
targets:
  - {model: "openai:m", base_url: "http://127.0.0.1:1/v1"}
  - {model: "openai:m", base_url: "http://127.0.0.1:1/v1", name: other}
checks:
  - contains: hello
"""
SNAPSHOTS = "scenarios/__snapshots__/greeting"


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    """One scenario and its cassettes."""
    (pytester.path / "scenarios").mkdir()
    (pytester.path / "scenarios" / "greeting.yaml").write_text(SCENARIO)
    for target in ("openai", "other"):
        save(pytester.path / "cassettes" / "greeting" / f"{target}.yaml", [recording()])
    return pytester.path


def run_scenarios(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*ALONE, *arguments)


def test_a_scenario_is_a_test_for_each_target(pytester: pytest.Pytester, folder: Path) -> None:
    result = run_scenarios(pytester, "--collect-only", "-q")

    result.stdout.fnmatch_lines(
        ["scenarios/greeting.yaml::test_greeting?openai?", "scenarios/greeting.yaml::test_greeting?other?"]
    )


def test_outcomes_are_compared_with_a_snapshot(pytester: pytest.Pytester, folder: Path) -> None:
    """Absent: fails. Written by --snapshot-update. Equal: passes. Edited: fails and shows the difference."""
    run_scenarios(pytester).assert_outcomes(failed=2)
    run_scenarios(pytester, "--snapshot-update").assert_outcomes(passed=2)
    run_scenarios(pytester).assert_outcomes(passed=2)
    snapshot = folder / SNAPSHOTS / "test_greeting[openai].yaml"
    assert snapshot.read_text() == "- text: hello\n  finish_reason: stop\n"

    snapshot.write_text(snapshot.read_text().replace("hello", "good morning"))
    result = run_scenarios(pytester)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*hello*"])


def test_targets_are_chosen_by_k(pytester: pytest.Pytester, folder: Path) -> None:
    run_scenarios(pytester, "--snapshot-update", "-k", "other").assert_outcomes(passed=1, deselected=1)

    assert [path.name for path in (folder / SNAPSHOTS).iterdir()] == ["test_greeting[other].yaml"]


def test_a_check_that_does_not_hold_fails(pytester: pytest.Pytester, folder: Path) -> None:
    """Before the snapshot is even written."""
    path = folder / "scenarios" / "greeting.yaml"
    path.write_text(SCENARIO.replace("contains: hello", "contains: goodbye"))

    result = run_scenarios(pytester, "--snapshot-update")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*call 1: contains: 'goodbye' does not hold for 'hello' (stop)*"])
    assert not (folder / SNAPSHOTS).exists()


def test_a_missing_cassette_fails_without_a_traceback(pytester: pytest.Pytester, folder: Path) -> None:
    (folder / "cassettes" / "greeting" / "other.yaml").unlink()

    result = run_scenarios(pytester, "-k", "other")

    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*no interaction in *other.yaml answers POST*", "*empty or does not exist*"])
    assert "execution.py" not in result.stdout.str()


def test_a_recording_that_nothing_asks_for_fails(pytester: pytest.Pytester, folder: Path) -> None:
    """As it does in other tests, and with the same way out."""
    save(folder / "cassettes" / "greeting" / "other.yaml", [recording(), recording("bye")])
    run_scenarios(pytester, "--snapshot-update", "--unplayed=off").assert_outcomes(passed=2)

    result = run_scenarios(pytester)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*1 of 2 recordings are not asked for*Record it anew: tapeline record * --target other --force*"]
    )


def test_a_broken_scenario_is_a_collection_error_with_its_place(
    pytester: pytest.Pytester, folder: Path
) -> None:
    (folder / "scenarios" / "broken.yaml").write_text("name: broken\npromt: hi\ntargets: [openai:m]\n")

    result = run_scenarios(pytester, "--snapshot-update")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*broken.yaml:2:1: promt: unknown key; did you mean 'prompt'?"])
    assert "loading.py" not in result.stdout.str()


def test_other_yaml_files_are_left_alone(pytester: pytest.Pytester, folder: Path) -> None:
    (folder / "settings.yaml").write_text("anything: goes")
    (folder / "scenarios" / "__snapshots__").mkdir()
    (folder / "scenarios" / "__snapshots__" / "x.yaml").write_text("anything: goes")

    run_scenarios(pytester, "--snapshot-update").assert_outcomes(passed=2)


def test_scenarios_are_recorded_with_pytest_recordings_option(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "rewrite" replaces what is there, and only if the checks hold."""
    path = folder / "scenarios" / "greeting.yaml"
    with LocalServer(echo) as server:
        path.write_text(SCENARIO.replace("http://127.0.0.1:1", server.url).replace("hello", "you said hi"))
        result = run_scenarios(pytester, "--record-mode=rewrite", "--snapshot-update", "-k", "openai")
        result.assert_outcomes(passed=1, deselected=1)
        path.write_text(path.read_text().replace("you said hi", "never"))
        run_scenarios(pytester, "--record-mode=rewrite", "-k", "other").assert_outcomes(
            failed=1, deselected=1
        )

    assert len(server.asked) == 2
    cassettes = folder / "cassettes" / "greeting"
    assert b"you said hi" in load(cassettes / "openai.yaml")[0].response.body
    assert load(cassettes / "other.yaml") == [recording()]


def test_recording_stops_when_its_budget_is_spent(pytester: pytest.Pytester, folder: Path) -> None:
    """And the summary says what it cost."""
    path = folder / "scenarios" / "greeting.yaml"
    with LocalServer(echo) as server:
        path.write_text(
            SCENARIO.replace("http://127.0.0.1:1", server.url)
            .replace("openai:m", "openai:gpt-5.4-mini")
            .replace("hello", "you said hi")
        )
        result = run_scenarios(
            pytester, "--record-mode=rewrite", "--snapshot-update", "--record-budget=0.00000001"
        )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*the recording budget of * USD is spent*", "*1 call, * USD*"])
    assert len(server.asked) == 1


@pytest.mark.slow
def test_scenarios_run_in_parallel(pytester: pytest.Pytester, folder: Path) -> None:
    """The mock speaks OpenAI's format too, and spares the worker the import of an SDK."""
    (folder / "scenarios" / "greeting.yaml").write_text(SCENARIO.replace("openai:m", "mock:m"))
    save(folder / "cassettes" / "greeting" / "mock.yaml", [recording()])
    run_scenarios(pytester, "--snapshot-update").assert_outcomes(passed=2)

    result = pytester.runpytest_subprocess(*BARE, "-n", "1")

    result.assert_outcomes(passed=2)


def test_without_syrupy_a_scenario_says_what_to_install(pytester: pytest.Pytester, folder: Path) -> None:
    result = run_scenarios(pytester, "-p", "no:syrupy")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*scenario snapshots need syrupy: pip install 'tapeline?test?'*"])


def test_a_scenario_file_can_be_run_by_its_name(pytester: pytest.Pytester, folder: Path) -> None:
    run_scenarios(pytester, "--snapshot-update")

    result = run_scenarios(pytester, "scenarios/greeting.yaml::test_greeting[other]")

    result.assert_outcomes(passed=1)


TABLE = """\
name: table
prompt: hi
tags: [smoke]
targets:
  - {model: "openai:m", base_url: "http://127.0.0.1:1/v1"}
  - {model: "openai:m", base_url: "http://127.0.0.1:1/v1", name: other}
cases:
  - {name: good, checks: [{contains: hello}]}
  - {name: bad, checks: [{contains: goodbye}], tags: [slow]}
  - {name: later, skip: not today}
  - {name: known, checks: [{contains: goodbye}], xfail: a bug}
"""
IDS = [f"{case}@{target}" for case in ("good", "bad", "later", "known") for target in ("openai", "other")]


@pytest.fixture
def table(pytester: pytest.Pytester) -> Path:
    """A scenario with cases, and its cassettes."""
    (pytester.path / "scenarios").mkdir()
    (pytester.path / "scenarios" / "table.yaml").write_text(TABLE)
    for id in IDS:
        case, _, target = id.partition("@")
        save(pytester.path / "cassettes" / "table" / target / f"{case}.yaml", [recording()])
    return pytester.path


def test_each_case_is_a_test_for_each_target(pytester: pytest.Pytester, table: Path) -> None:
    """Good, bad, skipped and known to fail, with a snapshot of its own each that passed its checks."""
    result = run_scenarios(pytester, "--snapshot-update", "-v", "--junitxml=junit.xml")

    result.assert_outcomes(passed=2, failed=2, skipped=2, xfailed=2)
    result.stdout.fnmatch_lines([f"scenarios/table.yaml::test_table?{id}?*" for id in IDS])
    snapshots = table / "scenarios" / "__snapshots__" / "table"
    assert sorted(path.name for path in snapshots.iterdir()) == [
        "test_table[good@openai].yaml",
        "test_table[good@other].yaml",
    ]
    junit = (table / "junit.xml").read_text()
    assert [id for id in IDS if f'name="test_table[{id}]"' not in junit] == []
    assert "call 1: contains: 'goodbye' does not hold" in junit


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (("-k", "good and other"), ["good@other"]),
        (("-m", "smoke and not slow", "-k", "openai"), ["good@openai", "later@openai", "known@openai"]),
        (("-m", "slow", "--strict-markers"), ["bad@openai", "bad@other"]),
        (("scenarios/table.yaml::test_table[later@other]",), ["later@other"]),
    ],
    ids=["words", "tags", "strict markers", "its name"],
)
def test_cases_are_chosen(
    pytester: pytest.Pytester, table: Path, arguments: tuple[str, ...], ids: list[str]
) -> None:
    """Tags are markers, declared where they stand."""
    result = run_scenarios(pytester, "--collect-only", "-q", *arguments)

    lines = [line for line in result.outlines if "::" in line]
    assert lines == [f"scenarios/table.yaml::test_table[{id}]" for id in ids]


def test_tags_are_declared_once_beside_the_projects_own(pytester: pytest.Pytester, table: Path) -> None:
    pytester.makeini("[pytest]\nmarkers = slow: takes long\n")

    items, _ = pytester.inline_genitems(*ALONE)

    lines = items[0].config.getini("markers")
    assert [line for line in lines if line.startswith(("slow", "smoke"))] == [
        "slow: takes long",
        "smoke: a tag of scenarios.",
    ]


def test_what_failed_is_run_again(pytester: pytest.Pytester, table: Path) -> None:
    with_cache = [argument for argument in ALONE if "cacheprovider" not in argument]
    pytester.runpytest_inprocess(*with_cache, "--snapshot-update").assert_outcomes(
        passed=2, failed=2, skipped=2, xfailed=2
    )

    pytester.runpytest_inprocess(*with_cache, "--lf").assert_outcomes(failed=2)


def test_snapshots_of_tests_that_are_gone_are_reported_and_deleted(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """syrupy leaves reporting to the controller, and would take this run for a worker's."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    run_scenarios(pytester, "--snapshot-update")
    path = folder / "scenarios" / "greeting.yaml"
    path.write_text("".join(line for line in SCENARIO.splitlines(True) if "other" not in line))
    gone = folder / SNAPSHOTS / "test_greeting[other].yaml"

    result = run_scenarios(pytester)

    assert result.ret == 1
    result.stdout.fnmatch_lines(["*1 snapshot passed. 1 snapshot unused.*"])
    assert gone.exists()
    run_scenarios(pytester, "--snapshot-update").assert_outcomes(passed=1)
    assert not gone.exists()


def test_scenarios_of_one_name_do_not_share_cassettes(pytester: pytest.Pytester, folder: Path) -> None:
    (folder / "scenarios" / "other.yaml").write_text(SCENARIO)

    result = run_scenarios(pytester, "--snapshot-update")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*are both called 'greeting': they would share cassettes*"])


def test_a_pace_on_the_command_line_is_that_of_all(pytester: pytest.Pytester, folder: Path) -> None:
    """The recorded answer took 2.5 s; at no pace it takes none."""
    path = folder / "scenarios" / "greeting.yaml"
    path.write_text(SCENARIO + "  - not-latency: 2499\n  - latency: 2500\n")

    run_scenarios(pytester, "--snapshot-update").assert_outcomes(passed=2)
    run_scenarios(pytester, "--pace=none").assert_outcomes(failed=2)


def test_the_cassette_of_a_test_is_known(pytester: pytest.Pytester, table: Path) -> None:
    pytester.makepyfile("def test_other(): pass")
    items, _ = pytester.inline_genitems(*ALONE)

    assert [cassette_of(item) for item in items] == [
        *(
            table / "cassettes" / "table" / target / f"{case}.yaml"
            for case, target in (id.split("@") for id in IDS)
        ),
        None,
    ]
