"""Usage: what tests, scenarios and code need is known, or it is said that it is not."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from taped import answered, taped

from tapeline.cli.cassette.usage import (
    collected_cassettes,
    listed_cassettes,
    named_in_code,
    scenario_cassettes,
    unused,
)
from tapeline.errors import ConfigError, ScenarioError


def test_pytest_tells_what_its_tests_play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the files exist or not; a test that is not run on this machine counts too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_it.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.tape\n@pytest.mark.parametrize('n', [1, 2])\ndef test_one(n): ...\n\n"
        "@pytest.mark.skip\ndef test_two(): ...\n"
    )

    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # which takes seconds
    found = collected_cassettes(["-p", "tapeline.pytest_plugin"])

    names = {path.relative_to(tmp_path).as_posix() for path in found}
    assert names == {f"cassettes/test_it/{name}.yaml" for name in ("test_one[1]", "test_one[2]", "test_two")}


ENDS = {"broken tests": 2, "wrong usage": 4, "no tests at all": 5}


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS.keys())
def test_tests_that_cannot_be_collected_are_no_answer(code: int) -> None:
    """Not even where some could be: pytest writes its list, and fails."""

    def run(command: list[str], **_: Any) -> CompletedProcess[str]:
        Path(command[command.index("--cassette-list") + 1]).write_text("/a.yaml\n")
        return CompletedProcess(command, code, "many\nwords\n" * 50 + "1 error\n", "")

    with pytest.raises(ConfigError, match=r"could not collect .* pytest said: .* / 1 error \["):
        collected_cassettes([], run)


def test_a_list_is_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("/a/b c.yaml\n\nd.yaml\n")

    assert listed_cassettes(tmp_path / "list") == [Path("/a/b c.yaml"), Path("d.yaml")]
    with pytest.raises(ConfigError, match="cannot read this list"):
        listed_cassettes(tmp_path / "nowhere")


def test_scenarios_tell_what_their_targets_play(tmp_path: Path) -> None:
    """Recorded or not; also in a folder of a folder."""
    taped(tmp_path, answered("yes"), targets=["openai:a", {"model": "openai:b", "name": "other"}])

    found = {path.relative_to(tmp_path).as_posix() for path in scenario_cassettes(tmp_path)}

    assert found == {"cassettes/greet/openai.yaml", "cassettes/greet/other.yaml"}


def test_a_broken_scenario_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "a.yaml").write_text("name: [")

    with pytest.raises(ScenarioError):
        list(scenario_cassettes(tmp_path))


def test_code_names_cassettes(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "use('cassettes/one.yaml'); use(\"./two[x].yml\")\nPATH = HERE / 'three.yaml'  # no.yamls\n"
    )
    (tmp_path / "notes.txt").write_text("four.yaml")
    (tmp_path / "long.py").write_text("x" * 200_000)

    assert named_in_code(tmp_path) == {"cassettes/one.yaml", "two[x].yml", "three.yaml"}


def test_what_is_used_or_named_is_no_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in code is the end of a path: of whole folders and files."""
    monkeypatch.chdir(tmp_path)
    paths = [
        Path(name)
        for name in ("c/used.yaml", "c/named.yaml", "c/misnamed.yaml", "d/named.yaml", "c/lone.yaml")
    ]
    found = unused(
        paths, used=[tmp_path / "c" / "used.yaml"], named={"c/named.yaml", "named.yml", "med.yaml"}
    )

    assert found == [Path("c/misnamed.yaml"), Path("d/named.yaml"), Path("c/lone.yaml")]
