"""`tapeline cassette orphans`: what nothing uses is listed, and removed only where that is wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Run, assert_refused
from taped import answered, taped


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A scenario with its cassette, one that a test uses, one that code names, and two of nobody."""
    taped(tmp_path, answered("yes"))
    for name in ("test_x/test_used", "by_hand", "test_x/test_gone", "test_old/test_gone"):
        path = tmp_path / "cassettes" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text("interactions: []\n")
    (tmp_path / "conftest.py").write_text("use_cassette('by_hand.yaml')\n")
    (tmp_path / "used.txt").write_text(f"{tmp_path}/cassettes/test_x/test_used.yaml\n")
    return tmp_path


GONE = ["cassettes/test_old/test_gone.yaml", "cassettes/test_x/test_gone.yaml"]


def test_what_nothing_uses_is_listed(run: Run, project: Path) -> None:
    ended = run("cassette", "orphans", "--used", "used.txt")

    assert ended.code == 1
    assert ended.out.splitlines() == [*GONE, "2 of 5 cassettes are used by nothing"]
    assert all((project / path).exists() for path in GONE)


def test_a_folder_can_be_looked_at_alone(run: Run, project: Path) -> None:
    ended = run("cassette", "orphans", "cassettes/test_x", "--used", "used.txt", "--json")

    assert (ended.code, json.loads(ended.out)) == (1, {"orphans": GONE[1:], "is_deleted": False})


def test_what_is_kept_is_no_orphan(run: Run, project: Path) -> None:
    ended = run("cassette", "orphans", "--used", "used.txt", "--keep", "cassettes/test_*/*")

    assert (ended.code, ended.out) == (0, "0 of 2 cassettes are used by nothing\n")


def test_orphans_are_removed_where_that_is_wanted(run: Run, project: Path) -> None:
    """And nothing else; the folder that is empty then goes with them."""
    ended = run("cassette", "orphans", "--used", "used.txt", "--delete", "--yes")

    assert (ended.code, ended.err) == (0, "deleted 2 cassettes\n")
    assert [path.relative_to(project).as_posix() for path in sorted((project / "cassettes").rglob("*"))] == [
        "cassettes/by_hand.yaml",
        "cassettes/greet",
        "cassettes/greet/openai.yaml",
        "cassettes/test_x",
        "cassettes/test_x/test_used.yaml",
    ]


def test_nobody_is_asked_where_there_is_no_terminal(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)

    ended = run("cassette", "orphans", "--used", "used.txt", "--delete")

    assert ended.code == 2
    assert "add --yes" in ended.err
    assert all((project / path).exists() for path in GONE)


@pytest.mark.parametrize(("answer", "is_there"), [(False, True), (True, False)])
def test_on_a_terminal_it_asks_first(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch, answer: bool, is_there: bool
) -> None:
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question, **_: asked.append(question) or answer)

    ended = run("cassette", "orphans", "--used", "used.txt", "--delete")

    assert (ended.code, asked) == (int(is_there), ["delete 2 cassettes?"])
    assert {(project / path).exists() for path in GONE} == {is_there}


def test_nothing_is_removed_while_a_scenario_is_broken(run: Run, project: Path) -> None:
    """It may be the one that uses them."""
    (project / "scenarios" / "greet.yaml").write_text("name: [")

    ended = run("cassette", "orphans", "--used", "used.txt", "--delete", "--yes")

    assert_refused(ended, "greet.yaml")
    assert all((project / path).exists() for path in GONE)


def test_a_list_that_is_not_there_is_refused(run: Run, project: Path) -> None:
    assert_refused(run("cassette", "orphans", "--used", "nowhere.txt"), "cannot read this list")


def test_arguments_that_cannot_be_read_are_refused(run: Run, project: Path) -> None:
    assert_refused(
        run("cassette", "orphans", "--pytest-args", "-m 'slow"), "--pytest-args: No closing quotation"
    )


def test_without_cassettes_nothing_is_asked(run: Run) -> None:
    ended = run("cassette", "orphans")

    assert (ended.code, ended.out) == (0, "0 of 0 cassettes are used by nothing\n")
