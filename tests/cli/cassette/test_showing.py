"""`tapeline cassette show` and `diff`: what is in a cassette, and what sets two apart."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from command_line import Run, assert_refused
from taped import answered, streamed, taped

from tapeline.cassettes.storage.fileformat import load, save


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """A plain answer and a stream."""
    file = taped(tmp_path, answered("yes\x1b[2J"), streamed("two ", "words", head_s=0.25, gap_s=0.5))
    return file.cassette(file.scenario.targets[0])


def changed(cassette: Path, text: str) -> Path:
    """A copy whose first answer says something else."""
    first, *others = load(cassette)
    other = replace(first, response=answered(text))
    copy = cassette.with_name("copy.yaml")
    save(copy, [other, *others])
    return copy


# show ---------------------------------------------------------------------------------------------------


def test_all_interactions_are_shown_with_their_numbers(run: Run, cassette: Path) -> None:
    ended = run("cassette", "show", cassette)

    assert ended.code == 0
    assert f"{cassette}: interaction 1\nPOST http://127.0.0.1:1/v1/chat/completions\n" in ended.out
    assert f"{cassette}: interaction 2\n" in ended.out
    assert "openai:m, 4 tokens in, 2 out, price not known" in ended.out
    assert "head after 250 ms" in ended.out


def test_one_interaction_is_shown_by_its_number(run: Run, cassette: Path) -> None:
    out = run("cassette", "show", cassette, 2).out

    assert f"{cassette}: interaction 2\n" in out
    assert "interaction 1" not in out


def test_what_a_terminal_would_obey_is_an_escape(run: Run, cassette: Path) -> None:
    out = run("cassette", "show", cassette, 1, "--full").out

    assert "yes" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(("number", "hint"), [(3, "has no interaction 3: there are 2")])
def test_a_number_that_is_not_there_is_refused(run: Run, cassette: Path, number: int, hint: str) -> None:
    assert_refused(run("cassette", "show", cassette, number), hint)


@pytest.mark.parametrize("verb", [["show", "nowhere.yaml"], ["diff", "nowhere.yaml", "nowhere.yaml"]])
def test_a_file_that_is_not_there_is_refused(run: Run, verb: list[str]) -> None:
    assert_refused(run("cassette", *verb), "nowhere.yaml")


def test_interactions_as_json(run: Run, cassette: Path) -> None:
    plain, stream = json.loads(run("cassette", "show", cassette, "--json").out)

    assert plain["response"]["body"]["choices"][0]["message"]["content"] == "yes\x1b[2J"
    assert (stream["head_s"], stream["response"]["events"][0]["at_s"]) == (0.25, 0.5)


@pytest.mark.parametrize("part", ["request", "response"])
def test_a_body_is_written_as_it_is(
    run: Run, cassette: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = BytesIO()
    monkeypatch.setattr("sys.stdout", TextIOWrapper(written))
    run("cassette", "show", cassette, 2, "--raw", part)

    assert written.getvalue() == getattr(load(cassette)[1], part).body


def test_raw_bytes_are_those_of_one_interaction(run: Run, cassette: Path) -> None:
    assert_refused(run("cassette", "show", cassette, "--raw", "response"), "--raw writes one body")


def test_raw_bytes_are_kept_from_a_terminal(
    run: Run, cassette: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    assert_refused(run("cassette", "show", cassette, 1, "--raw", "response"), "send them to a file")


# diff ---------------------------------------------------------------------------------------------------


def test_equal_cassettes_have_no_differences(run: Run, cassette: Path) -> None:
    ended = run("cassette", "diff", cassette, cassette)

    assert ended.code == 0
    assert ended.out.startswith("2 same, 0 changed, 0 removed, 0 added\n")


def test_what_changed_is_shown_on_both_sides(run: Run, cassette: Path) -> None:
    ended = run("cassette", "diff", cassette, changed(cassette, "no"))

    assert ended.code == 1
    assert ended.out.startswith("1 same, 1 changed, 0 removed, 0 added\n")
    assert "+ no" in ended.out
    assert "\x1b" not in ended.out


def test_differences_as_json(run: Run, cassette: Path) -> None:
    ended = run("cassette", "diff", cassette, changed(cassette, "no"), "--json")

    found = json.loads(ended.out)
    [pair] = found.pop("changed")
    assert (ended.code, found) == (1, {"same": 1, "removed": [], "added": []})
    assert (pair["old"], pair["new"], pair["request"]) == (1, 1, [])
    assert [(change["place"], change["new"]) for change in pair["answer"]] == [
        ("$.choices[0].message.content", "no")
    ]
