"""A tape passed to a client as its transport."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import openai
import pytest
from local_server import LocalServer, echo

from tapeline import chat_model
from tapeline.cassettes import TapeTransport, load_tape, save_tape
from tapeline.cassettes.interception import active_tape
from tapeline.errors import CassetteMissError


def asked(client: httpx2.Client, url: str) -> str:
    with openai.OpenAI(base_url=url, api_key="key-of-nobody", max_retries=0, http_client=client) as sdk:
        answer = sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    return answer.choices[0].message.content or ""


def test_one_client_is_recorded_and_replayed(tmp_path: Path) -> None:
    """Nothing is patched meanwhile: another client goes its own way."""
    path = tmp_path / "cassette.yaml"
    tape = load_tape(path, record_mode="once")
    with LocalServer(echo) as server:
        url = f"{server.url}/v1"
        live = asked(httpx2.Client(transport=TapeTransport(tape)), url)
        assert active_tape() is None
    save_tape(tape, path)

    tape = load_tape(path)

    assert live == asked(httpx2.Client(transport=TapeTransport(tape)), url) == "you said hi"
    with pytest.raises((CassetteMissError, openai.APIConnectionError)) as raised:
        asked(httpx2.Client(transport=TapeTransport(tape)), url)
    assert isinstance(raised.value.__cause__ or raised.value, CassetteMissError)


def test_an_asyncio_client_too(tmp_path: Path) -> None:
    path = tmp_path / "cassette.yaml"

    async def ask(url: str, mode: str) -> str:
        tape = load_tape(path, record_mode=mode)  # type: ignore[arg-type]
        async with httpx2.AsyncClient(transport=TapeTransport(tape)) as client:
            model = chat_model("openai:m", api_key="k" * 9, base_url=url, http_client=client)
            async with model.astream("hi") as stream:
                text = "".join([chunk.text async for chunk in stream])
        save_tape(tape, path)
        return text

    with LocalServer(echo) as server:
        url = f"{server.url}/v1"
        live = asyncio.run(ask(url, "once"))

    assert live == asyncio.run(ask(url, "none")) == "you said hi"
    assert len(server.asked) == 1
