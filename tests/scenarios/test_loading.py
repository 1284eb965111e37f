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
    "a misspelt key of a case": (
        GOOD + "cases:\n  - {nam: x}\n",
        5,
        6,
        "cases.0.nam: unknown key; did you mean 'name'?",
    ),
    "a misspelt key of a tool": (
        GOOD + "tools:\n  - name: t\n    parameter: {}\n",
        6,
        5,
        "tools.0.parameter: unknown key; did you mean 'parameters'?",
    ),
    "a misspelt key of a turn": (
        f"name: a\nturns:\n  - hi\n  - {{content: x, check: []}}\n{TARGETS}",
        4,
        18,
        "turns.1.check: unknown key; did you mean 'checks'?",
    ),
    "a misspelt key of a fault": (
        GOOD + "faults:\n  - {statsu: 429}\n",
        5,
        6,
        "faults.0.statsu: unknown key; did you mean 'status'?",
    ),
    "a misspelt key of a place": (
        GOOD + "faults:\n  - {reset: {after_byte: 3}}\n",
        5,
        14,
        "faults.0.reset.after_byte: unknown key; did you mean 'after_bytes'?",
    ),
    "a misspelt option of a target": (
        "name: a\nprompt: hi\ntargets:\n  - {model: openai:m, options: {sead: 1}}\n",
        4,
        33,
        "targets.0.options.sead: unknown key; did you mean 'seed'?",
    ),
    "a misspelt part of a message": (
        f"name: a\nmessages:\n  - {{role: user, content: [hi, {{imag: x}}]}}\n{TARGETS}",
        3,
        33,
        "messages.0.content.1.imag: unknown key; did you mean 'image'?",
    ),
    "a misspelt role": (
        f"name: a\nmessages:\n  - {{role: usr, content: x}}\n{TARGETS}",
        3,
        6,
        "did you mean 'user'?",
    ),
    "a misspelt field of the snapshot": (GOOD + "snapshot: [text, usages]\n", 4, 18, "did you mean 'usage'?"),
    "a misspelt error": (GOOD + "error: rate_limits\n", 4, 1, "did you mean 'rate_limit'?"),
    "a misspelt check of a case": (
        GOOD + "cases:\n  - {name: x, checks: [{contain: y}]}\n",
        5,
        24,
        "cases.0.checks.0: unknown check 'contain'; did you mean 'contains'?",
    ),
    "a misspelt check of a turn": (
        f"name: a\nturns:\n  - content: x\n    checks:\n      - not-regx: y\n{TARGETS}",
        5,
        9,
        "did you mean 'not-regex'?",
    ),
    "a bad value of a check of a case": (
        GOOD + "cases:\n  - name: x\n    checks:\n      - finish-reason: stopp\n",
        7,
        9,
        "finish-reason: 'stopp' is none; did you mean 'stop'?",
    ),
    "JavaScript": (GOOD + "checks:\n  - javascript: true\n", 5, 5, "JavaScript is not run here"),
    "a variable without a value": (
        "name: a\nprompt: '{{citi}}'\nvars: {city: x}\nchecks:\n  - contains: '{{city}}'\n" + TARGETS,
        2,
        1,
        "prompt: the variable 'citi' has no value; did you mean 'city'?",
    ),
    "a variable without a use": (
        GOOD + "cases:\n  - name: x\n    vars:\n      city: Paris\n",
        7,
        7,
        "cases.0.vars.city: nothing uses the variable 'city'",
    ),
    "a value that does not fit a check": (
        GOOD + "vars: {n: x}\nchecks:\n  - contains: y\n  - min-chunks: '{{n}}'\n",
        7,
        5,
        "checks.1: min-chunks: a number of chunks is wanted",
    ),
    "cases of one name": (
        GOOD + "cases: [{name: x}, {name: X}]\n",
        4,
        20,
        "cases.1: another case is called so",
    ),
    "tools of one name": (
        GOOD + "tools: [{name: x}, {name: x}]\n",
        4,
        20,
        "tools.1: another tool is called 'x' too",
    ),
    "a schema that is none": (
        GOOD + "tools:\n  - name: x\n    parameters: {type: objekt}\n",
        6,
        5,
        "not a JSON schema: 'objekt'",
    ),
    "a choice of no tool": (
        GOOD + "tool_choice: clock\n",
        4,
        1,
        "'clock' is neither auto, none or required nor",
    ),
    "an unknown pace": (GOOD + "pace: recored\n", 4, 1, "unknown pace 'recored'"),
    "a misspelt objective": (GOOD + "slos:\n  - tftt_p95 < 1s\n", 5, 5, "did you mean 'ttft_p95'?"),
    "a file that is not there": (
        f"name: a\nmessages:\n  - role: user\n    content:\n      - hi\n      - image: cat.png\n{TARGETS}",
        6,
        9,
        "cat.png: no such file",
    ),
    "a file of somebody else's": (
        f"name: a\nturns:\n  - content: {{document: /etc/hostname}}\n{TARGETS}",
        3,
        15,
        "/etc/hostname: outside the project's folder",
    ),
    "a key that stands twice": (GOOD + "name: b\n", 4, 1, "the key 'name' stands here twice"),
    "a name that is missing": ("prompt: hi\n" + TARGETS, 1, 1, "name: Field required"),
    "a bad model name": ("name: a\nprompt: hi\ntargets: [gpt]\n", 3, 11, 'write "provider:model"'),
    "targets of one name": (
        "name: a\nprompt: hi\ntargets: [openai:a, openai:b]\n",
        3,
        21,
        "targets.1: another target is called 'openai' too: give them names",
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
        3,
        11,
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


def test_a_file_with_a_table_is_a_file_for_each_case(tmp_path: Path) -> None:
    """With cassettes of their own; a target may be called like a case, or like a file."""
    path = tmp_path / "scenarios" / "x.yaml"
    path.parent.mkdir()
    path.write_text(
        "name: a\nprompt: '{{n}}'\ntargets: [{model: openai:m, name: one.yaml}, ollama:m]\n"
        "cases:\n  - {name: one, vars: {n: 1}}\n  - {name: two, vars: {n: 2}}\n"
    )

    whole = load_scenario(path)
    cases = whole.cases()

    assert [(case.case, case.label, case.scenario.prompt) for case in cases] == [
        ("one", "a[one]", "1"),
        ("two", "a[two]", "2"),
    ]
    assert [case.cassette(target) for case in cases for target in case.scenario.targets] == [
        tmp_path / "cassettes" / "a" / place
        for place in ("one.yaml/one.yaml", "ollama/one.yaml", "one.yaml/two.yaml", "ollama/two.yaml")
    ]
    assert cases[0].cases() == [cases[0]]


def test_a_file_without_a_table_is_its_only_case(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(GOOD)

    [case] = load_scenario(path).cases()

    assert (case.case, case.label) == ("", "a")


def test_an_attachment_of_every_case_is_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    path.write_text(
        "name: a\nmessages: [{role: user, content: {image: '{{file}}'}}]\n"
        + TARGETS
        + "cases: [{vars: {file: a.png}}, {vars: {file: b.png}}, {vars: {file: 'https://host/c.png'}}]\n"
    )

    message = refusal(path)

    assert message.startswith(f"{path}:2:35: b.png: no such file")
    assert len(message.splitlines()) == 1


def test_variables_cannot_make_a_text_of_any_length(path: Path) -> None:
    path.write_text(f"name: a\nprompt: '{'{{x}}' * 2000}'\n{TARGETS}vars: {{x: {'y' * 100_000}}}\n")

    assert refusal(path).startswith(f"{path}:1:1: a text of 200010000 characters")


def test_scenarios_of_one_name_are_refused(tmp_path: Path) -> None:
    """Where capitals do not count, their cassettes would be the same files."""
    (tmp_path / "one.yaml").write_text(GOOD)
    (tmp_path / "two.yaml").write_text(GOOD.replace("name: a", "name: A"))

    with pytest.raises(ScenarioError, match="another scenario here is called 'A' too"):
        load_scenarios(tmp_path)


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
