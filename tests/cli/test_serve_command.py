"""`tapeline serve`: says where it listens, and ends as it is told."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest
from command_line import Run, assert_refused, runner

# A shell that starts tests in the background has them ignore SIGINT, and children inherit that.
COMMAND = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from tapeline.cli import main; main()"
)
PATIENCE_S = 20
"""How long a process may take to end. Reached only where a test fails."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(monkeypatch, capsys)


@pytest.fixture
def serving() -> Iterator[subprocess.Popen[str]]:
    arguments = ["serve", "mock:echo", "--port", "0", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments], stdout=-1, stderr=-1, text=True, encoding="utf-8"
    )
    with process:
        yield process
        process.kill()


def test_it_serves_until_it_is_interrupted(serving: subprocess.Popen[str]) -> None:
    assert serving.stdout is not None
    said = json.loads(serving.stdout.readline())
    health = httpx2.get(f"{said['url']}/health")

    serving.send_signal(signal.SIGINT)
    rest, progress = serving.communicate(timeout=PATIENCE_S)

    assert (said["model"], health.status_code) == ("mock:echo", 200)
    assert (serving.returncode, rest) == (130, "")
    assert progress.startswith(f"serving mock:echo on {said['url']} (Ctrl-C ends it)\n")
    assert "Traceback" not in progress


def test_a_taken_port_is_refused(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ended = run("serve", "mock:echo", "--port", port)

    assert_refused(ended, f"cannot listen on port {port}: ")


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("echo", 'write "provider:model"'),
        ("mok:echo", "did you mean 'mock'?"),
        ("openai:m", "OPENAI_API_KEY"),
    ],
    ids=["no provider", "unknown provider", "no key"],
)
def test_a_model_that_cannot_be_is_refused(run: Run, model: str, hint: str) -> None:
    assert_refused(run("serve", model, "--port", 0), hint)


def test_a_port_no_machine_has_is_wrong_usage(run: Run) -> None:
    ended = run("serve", "mock:echo", "--port", 70000)

    assert (ended.code, ended.out) == (2, "")
