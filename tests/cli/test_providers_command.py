"""`tapeline providers`: what it finds, how it says it, how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Run, assert_refused, runner

from tapeline.client import chat_model
from tapeline.server import Gateway


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys)


@pytest.fixture
def server() -> Iterator[str]:
    """A server in OpenAI's format, on this machine."""
    with Gateway(chat_model("mock:echo")) as gateway:
        yield f"{gateway.url}/v1"


def test_a_model_that_answers_is_healthy(run: Run, server: str) -> None:
    ended = run("providers", "check", "openai:m", "--base-url", server)

    head, row = ended.out.splitlines()
    assert ended.code == 0
    assert head.split() == ["model", "reachable", "key", "exists", "latency"]
    assert row.split()[:4] == ["openai:m", "yes", "yes", "yes"]


def test_one_that_cannot_be_reached_fails_the_check(run: Run, server: str) -> None:
    """Each is asked, and what is wrong stands below it."""
    ended = run("providers", "check", "openai:m", "ollama:m", "--base-url", "http://127.0.0.1:9")

    assert ended.code == 1
    assert [line.split()[:3] for line in ended.out.splitlines() if ":m" in line] == [
        ["openai:m", "NO", "-"],
        ["ollama:m", "NO", "-"],
    ]
    assert "[network_error]" in ended.out


def test_as_json_it_is_a_table_of_facts(run: Run, server: str) -> None:
    ended = run("providers", "check", "openai:m", "--base-url", server, "--json")

    [(name, facts)] = json.loads(ended.out).items()
    assert facts.pop("latency_s") > 0
    assert (name, facts) == (
        "openai:m",
        {
            "is_reachable": True,
            "is_authenticated": True,
            "has_model": True,
            "detail": "",
            "is_healthy": True,
        },
    )


def test_an_unknown_provider_is_wrong_usage(run: Run) -> None:
    assert_refused(run("providers", "check", "opnai:m"), "did you mean 'openai'?")


def test_the_list_says_where_settings_come_from_but_not_what_they_are(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file wins over the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    Path("tapeline.toml").write_text('[providers.openai]\napi_key = "sk-also-hidden"\n')

    as_text, as_json = run("providers", "list"), run("providers", "list", "--json")

    found = json.loads(as_json.out)
    assert found["openai"] == {"api_key": "tapeline.toml"}
    assert found["anthropic"] == {"base_url": "the variable ANTHROPIC_BASE_URL"}
    assert "hidden" not in as_text.out + as_json.out
    assert any(line.split() == ["mock", "-"] for line in as_text.out.splitlines())


@pytest.mark.parametrize("command", ["list", "check"])
def test_each_shows_an_example(run: Run, command: str) -> None:
    ended = run("providers", command, "--help")

    assert ended.code == 0
    assert f"Example: tapeline providers {command}" in " ".join(ended.out.split())
