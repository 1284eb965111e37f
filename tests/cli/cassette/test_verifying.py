"""`tapeline cassette verify`: live answers of another shape are found, and the cassette stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Run, assert_refused
from local_server import Answer, LocalServer
from taped import answered, taped

from tapeline.cassettes.storage.fileformat import load, save
from tapeline.cli.cassette.verifying import ranges

ANSWER = json.loads(answered("yes").body)


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """Two answers to one question, and a third without its tokens."""
    brief = replace(answered("yes"), body=json.dumps({**ANSWER, "usage": {}}).encode())
    file = taped(tmp_path, answered("yes"), answered("no"), brief)
    return file.cassette(file.scenario.targets[0])


def served(answer: object) -> LocalServer:
    return LocalServer(lambda _: Answer(blocks=[json.dumps(answer).encode()]))


@pytest.fixture
def same() -> Iterator[LocalServer]:
    """A server that answers as recorded."""
    with served(ANSWER) as server:
        yield server


def test_answers_of_the_recorded_shape_are_counted(run: Run, cassette: Path, same: LocalServer) -> None:
    """The third has more than was recorded, which breaks nothing."""
    before = cassette.read_bytes()

    ended = run("cassette", "verify", cassette, "--target", same.url)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"{cassette}: 2 of 3 answers of the recorded shape\n  3  POST ")
    assert "     added: $.usage.completion_tokens (number)" in ended.out
    assert cassette.read_bytes() == before
    assert len(same.asked) == 1
    assert run("cassette", "verify", cassette, "--target", same.url, "--strict").code == 1


def test_another_shape_fails(run: Run, cassette: Path) -> None:
    """What is wrong with several is said once."""
    with served({**ANSWER, "model": 7, "extra\x1b[2J": 1}) as server:
        ended = run("cassette", "verify", cassette, "--target", server.url)

    assert ended.code == 1
    assert (
        "  1-2  POST http://127.0.0.1:1/v1/chat/completions\n     changed: $.model: string -> number"
        in ended.out
    )
    assert "\x1b" not in ended.out


def test_findings_as_json(run: Run, cassette: Path, same: LocalServer) -> None:
    ended = run("cassette", "verify", cassette.parent, "--target", same.url, "--json")

    [found] = json.loads(ended.out)
    first, _, third = found["interactions"]
    assert (found["path"], found["problem"]) == (str(cassette), None)
    assert first == {
        "number": 1,
        "name": "POST http://127.0.0.1:1/v1/chat/completions",
        "problem": None,
        "is_skipped": False,
        "differences": [],
    }
    assert third["differences"][0]["severity"] == "added"


def test_a_broken_file_is_named_and_the_others_go_on(run: Run, cassette: Path, same: LocalServer) -> None:
    broken = cassette.with_name("a.yaml")
    broken.write_text("interactions: [")

    ended = run("cassette", "verify", cassette.parent, "--target", same.url)

    assert ended.code == 1
    assert f"{broken}: not YAML" in ended.out
    assert f"{cassette}: 2 of 3" in ended.out


def test_who_cannot_be_asked_is_a_failure(run: Run, cassette: Path) -> None:
    ended = run("cassette", "verify", cassette, "--target", "http://127.0.0.1:9")

    assert ended.code == 1
    assert "  1-3  no answer: ConnectError" in ended.out


def test_what_is_not_to_be_sent_is_no_failure(run: Run, cassette: Path, same: LocalServer) -> None:
    """It is said, and nothing is asked."""
    [chat, *_] = load(cassette)
    upload = replace(chat, request=replace(chat.request, url="http://127.0.0.1:1/v1/files"))
    save(cassette, [upload])

    ended = run("cassette", "verify", cassette, "--target", same.url)

    assert (ended.code, same.asked) == (0, [])
    assert "  1  not sent: it is no request for an answer" in ended.out


def test_a_target_with_a_path_is_refused(run: Run, cassette: Path) -> None:
    assert_refused(run("cassette", "verify", cassette, "--target", "http://x/v1"), "write scheme and host")


def test_files_are_to_be_named(run: Run) -> None:
    """It costs money: nothing is asked by accident."""
    assert run("cassette", "verify").code == 2


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([4], "4"), ([1, 2, 3], "1-3"), ([1, 2, 4, 6, 7], "1-2, 4, 6-7")]
)
def test_numbers_are_said_in_short(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text
