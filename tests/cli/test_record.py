"""`tapeline record`: what is missing and nothing else, told on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, assert_refused, runner
from local_server import LocalServer, echo
from taped import NAME, answered, scenario_in, taped

from tapeline.cassettes.storage.fileformat import load

CASES = {"prompt": "Say {{n}} words.", "cases": [{"vars": {"n": "two"}}, {"vars": {"n": "three"}}]}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(echo) as server:
        yield server


def targets(server: LocalServer) -> list[dict[str, Any]]:
    return [{"model": "openai:gpt-5.4-mini", "base_url": f"{server.url}/v1"}]


def test_what_is_missing_is_recorded_once(run: Run, tmp_path: Path, server: LocalServer) -> None:
    path = scenario_in(tmp_path, targets=targets(server), **CASES)
    folder = Path("cassettes") / NAME / "openai"

    dry = run("record", path, "--dry-run")
    first = run("record", path)
    second = run("record", path)

    assert (dry.code, dry.out.splitlines()) == (
        0,
        [
            f"missing    {NAME}[two] openai: {tmp_path / folder / 'two.yaml'}",
            f"missing    {NAME}[three] openai: {tmp_path / folder / 'three.yaml'}",
        ],
    )
    assert first.code == 0
    assert [line.split(":")[0] for line in first.out.splitlines()] == [
        f"recorded   {NAME}[two] openai",
        f"recorded   {NAME}[three] openai",
    ]
    assert "1 call, " in first.out
    assert (second.code, second.out) == (0, "")
    assert second.err == "nothing is missing in 2 recordings\n"
    assert len(server.asked) == 2
    assert run("run", path).code == 0


def test_what_a_cassette_lacks_is_added(run: Run, tmp_path: Path, server: LocalServer) -> None:
    """One more call than was recorded: the ones that are there are not made again."""
    path = scenario_in(tmp_path, targets=targets(server))
    run("record", path)
    scenario_in(tmp_path, targets=targets(server), repeat=2)

    dry = run("record", path, "--dry-run", "--json")
    run("record", path)

    [row] = json.loads(dry.out)
    assert (row["lack"], row["spent"]["calls"]) == ("incomplete", 0)
    assert len(server.asked) == 2
    assert len(load(tmp_path / "cassettes" / NAME / "openai.yaml")) == 2


def test_what_a_changed_prompt_no_longer_asks_for_is_dropped(
    run: Run, tmp_path: Path, server: LocalServer
) -> None:
    run("record", scenario_in(tmp_path, targets=targets(server)))
    path = scenario_in(tmp_path, targets=targets(server), prompt="Say three words.")

    ended = run("record", path)

    assert ended.code == 0
    [interaction] = load(tmp_path / "cassettes" / NAME / "openai.yaml")
    assert b"Say three words." in interaction.response.body
    assert run("run", path).code == 0


def test_force_records_what_is_there_anew(run: Run, tmp_path: Path, server: LocalServer) -> None:
    path = scenario_in(tmp_path, targets=targets(server))
    run("record", path)

    ended = run("record", path, "--force", "--json")

    [row] = json.loads(ended.out)
    assert (ended.code, row["lack"], row["spent"]["calls"], row["problems"]) == (0, "recorded", 1, [])
    assert len(server.asked) == 2
    assert len(load(tmp_path / "cassettes" / NAME / "openai.yaml")) == 1


def test_what_fails_its_checks_is_not_kept_and_the_others_are(
    run: Run, tmp_path: Path, server: LocalServer
) -> None:
    path = scenario_in(tmp_path, targets=targets(server), checks=[{"contains": "two"}], **CASES)

    ended = run("record", path)

    assert ended.code == 1
    assert f"FAILED     {NAME}[three] openai: not kept\n           call 1: contains: 'two'" in ended.out
    assert [file.name for file in (tmp_path / "cassettes").rglob("*.yaml")] == ["two.yaml"]


def test_a_budget_that_is_spent_sends_nothing_more(run: Run, tmp_path: Path, server: LocalServer) -> None:
    path = scenario_in(tmp_path, targets=targets(server), **CASES)

    ended = run("record", path, "--budget", "0.00000001")

    assert ended.code == 1
    assert "budget" in ended.out
    assert len(server.asked) == 1


def test_what_is_skipped_is_not_recorded(run: Run, tmp_path: Path, server: LocalServer) -> None:
    path = scenario_in(tmp_path, targets=targets(server), skip="later")

    assert run("record", path).out == ""
    assert server.asked == []


def test_a_run_that_is_interrupted_keeps_what_was_recorded(
    run: Run, tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of what was under way."""
    (tmp_path / "checks_that_interrupt.py").write_text(
        "def stop(text, context):\n    if context.case == 'three':\n        raise KeyboardInterrupt\n"
        "    return True\n"
    )
    path = scenario_in(
        tmp_path, targets=targets(server), checks=[{"python": "checks_that_interrupt.stop"}], **CASES
    )

    ended = run("record", path)

    assert ended.code == 130
    assert "Traceback" not in ended.err
    files = [file.name for file in (tmp_path / "cassettes").rglob("*") if file.is_file()]
    assert files == ["two.yaml"]


def test_a_cassette_that_is_broken_is_refused(run: Run, tmp_path: Path) -> None:
    file = taped(tmp_path, answered("x"))
    file.cassette(file.scenario.targets[0]).write_text("interactions: [3]")

    assert_refused(run("record", file.path), "openai.yaml: interaction 1")


def test_to_record_without_a_key_is_refused(run: Run, tmp_path: Path) -> None:
    assert_refused(run("record", scenario_in(tmp_path, targets=["openai:m"])), "OPENAI_API_KEY")


def test_a_budget_that_is_no_amount_is_refused(run: Run, tmp_path: Path) -> None:
    assert_refused(run("record", scenario_in(tmp_path), "--budget", "much"), "much")
