"""The clients people use, each asked the same way: a prompt in, the words of a streamed answer out."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import Any

import aiohttp
import anthropic
import boto3
import httpx
import httpx2
import ollama
import openai
import requests
from botocore.config import Config

KEY = "key-of-nobody"
MODEL = "m"
TLS = ssl.create_default_context()
"""One for all clients, because each would read the certificates anew (50 ms)."""

Say = Callable[[str], None]
"""Told each piece of text as it comes."""

Ask = Callable[[str, str, Say], None]
"""(URL of the server, prompt, say): make one streamed call."""


def nothing(_: str) -> None:
    """For those who only want the whole answer."""


def answer_of(ask: Ask, url: str, prompt: str = "hello there", say: Say = nothing) -> str:
    """Make one call and return its text."""
    pieces: list[str] = []

    def keep(text: str) -> None:
        pieces.append(text)
        say(text)

    ask(url, prompt, keep)
    return "".join(pieces)


def messages(prompt: str) -> list[Any]:
    return [{"role": "user", "content": prompt}]


def ask_openai(url: str, prompt: str, say: Say) -> None:
    http = openai.DefaultHttpxClient(verify=TLS)
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, http_client=http) as client:
        stream = client.chat.completions.create(model=MODEL, messages=messages(prompt), stream=True)
        for chunk in stream:
            if chunk.choices:
                say(chunk.choices[0].delta.content or "")


async def _aask_openai(url: str, prompt: str, say: Say) -> None:
    http = openai.DefaultAsyncHttpxClient(verify=TLS)
    async with openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key=KEY, max_retries=0, http_client=http
    ) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=messages(prompt), stream=True)
        async for chunk in stream:
            if chunk.choices:
                say(chunk.choices[0].delta.content or "")


def ask_openai_async(url: str, prompt: str, say: Say) -> None:
    asyncio.run(_aask_openai(url, prompt, say))


def ask_anthropic(url: str, prompt: str, say: Say) -> None:
    http = anthropic.DefaultHttpxClient(verify=TLS)
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, http_client=http) as client:
        stream = client.messages.create(model=MODEL, max_tokens=100, messages=messages(prompt), stream=True)
        for event in stream:
            say(event.delta.text if event.type == "content_block_delta" else "")


async def _aask_anthropic(url: str, prompt: str, say: Say) -> None:
    http = anthropic.DefaultAsyncHttpxClient(verify=TLS)
    async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0, http_client=http) as client:
        stream = await client.messages.create(
            model=MODEL, max_tokens=100, messages=messages(prompt), stream=True
        )
        async for event in stream:
            say(event.delta.text if event.type == "content_block_delta" else "")


def ask_anthropic_async(url: str, prompt: str, say: Say) -> None:
    asyncio.run(_aask_anthropic(url, prompt, say))


def ask_ollama(url: str, prompt: str, say: Say) -> None:
    with ollama.Client(host=url, verify=TLS) as client:
        for part in client.chat(model=MODEL, messages=messages(prompt), stream=True):
            say(part.message.content or "")


async def _aask_ollama(url: str, prompt: str, say: Say) -> None:
    async with ollama.AsyncClient(host=url, verify=TLS) as client:
        async for part in await client.chat(model=MODEL, messages=messages(prompt), stream=True):
            say(part.message.content or "")


def ask_ollama_async(url: str, prompt: str, say: Say) -> None:
    asyncio.run(_aask_ollama(url, prompt, say))


@cache
def _session() -> boto3.Session:
    """One session, because each reads the service's description anew (0.3 s)."""
    return boto3.Session()


@contextmanager
def bedrock(url: str, **options: Any) -> Iterator[Any]:
    """boto3's own client, with keys of nobody."""
    client = _session().client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key=KEY,
        config=Config(**{"retries": {"total_max_attempts": 1}} | options),
    )
    try:
        yield client
    finally:
        client.close()


def converse(client: Any, prompt: str, say: Say) -> None:
    """Make one streamed Bedrock call."""
    answer = client.converse_stream(modelId=MODEL, messages=[{"role": "user", "content": [{"text": prompt}]}])
    with closing(answer["stream"]) as stream:
        for event in stream:
            say(event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""))


def ask_boto3(url: str, prompt: str, say: Say) -> None:
    with bedrock(url) as client:
        converse(client, prompt, say)


def _chat_body(prompt: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": messages(prompt), "stream": True}


def _text_of_line(line: str) -> str:
    part = line.removeprefix("data: ")
    if not part.startswith("{"):
        return ""
    choices = json.loads(part)["choices"]
    return (choices[0]["delta"].get("content") or "") if choices else ""


def _ask_bare(module: Any) -> Ask:
    def ask(url: str, prompt: str, say: Say) -> None:
        path = f"{url}/v1/chat/completions"
        with (
            module.Client(verify=TLS) as client,
            client.stream("POST", path, json=_chat_body(prompt)) as response,
        ):
            for line in response.iter_lines():
                say(_text_of_line(line))

    return ask


def _ask_bare_async(module: Any) -> Ask:
    async def lines(url: str, prompt: str) -> AsyncIterator[str]:
        path = f"{url}/v1/chat/completions"
        async with (
            module.AsyncClient(verify=TLS) as client,
            client.stream("POST", path, json=_chat_body(prompt)) as response,
        ):
            async for line in response.aiter_lines():
                yield line

    async def aask(url: str, prompt: str, say: Say) -> None:
        async for line in lines(url, prompt):
            say(_text_of_line(line))

    return lambda url, prompt, say: asyncio.run(aask(url, prompt, say))


def ask_requests(url: str, prompt: str, say: Say) -> None:
    path = f"{url}/v1/chat/completions"
    with requests.post(path, json=_chat_body(prompt), stream=True) as response:
        for line in response.iter_lines(chunk_size=None, decode_unicode=True):
            say(_text_of_line(line))


async def _aask_aiohttp(url: str, prompt: str, say: Say) -> None:
    path = f"{url}/v1/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(path, json=_chat_body(prompt)) as response:
        async for line in response.content:
            say(_text_of_line(line.decode().rstrip()))


def ask_aiohttp(url: str, prompt: str, say: Say) -> None:
    asyncio.run(_aask_aiohttp(url, prompt, say))


async def _aask_openai_aiohttp(url: str, prompt: str, say: Say) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key=KEY, max_retries=0, http_client=openai.DefaultAioHttpClient()
    ) as client:
        create = client.chat.completions.create
        async with await create(model=MODEL, messages=messages(prompt), stream=True) as stream:
            async for chunk in stream:  # a response that is not closed is told of by aiohttp, some time later
                if chunk.choices:
                    say(chunk.choices[0].delta.content or "")


def ask_openai_aiohttp(url: str, prompt: str, say: Say) -> None:
    asyncio.run(_aask_openai_aiohttp(url, prompt, say))


CLIENTS: dict[str, Ask] = {
    "openai": ask_openai,
    "openai-async": ask_openai_async,
    "anthropic": ask_anthropic,
    "anthropic-async": ask_anthropic_async,
    "ollama": ask_ollama,
    "ollama-async": ask_ollama_async,
    "boto3": ask_boto3,
    "httpx": _ask_bare(httpx),
    "httpx-async": _ask_bare_async(httpx),
    "httpx2": _ask_bare(httpx2),
    "httpx2-async": _ask_bare_async(httpx2),
    "requests": ask_requests,
    "aiohttp": ask_aiohttp,
    "openai-aiohttp": ask_openai_aiohttp,
}
