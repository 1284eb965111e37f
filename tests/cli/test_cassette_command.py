"""`tapeline cassette` as a whole: its verbs, their help, and what the documentation says of their JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import Run
from local_server import Answer, LocalServer
from taped import answered, taped
from typer.testing import CliRunner

from tapeline.cassettes.storage.fileformat import load, save
from tapeline.cli.cassette import app

PAGE = Path(__file__).parents[2] / "docs" / "cassettes.md"
VERBS = [str(command.name) for command in app.registered_commands]


def test_these_are_the_verbs() -> None:
    assert VERBS == ["ls", "show", "stats", "diff", "lint", "scrub", "migrate", "verify", "orphans", "expire"]


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_json_and_shows_an_example(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    shown = CliRunner().invoke(app, [verb, "--help"])

    assert shown.exit_code == 0
    assert f"Example: tapeline cassette {verb} " in shown.stdout
    assert "--json" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_wrong_usage_is_exit_code_2(run: Run, verb: str) -> None:
    ended = run("cassette", verb, "--nonsense")

    assert (ended.code, ended.out) == (2, "")
    assert "Usage:" in ended.err


# JSON ---------------------------------------------------------------------------------------------------


def documented() -> dict[str, set[str]]:
    """Return the keys that the page promises, by verb."""
    table = PAGE.read_text(encoding="utf-8").partition("\n### As JSON\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", table, re.MULTILINE)
    return {verb: set(re.findall(r"`(\w+)`", text)) for verb, text in rows}


RECORDED = ("blanked", "body", "headers", "meta", "value")
"""Keys whose values have keys of their own, by what was recorded."""


def keys_in(value: Any) -> set[str]:
    """Return all keys of a value."""
    if isinstance(value, list):
        return set().union(*map(keys_in, value))
    if not isinstance(value, dict):
        return set()
    inside = (
        item for key, item in value.items() if key not in ("blanked", "body", "headers", "meta", "value")
    )
    return {*value, *keys_in(list(inside))}


@pytest.fixture
def cassettes(tmp_path: Path) -> tuple[str, str]:
    """A recording of long ago, and one of the same calls with another answer."""
    old = {"recorded_at": "2020-01-01T00:00:00+00:00"}
    file = taped(tmp_path, replace(answered("yes"), meta=old), replace(answered("no"), meta=old))
    first = file.cassette(file.scenario.targets[0])
    second = first.with_name("second.yaml")
    one, _ = load(first)
    other = replace(one, request=replace(one.request, url="http://other.test/v1/embeddings"))
    save(second, [replace(one, response=answered("maybe")), other])
    (tmp_path / "used.txt").write_text("")
    return str(first), str(second)


def test_json_is_what_the_page_says(run: Run, cassettes: tuple[str, str]) -> None:
    """Every key it promises is there, and no other."""
    first, second = cassettes
    with LocalServer(lambda _: Answer(blocks=[b"{}"])) as server:
        calls: dict[str, list[str]] = {
            "ls": [],
            "show": [first],
            "stats": [],
            "diff": [first, second],
            "lint": [],
            "scrub": [],
            "migrate": ["--dry-run"],
            "verify": [first, "--target", server.url],
            "orphans": ["--used", "used.txt"],
            "expire": ["--max-age", "1d"],
        }
        found = {
            verb: keys_in(json.loads(run("cassette", verb, *rest, "--json").out))
            for verb, rest in calls.items()
        }

    assert found == documented()
