"""`tapeline cassette ls` and `stats`: what there is at a glance, and what is broken beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Run, assert_refused
from taped import NAME, answered, streamed, taped

OLD = {"recorded_at": "2020-01-01T00:00:00+00:00"}


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """One plain answer of long ago and two streams of 1.5 s: 18 tokens in all."""
    old = replace(answered("yes"), meta=OLD)
    stream = streamed("two ", "words", head_s=0.5, gap_s=0.5)
    file = taped(tmp_path, old, stream, stream)
    return file.cassette(file.scenario.targets[0])


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "cassettes" / "broken.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("interactions: [\x1b[31m")
    return path


# ls -----------------------------------------------------------------------------------------------------


def test_a_cassette_is_one_line_below_its_folder(run: Run, cassette: Path) -> None:
    ended = run("cassette", "ls")

    head, folder, row, *end = ended.out.splitlines()
    assert ended.code == 0
    assert head.split() == ["calls", "size", "tokens", "USD", "recorded", "model"]
    assert folder == f"cassettes/{NAME}/"
    assert row.split()[:3] == ["openai.yaml", "3", "~2"]
    assert row.split()[5:] == ["18", "-", "2020-01-01", "openai:m"]
    assert end[1].startswith("1 cassette, 3 calls, ")
    assert end[2] == "to record: 3 calls, 18 tokens, 3 calls of unknown price"


def test_what_is_too_old_is_marked(run: Run, cassette: Path) -> None:
    out = run("cassette", "ls", "--max-age", "30d").out

    assert "!2020-01-01" in out
    assert "! 1 cassette with calls older than --max-age" in out


def test_what_is_young_enough_is_not_marked(run: Run, cassette: Path) -> None:
    assert "!" not in run("cassette", "ls", "--max-age", "99999d").out


def test_an_age_that_is_none_is_refused(run: Run, cassette: Path) -> None:
    assert_refused(run("cassette", "ls", "--max-age", "old"), "such as 30d")


def test_the_list_fits_the_terminal(run: Run, cassette: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = cassette.with_name(f"test_{'long' * 20}.yaml")
    long.write_bytes(cassette.read_bytes())
    monkeypatch.setenv("COLUMNS", "80")

    out = run("cassette", "ls").out

    assert max(map(len, out.splitlines())) <= 80
    assert f"{long.name[:30]}" in out


def test_a_list_that_is_piped_has_whole_names(run: Run, cassette: Path) -> None:
    long = cassette.with_name(f"test_{'long' * 20}.yaml")
    long.write_bytes(cassette.read_bytes())

    assert long.name in run("cassette", "ls").out


def test_a_broken_file_is_named_and_the_others_go_on(run: Run, cassette: Path, broken: Path) -> None:
    ended = run("cassette", "ls")

    assert ended.code == 1
    assert "  broken.yaml: not YAML" in ended.out
    assert "openai.yaml" in ended.out
    assert "\x1b" not in ended.out


def test_a_list_as_json(run: Run, cassette: Path, broken: Path) -> None:
    ended = run("cassette", "ls", "--json")

    problem, fine = json.loads(ended.out)
    assert ended.code == 1
    assert "not YAML" in problem["problem"]
    assert (fine["path"], fine["interactions"], fine["streams"]) == (f"cassettes/{NAME}/openai.yaml", 3, 2)


@pytest.mark.parametrize("verb", ["ls", "stats"])
def test_none_found_is_said_and_no_failure(run: Run, verb: str) -> None:
    ended = run("cassette", verb)

    assert (ended.code, ended.out, ended.err) == (0, "", "no cassettes below .\n")


@pytest.mark.parametrize("verb", ["ls", "stats"])
def test_a_path_that_is_not_there_is_refused(run: Run, verb: str) -> None:
    assert_refused(run("cassette", verb, "nowhere"), "nowhere: no such file or folder")


# stats --------------------------------------------------------------------------------------------------


def test_stats_sum_up_by_model(run: Run, cassette: Path) -> None:
    ended = run("cassette", "stats", "cassettes")

    head, row, total, *end = ended.out.splitlines()
    assert ended.code == 0
    assert head.split() == ["files", "calls", "size", "tokens", "USD", "waited", "oldest"]
    assert row.split()[:3] == ["openai:m", "1", "3"]
    assert row.split()[5:] == ["18", "-", "3.0", "s", "2020-01-01"]
    assert total.split()[1:] == row.split()[1:]
    assert end[1:] == [
        "each replay of all saves 3 calls, 18 tokens, 3 calls of unknown price",
        "and 3.0 s of waiting, one call after the other",
    ]


def test_stats_as_json(run: Run, cassette: Path, broken: Path) -> None:
    ended = run("cassette", "stats", "--json")

    found = json.loads(ended.out)
    assert ended.code == 1
    assert found["unreadable"] == ["cassettes/broken.yaml"]
    assert found["total"] | {"source": "openai:m"} == found["sources"][0]
    assert (found["total"]["interactions"], found["total"]["waited_s"]) == (3, 3.0)


def test_stats_name_what_they_leave_out(run: Run, cassette: Path, broken: Path) -> None:
    assert "not counted: cassettes/broken.yaml: not YAML" in run("cassette", "stats").out


# expire -------------------------------------------------------------------------------------------------


def test_expired_cassettes_are_listed(run: Run, cassette: Path) -> None:
    ended = run("cassette", "expire", "--max-age", "30d")

    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"cassettes/{NAME}/openai.yaml: 1 of 3 calls, oldest 2020-01-01",
        "1 of 1 cassette older than 30d: record them again, with pytest --record-mode=all TESTS",
    ]


def test_what_is_young_or_has_no_date_has_not_expired(run: Run, cassette: Path) -> None:
    undated = cassette.with_name("undated.yaml")
    undated.write_text("interactions: []")

    ended = run("cassette", "expire", "--max-age", "99999d")

    assert (ended.code, ended.out) == (0, "0 of 2 cassettes older than 99999d\n")
    assert ended.err.startswith("1 cassette without dates, which never expire")


def test_expired_cassettes_as_json(run: Run, cassette: Path, broken: Path) -> None:
    ended = run("cassette", "expire", "--max-age", "30d", "--json")

    unreadable, old = json.loads(ended.out)
    assert ended.code == 1
    assert unreadable["problem"].startswith("not YAML")
    assert old == {
        "expired": [1],
        "path": f"cassettes/{NAME}/openai.yaml",
        "problem": None,
        "interactions": 3,
        "recorded_from": "2020-01-01T00:00:00+00:00",
    }


def test_a_broken_file_is_named_beside_what_has_expired(run: Run, broken: Path) -> None:
    ended = run("cassette", "expire", "--max-age", "30d")

    assert ended.code == 1
    assert ended.out.startswith("cassettes/broken.yaml: not YAML")
