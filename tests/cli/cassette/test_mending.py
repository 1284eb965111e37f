"""`tapeline cassette lint`, `scrub`, `migrate`: what is wrong is named, and what mends it mends only that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Run, assert_refused
from taped import NAME, answered, taped

from tapeline.cassettes.storage.fileformat import load

PLAIN = """\
interactions:
- request:
    body: '{"model": "m"}'
    headers:
      authorization: ['Basic c2VjcmV0LXNlY3JldA==']
    method: POST
    uri: https://api.test/v1/chat/completions
  response:
    body: {string: '{}'}
    headers:
      content-type: [application/json]
    status: {code: 200, message: OK}
version: 1
"""
"""As stock vcrpy writes it."""


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A cassette with nothing wrong."""
    file = taped(tmp_path, answered("yes"))
    return file.cassette(file.scenario.targets[0])


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """One of stock vcrpy, with a password."""
    path = tmp_path / "cassettes" / "plain.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(PLAIN)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "cassettes" / "broken.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("interactions: [\x1b")
    return path


@pytest.mark.parametrize("verb", ["lint", "scrub", "migrate"])
def test_none_found_is_said_and_no_failure(run: Run, verb: str) -> None:
    assert run("cassette", verb).err == "no cassettes below .\n"


@pytest.mark.parametrize("verb", ["lint", "scrub", "migrate"])
def test_a_path_that_is_not_there_is_refused(run: Run, verb: str) -> None:
    assert_refused(run("cassette", verb, "nowhere"), "no such file or folder")


# lint ---------------------------------------------------------------------------------------------------


def test_lint_says_what_is_wrong_below_the_file_it_is_in(run: Run, ours: Path, broken: Path) -> None:
    ended = run("cassette", "lint")

    name, finding, *others = ended.out.splitlines()
    assert ended.code == 1
    assert name == "cassettes/broken.yaml"
    assert finding.startswith("  error    not YAML")
    assert others[-1].startswith("2 cassettes: 1 error, ")
    assert "\x1b" not in ended.out


def test_what_is_wrong_in_many_places_is_said_once(run: Run, plain: Path) -> None:
    head, item = PLAIN.split("interactions:\n")[0], PLAIN.split("interactions:\n")[1].split("version")[0]
    plain.write_text(f"{head}interactions:\n{item * 3}version: 1\n".replace("message: OK", "other: 1"))

    out = run("cassette", "lint").out

    assert "  error    interaction 1 and 2 more: vcrpy cannot replay a response without status" in out
    assert out.count("status.message") == 1


def test_warnings_fail_where_that_is_wanted(run: Run, plain: Path) -> None:
    """It has no date, and else nothing that is wrong."""
    plain.write_text(PLAIN.replace("authorization: ['Basic c2VjcmV0LXNlY3JldA==']", "accept: ['*/*']"))

    codes = run("cassette", "lint").code, run("cassette", "lint", "--strict").code

    assert codes == (0, 1)


def test_findings_as_json(run: Run, ours: Path, broken: Path) -> None:
    ended = run("cassette", "lint", "--json")

    [bad, fine] = json.loads(ended.out)
    assert (bad["path"], [item["severity"] for item in bad["findings"]]) == (
        "cassettes/broken.yaml",
        ["error"],
    )
    assert fine["path"] == f"cassettes/{NAME}/openai.yaml"
    assert [item for item in fine["findings"] if item["severity"] == "error"] == []


# scrub --------------------------------------------------------------------------------------------------


def test_secrets_are_taken_out_and_counted_by_kind(run: Run, ours: Path, plain: Path) -> None:
    ended = run("cassette", "scrub")

    assert ended.code == 0
    assert ended.out.splitlines() == [
        "cassettes/plain.yaml",
        "      1  request header authorization",
        "2 cassettes: 1 thing taken out of 1, 0 failed",
    ]
    assert ended.err.startswith("What was committed stays in the history")
    assert "c2VjcmV0" not in plain.read_text()
    assert run("cassette", "scrub").out == "2 cassettes: 0 things taken out of 0, 0 failed\n"


def test_a_dry_run_fails_where_there_is_something_to_scrub(run: Run, plain: Path) -> None:
    """And writes nothing."""
    ended = run("cassette", "scrub", "--dry-run")

    assert (ended.code, ended.err) == (1, "")
    assert ended.out.endswith("1 cassette: 1 thing to be taken out of 1, 0 failed\n")
    assert plain.read_text() == PLAIN


def test_what_cannot_be_scrubbed_fails_and_the_others_go_on(run: Run, plain: Path, broken: Path) -> None:
    ended = run("cassette", "scrub")

    assert ended.code == 1
    assert ended.out.startswith("cassettes/broken.yaml: FAILED: not YAML")
    assert ended.out.endswith("2 cassettes: 1 thing taken out of 1, 1 failed\n")
    assert "\x1b" not in ended.out


def test_scrubbing_as_json(run: Run, plain: Path, broken: Path) -> None:
    ended = run("cassette", "scrub", "--json")

    failed, done = json.loads(ended.out)
    assert (failed["problem"][:8], failed["is_written"]) == ("not YAML", False)
    assert done == {
        "path": "cassettes/plain.yaml",
        "problem": None,
        "blanked": {"request header authorization": 1},
        "is_written": True,
    }


# migrate ------------------------------------------------------------------------------------------------


def test_a_plain_cassette_becomes_ours(run: Run, plain: Path) -> None:
    ended = run("cassette", "migrate")

    assert ended.code == 0
    assert ended.out.startswith("changed  cassettes/plain.yaml (1 interaction)\n")
    assert ended.out.endswith("1 cassette: 1 changed, 0 as they are, 0 failed\n")
    assert "c2VjcmV0" not in plain.read_text()
    assert len(load(plain)) == 1
    assert run("cassette", "migrate").out == "1 cassette: 0 changed, 1 as they are, 0 failed\n"


def test_a_dry_run_writes_nothing(run: Run, plain: Path) -> None:
    ended = run("cassette", "migrate", "--dry-run")

    assert ended.code == 0
    assert ended.out.startswith("would change cassettes/plain.yaml (1 interaction)\n")
    assert plain.read_text() == PLAIN


def test_json_goes_to_yaml(run: Run, tmp_path: Path) -> None:
    request = {"method": "GET", "uri": "https://api.test/", "headers": {}, "body": None}
    response = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "yes"}}
    content = {"version": 1, "interactions": [{"request": request, "response": response}]}
    (tmp_path / "a.json").write_text(json.dumps(content))

    out = run("cassette", "migrate").out

    assert "changed  a.json -> a.yaml (1 interaction)" in out
    assert load(tmp_path / "a.yaml")[0].response.body == b"yes"


def test_what_cannot_be_migrated_fails_and_the_others_go_on(run: Run, plain: Path, broken: Path) -> None:
    ended = run("cassette", "migrate")

    assert ended.code == 1
    assert "FAILED   cassettes/broken.yaml: not YAML" in ended.out
    assert ended.out.endswith("2 cassettes: 1 changed, 0 as they are, 1 failed\n")
    assert "\x1b" not in ended.out


def test_migrations_as_json(run: Run, plain: Path) -> None:
    ended = run("cassette", "migrate", "--dry-run", "--json")

    [found] = json.loads(ended.out)
    assert found.pop("remarks") is not None
    assert found == {
        "path": "cassettes/plain.yaml",
        "target": "cassettes/plain.yaml",
        "interactions": 1,
        "is_changed": True,
        "problems": [],
    }
