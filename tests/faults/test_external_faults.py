"""Faults that real services, gateways and networks have shown, replayed byte by byte over a socket.

The cases and the server that plays them are not part of the project; where the folder is absent the
tests are skipped. Our own cases, in memory and much faster, are beside this file.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from socket_faces import FACES, Call, Outcome

FAULTS = Path(__file__).parents[2].parent / "shared" / "faults"
CASES_FILE = FAULTS / "faults.yaml"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CASES_FILE.is_file(), reason="no external recordings here"),
]

MODELS = {
    "openai": "openai:gpt-5.4-mini",
    "anthropic": "anthropic:claude-haiku-5-5",
    "bedrock": "bedrock:us.anthropic.claude-haiku-5-5-v1:0",
    "ollama": "ollama:qwen3:0.6b",
}
SETTINGS = {"api_key": "sk-test", "max_retries": 2, "timeout_s": 10.0}
UNSEEN = {"choices", "behaviour"}
"""What the result does not show: we read one choice of several; a behaviour is ours, not the result's."""


# The cases --------------------------------------------------------------------------------------------


def wire_cases() -> list[dict[str, Any]]:
    """All cases that are played on the wire; the others describe tests of other rooms."""
    if not CASES_FILE.is_file():
        return []
    with CASES_FILE.open(encoding="utf-8") as file:
        cases: list[dict[str, Any]] = yaml.load(file, yaml.CSafeLoader)["cases"]
    return [case for case in cases if case["provider"] in MODELS]


def expected_facts(expect: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be so exactly. "x*3" is "xxx"."""
    facts = {name: value for name, value in expect.items() if name not in LIMITS.keys() | UNSEEN}
    if repeated := re.fullmatch(r"(.)\*(\d+)", facts.get("text", "")):
        facts["text"] = repeated[1] * int(repeated[2])
    return facts


# The server -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FaultServer:
    """The server of the cases, in a process of its own."""

    url: str

    def run_url(self, token: str, case_id: str) -> str:
        return f"{self.url}/r/{token}/{case_id}"

    def stats(self, token: str) -> dict[str, Any]:
        """What the server saw of a run."""
        with urllib.request.urlopen(f"{self.url}/_stats/{token}") as response:
            return json.load(response)  # type: ignore[no-any-return]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture(scope="session")
def server() -> Iterator[FaultServer]:
    """The server; and the SDKs are loaded, so that no case is timed with their import."""
    for sdk in ("openai", "anthropic", "boto3"):
        import_module(sdk)
    port = free_port()
    with subprocess.Popen(
        [sys.executable, FAULTS / "faultserver.py", CASES_FILE],
        env=os.environ | {"FAULT_PORT": str(port)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert b"serving" in process.stdout.readline()
        yield FaultServer(f"http://127.0.0.1:{port}")
        process.terminate()


# The run ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One case as it went: on our side of the wire, and on the other."""

    outcome: Outcome
    token: str
    server: FaultServer
    ended_at_s: float
    rss_growth_mb: float

    def facts(self) -> dict[str, Any]:
        """All that a case may expect to be so exactly."""
        sent = {"attempts": self.server.stats(self.token).get("attempts", 0)}
        if (error := self.outcome.error) is not None:
            facts = {"outcome": "error", "code": error.code.value, "retryable": error.retryable}
            return sent | facts | {"status": error.status, "partial_text": self.outcome.partial_text}
        reply = self.outcome.reply
        assert reply is not None
        calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in reply.tool_calls]
        facts = {"outcome": "ok", "text": reply.text, "finish_reason": reply.finish_reason}
        return sent | facts | {"refusal": reply.refusal, "tool_calls": calls}


def is_short(run: Run, limit: int) -> bool:
    return run.outcome.error is not None and len(str(run.outcome.error)) <= limit


def has_kept_its_key(run: Run, _: bool) -> bool:
    return not run.server.stats(run.token).get("auth_on_redirect")


def has_hung_up(run: Run, limit_s: float) -> bool:
    """Whether the server saw us leave in time; it finds out at its next write."""
    while not (gone_at_s := run.server.stats(run.token).get("client_gone_at")):
        if time.time() - run.ended_at_s > limit_s:
            return False
        time.sleep(0.02)
    return bool(gone_at_s - run.ended_at_s <= limit_s)


LIMITS: dict[str, Callable[[Run, Any], bool]] = {
    "max_elapsed_s": lambda run, limit_s: run.outcome.elapsed_s <= limit_s,
    "min_elapsed_s": lambda run, limit_s: run.outcome.elapsed_s >= limit_s,
    "max_rss_growth_mb": lambda run, limit_mb: run.rss_growth_mb <= limit_mb,
    "message_max_len": is_short,
    "no_credentials_on_redirect": has_kept_its_key,
    "server_sees_disconnect_within_s": has_hung_up,
}
"""What a case may expect as a bound -> whether a run kept it."""


def play(case: Mapping[str, Any], face: Callable[[Call], Outcome], server: FaultServer) -> Run:
    token = uuid4().hex
    memory = PeakMemory()
    outcome = face(call_of(case, server.run_url(token, case["id"])))
    return Run(
        outcome=outcome,
        token=token,
        server=server,
        ended_at_s=time.time(),
        rss_growth_mb=memory.growth_mb(),
    )


def call_of(case: Mapping[str, Any], base_url: str) -> Call:
    provider = case["provider"]
    region = {"region": "us-east-1"} if provider == "bedrock" else {}
    return Call(
        name=MODELS[provider],
        is_stream=case["mode"] == "stream",
        leaves_early=case["expect"].get("behaviour") == "break_after_first",
        settings=SETTINGS | region | {"base_url": base_url} | case.get("client", {}),
    )


class PeakMemory:
    """How far our memory grew at its peak, where the system can tell: see proc_pid_clear_refs(5)."""

    _restart = Path("/proc/self/clear_refs")

    def __init__(self) -> None:
        self._is_known = os.access(self._restart, os.W_OK)
        if self._is_known:
            self._restart.write_text("5")
            self._before_mb = self._read_mb("VmRSS")

    def growth_mb(self) -> float:
        return self._read_mb("VmHWM") - self._before_mb if self._is_known else 0.0

    def _read_mb(self, name: str) -> float:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def play_on_both_faces(case: Mapping[str, Any], server: FaultServer) -> dict[str, Run]:
    """Both at once: most of the time is spent waiting."""
    with ThreadPoolExecutor(len(FACES)) as threads:
        runs = threads.map(lambda face: play(case, face, server), FACES.values())
        return dict(zip(FACES, runs, strict=True))


@pytest.mark.allow_network  # to ask for the address of a name that nobody has
@pytest.mark.parametrize("case", wire_cases(), ids=lambda case: f"{case['id']} {case['title']}")
def test_a_fault_ends_as_it_should(case: dict[str, Any], server: FaultServer) -> None:
    """Its answer or its error, how often it was tried, how long it took, and what it left open."""
    expect = case["expect"]
    expected = expected_facts(expect)

    runs = play_on_both_faces(case, server)

    for face, run in runs.items():
        facts = run.facts()
        assert {name: facts.get(name) for name in expected} == expected, face
        assert [name for name in LIMITS.keys() & expect if not LIMITS[name](run, expect[name])] == [], face
        if case["mode"] == "stream" and "behaviour" not in expect:
            assert run.outcome.streamed_text == facts.get("text", facts.get("partial_text")), face
