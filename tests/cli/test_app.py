"""The command line as a whole: help, version and how commands end."""

from __future__ import annotations

import subprocess
import sys

import pytest
from command_line import Run, runner
from typer.testing import CliRunner

import tapeline
from tapeline.cli import scenarios
from tapeline.cli.app import app
from tapeline.errors import ConfigError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(monkeypatch, capsys)


COMMANDS = sorted(str(command.name) for command in app.registered_commands)


def test_these_are_the_commands() -> None:
    assert COMMANDS == ["bench", "init", "record", "run", "schema", "serve"]


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_an_example(command: str, option: str) -> None:
    result = CliRunner().invoke(app, [command, option])

    assert result.exit_code == 0
    assert f"Example: tapeline {command} " in result.stdout


def test_the_help_names_all_commands(run: Run) -> None:
    ended = run("--help")

    assert ended.code == 0
    assert [command for command in COMMANDS if command not in ended.out] == []


def test_the_version_is_printed(run: Run) -> None:
    ended = run("--version")

    assert (ended.code, ended.out, ended.err) == (0, f"tapeline {tapeline.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "--nonsense"], ["bench", "--requests", "0"]])
def test_wrong_usage_is_exit_code_2(run: Run, arguments: list[str]) -> None:
    ended = run(*arguments)

    assert (ended.code, ended.out) == (2, "")
    assert "Usage:" in ended.err


def test_an_error_of_ours_is_one_harmless_message(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ConfigError("first\n\x1b[2Jsecond \u202e")

    monkeypatch.setattr(scenarios, "scenario_files", fail)
    ended = run("run")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "tapeline: first\n\\x1b[2Jsecond \\u202e [invalid_config]\n"


def test_the_package_is_a_command_too() -> None:
    ended = subprocess.run([sys.executable, "-m", "tapeline", "--version"], capture_output=True, check=True)

    assert ended.stdout.decode().strip() == f"tapeline {tapeline.__version__}"
