"""Loading: safe YAML, and errors that say where in the file and what instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tapeline.errors import ScenarioError
from tapeline.scenarios import bundled_scenarios, load_scenario, load_scenarios
from tapeline.scenarios.documents import FILE_BYTES_LIMIT

TARGETS = "targets: [openai:m]\n"
GOOD = f"name: a\nprompt: hi\n{TARGETS}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scenario.yaml"


def refusal(path: Path) -> str:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(path)
    return raised.value.message


BAD = {
    "a misspelt key": ("name: a\npromt: hi\n" + TARGETS, 2, 1, "promt: unknown key; did you mean 'prompt'?"),
    "a key like no other": (GOOD + "zzzzzzz: 1\n", 4, 1, "zzzzzzz: unknown key"),
    "a misspelt key of a target": (
        "name: a\nprompt: hi\ntargets:\n  - model: openai:m\n    base_ur: x\n",
        5,
        5,
        "did you mean 'base_url'?",
    ),
    "a misspelt option": (GOOD + "options: {max_token: 3}\n", 4, 11, "did you mean 'max_tokens'?"),
    "a misspelt load": (GOOD + "load:\n  request: 3\n", 5, 3, "did you mean 'requests'?"),
    "a misspelt key of match": (GOOD + "match: {ignor: []}\n", 4, 9, "did you mean 'ignore'?"),
    "a misspelt alias": (GOOD + "shema: {}\n", 4, 1, "did you mean 'schema'?"),
    "a misspelt key of a text said often": (
        f"name: a\nmessages:\n  - role: user\n    content: {{text: x, time: 2}}\n{TARGETS}",
        4,
        24,
        "messages.0.content.time: unknown key; did you mean 'times'?",
    ),
    "both prompt and messages": (
        GOOD + "messages: [{role: user, content: x}]\n",
        1,
        1,
        "give either prompt or messages",
    ),
    "neither": ("name: a\n" + TARGETS, 1, 1, "give either prompt or messages"),
    "a name that is missing": ("prompt: hi\n" + TARGETS, 1, 1, "name: Field required"),
    "a bad model name": ("name: a\nprompt: hi\ntargets: [gpt]\n", 3, 11, 'write "provider:model"'),
    "targets of one name": (
        "name: a\nprompt: hi\ntargets: [openai:a, openai:b]\n",
        1,
        1,
        "several targets are called openai: give them a name",
    ),
    "a bad check": (GOOD + "checks:\n  - contains: x\n  - contain: x\n", 6, 5, "unknown check 'contain'"),
    "a bad pattern": (GOOD + "checks:\n  - regex: '('\n", 5, 5, "not a regular expression"),
    "an option out of range": (GOOD + "options:\n  temperature: 7\n", 5, 3, "less than or equal to 2"),
    "an option of another type": (GOOD + "options:\n  max_tokens: many\n", 5, 3, "valid integer"),
    "a name that leaves the folder": (
        "name: ../x\nprompt: hi\n" + TARGETS,
        1,
        1,
        "it also names the cassettes",
    ),
    "a target that leaves the folder": (
        "name: a\nprompt: hi\ntargets: [{model: openai:m, name: ../x}]\n",
        1,
        1,
        "a target cannot be called '../x'",
    ),
    "no YAML": ("name: [a\nprompt: hi\n", 2, 7, "expected ',' or ']'"),
    "an alias of nothing": ("name: *a\n", 1, 7, "undefined alias"),
    "two documents": (GOOD + "---\n" + GOOD, 4, 1, "another document"),
    "an empty file": ("", 1, 1, "dictionary"),
    "a list": ("- a\n", 1, 1, "dictionary"),
    "a key that is no text": (GOOD + "3: x\n", 4, 1, "Keys should be strings"),
    "nested without end": ("[" * 5000, 1, 1, ""),
}


@pytest.mark.parametrize(("text", "line", "column", "expected"), BAD.values(), ids=BAD.keys())
def test_an_error_names_file_line_and_column(
    path: Path, text: str, line: int, column: int, expected: str
) -> None:
    path.write_text(text)

    message = refusal(path)

    if "[" * 99 not in text:  # the parsers in C and in Python stop at different places
        assert message.startswith(f"{path}:{line}:{column}: ")
    assert expected in message


def test_every_problem_of_a_file_is_told_at_once(path: Path) -> None:
    path.write_text(GOOD + "repeat: 0\nlod: {}\n")

    first, second = refusal(path).splitlines()

    assert first.startswith(f"{path}:4:1: repeat: ")
    assert second == f"{path}:5:1: lod: unknown key; did you mean 'load'?"


def test_many_problems_are_not_cut_short(path: Path) -> None:
    path.write_text(GOOD + "".join(f"unknown{number}: 1\n" for number in range(20)))

    assert len(refusal(path).splitlines()) == 20


def test_a_file_cannot_crash_the_interpreter(path: Path) -> None:
    """PyYAML recurses in C: without a limit these brackets end the process. Since 6.0.4 it has one itself."""
    path.write_text("name: " + "[" * 100_000 + "]" * 100_000)

    assert re.search(r"nested deeper than 100 levels|maximum nesting depth$", refusal(path))


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:pathlib.Path.touch", "!!python/object/apply:os.mkdir"]
)
def test_a_file_cannot_run_code(path: Path, tag: str) -> None:
    target = path.with_name("made")
    path.write_text(f"name: {tag} ['{target}']\nprompt: hi\n{TARGETS}")

    message = refusal(path)

    assert message.startswith(f"{path}:1:7: could not determine a constructor for the tag")
    assert not target.exists()


def test_a_missing_file_is_an_error_of_ours(path: Path) -> None:
    assert refusal(path).startswith(f"{path}: cannot read it: ")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith(f"{tmp_path}: cannot read it: ")


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")

    assert refusal(path).startswith(f"{path}: cannot read it: ")


def test_a_huge_file_is_not_read(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(FILE_BYTES_LIMIT + 1)

    assert refusal(path) == f"{path}: larger than {FILE_BYTES_LIMIT} bytes"


# Where things are ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "expected"),
    [("scenarios/x.yaml", "cassettes/a/openai.yaml"), ("other/x.yaml", "other/cassettes/a/openai.yaml")],
    ids=["beside the folder of scenarios", "below any other folder"],
)
def test_cassettes_stand_where_people_look_for_them(tmp_path: Path, place: str, expected: str) -> None:
    path = tmp_path / place
    path.parent.mkdir()
    path.write_text(GOOD)

    file = load_scenario(path)

    assert file.cassette(file.scenario.targets[0]) == tmp_path / expected


def test_a_folder_is_loaded_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.yaml").write_text(GOOD.replace("name: a", f"name: {name}"))
    (tmp_path / "notes.txt").write_text("not a scenario")

    files = load_scenarios(tmp_path)

    assert [file.scenario.name for file in files] == ["a", "b", "c"]


def test_a_folder_without_scenarios_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no scenarios"):
        load_scenarios(tmp_path)


def test_bundled_scenarios_have_a_cassette_for_each_target() -> None:
    files = load_scenarios(bundled_scenarios())

    missing = [
        cassette
        for file in files
        for cassette in map(file.cassette, file.scenario.targets)
        if not cassette.is_file()
    ]

    assert len(files) >= 5
    assert missing == []
