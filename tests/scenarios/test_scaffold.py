"""The scaffold: it passes at once, offline, and leaves alone what is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from inner_pytest import ALONE

from tapeline.errors import ConfigError
from tapeline.scenarios import load_scenario
from tapeline.scenarios.scaffold import ASV, BASICS, ScaffoldFile, scaffold, write

pytest_plugins = ["pytester"]


def test_everything_passes_at_once(pytester: pytest.Pytester) -> None:
    """Two cases and a test of an SDK, without a key; the network is blocked."""
    states = {write(file) for file in scaffold(pytester.path)}

    result = pytester.runpytest_inprocess(*ALONE, "scenarios", "tests")

    assert states == {"created"}
    result.assert_outcomes(passed=3)


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """A file, a folder in its place, and a link that leads nowhere, through which nothing is written."""
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "hello.yaml").write_text("mine")
    (tmp_path / "tests" / "test_llm.py").mkdir(parents=True)
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "llm-tests.yml").symlink_to(tmp_path / "elsewhere")

    states = {file.path.relative_to(tmp_path).as_posix(): write(file) for file in scaffold(tmp_path)}

    assert [path for path, state in states.items() if state == "exists"] == [
        ".github/workflows/llm-tests.yml",
        "scenarios/hello.yaml",
        "tests/test_llm.py",
    ]
    assert (tmp_path / "scenarios" / "hello.yaml").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_to_list_the_files_writes_none(tmp_path: Path) -> None:
    (tmp_path / "asv.conf.json").write_text("mine")

    files = scaffold(tmp_path, with_asv=True)

    assert [file.path.name for file in files if file.exists] == ["asv.conf.json"]
    assert [path.name for path in tmp_path.rglob("*")] == ["asv.conf.json"]
    assert {file.path.relative_to(tmp_path).as_posix() for file in files} == {
        *BASICS,
        *ASV,
        "scenarios/scenario.schema.json",
    }


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")

    with pytest.raises(ConfigError, match="is no folder"):
        write(ScaffoldFile(path=tmp_path / "a" / "b", content="", exists=False))


def test_the_schema_is_where_the_scenario_says(tmp_path: Path) -> None:
    for file in scaffold(tmp_path):
        write(file)

    path = tmp_path / "scenarios" / "hello.yaml"
    named = re.match(r"# yaml-language-server: \$schema=(\S+)", path.read_text())
    assert named is not None
    assert json.loads((path.parent / named[1]).read_text())["title"] == "tapeline scenario"
    assert len(load_scenario(path).cases()) == 2


def test_the_ci_job_and_the_settings_of_asv_can_be_read(tmp_path: Path) -> None:
    contents = {file.path.name: file.content for file in scaffold(tmp_path, with_asv=True)}

    job = yaml.safe_load(contents["llm-tests.yml"])
    settings = json.loads(re.sub(r"^\s*//.*$", "", contents["asv.conf.json"], flags=re.MULTILINE))
    assert "pytest scenarios tests/test_llm.py" in [
        step.get("run") for step in job["jobs"]["replay"]["steps"]
    ]
    assert settings["benchmark_dir"] == "benchmarks"


def test_the_benchmarks_give_figures(tmp_path: Path) -> None:
    """As asv would ask for them: the made-up recordings took 420 and 380 ms."""
    for file in scaffold(tmp_path, with_asv=True):
        write(file)
    path = tmp_path / "benchmarks" / "scenarios.py"
    names: dict[str, object] = {"__file__": str(path), "__name__": "benchmarks.scenarios"}
    exec(compile(path.read_text(), str(path), "exec"), names)

    suite = names["Scenarios"]()  # type: ignore[operator]
    cells = suite.setup_cache()

    assert {name: suite.track_latency_p50_ms(cells, name) for name in suite.params} == {
        "hello[french] openai:gpt-5.4-mini": 420.0,
        "hello[italian] openai:gpt-5.4-mini": 380.0,
    }
    assert [suite.track_output_tokens(cells, name) for name in suite.params] == [120, 120]
