"""The SDKs' own tries: waited for while recording, and played back without a wait."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import anyio
import openai
import pytest
from clients import KEY, MODEL, TLS, bedrock, messages
from local_server import Answer, Asked, LocalServer, echo

from tapeline.cassettes import use_cassette
from tapeline.clock import NS_PER_S, VirtualClock

RETRY_AFTER_S = 7
LEAST_WAIT_S = 5
"""botocore trusts no server that wants more than this, and adds a bit of its own."""

Run = Callable[[Coroutine[Any, Any, str]], str]
Ask = Callable[[str, Run], str]
"""(URL of the server, what runs a coroutine): make one call, trying again if it fails."""


def ask_openai(url: str, _: Run) -> str:
    http = openai.DefaultHttpxClient(verify=TLS)
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=1, http_client=http) as client:
        answer = client.chat.completions.create(model=MODEL, messages=messages("hi"))
    return str(answer.choices[0].message.content)


def ask_openai_async(url: str, run: Run) -> str:
    async def ask() -> str:
        http = openai.DefaultAsyncHttpxClient(verify=TLS)
        async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=1, http_client=http) as client:
            answer = await client.chat.completions.create(model=MODEL, messages=messages("hi"))
        return str(answer.choices[0].message.content)

    return run(ask())


def ask_anthropic(url: str, _: Run) -> str:
    http = anthropic.DefaultHttpxClient(verify=TLS)
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=1, http_client=http) as client:
        answer = client.messages.create(model=MODEL, max_tokens=9, messages=messages("hi"))
    return str(answer.content[0].text)


def ask_anthropic_async(url: str, run: Run) -> str:
    async def ask() -> str:
        http = anthropic.DefaultAsyncHttpxClient(verify=TLS)
        async with anthropic.AsyncAnthropic(
            base_url=url, api_key=KEY, max_retries=1, http_client=http
        ) as client:
            answer = await client.messages.create(model=MODEL, max_tokens=9, messages=messages("hi"))
        return str(answer.content[0].text)

    return run(ask())


def ask_boto3(url: str, _: Run) -> str:
    with bedrock(url, retries={"mode": "standard", "total_max_attempts": 2}) as client:
        answer = client.converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": "hi"}]}])
    return str(answer["output"]["message"]["content"][0]["text"])


def ask_boto3_async(url: str, run: Run) -> str:
    """boto3 has no face for asyncio: programs there call it in a thread."""
    return run(asyncio.to_thread(ask_boto3, url, run))


each_sdk = pytest.mark.parametrize(
    "ask",
    [ask_openai, ask_openai_async, ask_anthropic, ask_anthropic_async, ask_boto3, ask_boto3_async],
    ids=lambda ask: ask.__name__.removeprefix("ask_"),
)


class BusyAtFirst:
    """Tells the first call to come back later, and answers the others."""

    def __init__(self) -> None:
        self.is_busy = True

    def __call__(self, asked: Asked) -> Answer:
        if not self.is_busy:
            return echo(asked)
        self.is_busy = False
        error = {"type": "rate_limit_error", "message": "slow down"}
        headers = {"retry-after": f"{RETRY_AFTER_S}", "x-amz-retry-after": f"{RETRY_AFTER_S * 1000}"}
        return Answer(blocks=[json.dumps({"error": error}).encode()], status=429, headers=headers)


@contextmanager
def waits_noted() -> Iterator[list[float]]:
    """Instead of waiting, write down for how many seconds."""
    waits_s: list[float] = []

    async def asleep(delay: float) -> None:
        waits_s.append(delay)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(time, "sleep", waits_s.append)
        patched.setattr(anyio, "sleep", asleep)
        yield waits_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassette.yaml"


def record(ask: Ask, path: Path) -> tuple[str, str]:
    """Return the server's URL and the answer that came at the second try."""
    with LocalServer(BusyAtFirst()) as server, use_cassette(path, record_mode="once"):
        answer = ask(server.url, asyncio.run)
    assert len(server.asked) == 2
    return server.url, answer


@each_sdk
def test_a_second_try_is_waited_for_live_and_played_back_at_once(ask: Ask, path: Path) -> None:
    with waits_noted() as live_waits_s:
        url, live = record(ask, path)
    with waits_noted() as replay_waits_s, use_cassette(path) as tape:
        replayed = ask(url, asyncio.run)

    assert live == replayed == "you said hi"
    assert tape.play_counts == {0: 1, 1: 1}
    assert [LEAST_WAIT_S <= wait_s <= RETRY_AFTER_S for wait_s in live_waits_s] == [True]
    assert sum(replay_waits_s) == 0


@each_sdk
def test_on_a_virtual_clock_a_second_try_comes_when_its_wait_is_over(ask: Ask, path: Path) -> None:
    clock = VirtualClock()

    with waits_noted():
        url, live = record(ask, path)
    with use_cassette(path, clock=clock) as tape:
        replayed = ask(url, clock.run)

    assert live == replayed == "you said hi"
    assert tape.play_counts == {0: 1, 1: 1}
    assert LEAST_WAIT_S <= clock.now_ns() / NS_PER_S <= RETRY_AFTER_S


@each_sdk
def test_what_is_asked_live_to_verify_is_waited_for(ask: Ask, path: Path) -> None:
    """The recording is there, and the server is as busy as it was."""
    answer = BusyAtFirst()
    with LocalServer(answer) as server:
        with waits_noted(), use_cassette(path, record_mode="once"):
            ask(server.url, asyncio.run)
        answer.is_busy = True
        with waits_noted() as waits_s, use_cassette(path, record_mode="verify"):
            ask(server.url, asyncio.run)

    assert [LEAST_WAIT_S <= wait_s <= RETRY_AFTER_S for wait_s in waits_s] == [True]
