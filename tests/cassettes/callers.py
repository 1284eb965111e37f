"""The clients of the matrix, each opened once and asked as often as a test likes, and all they hand out.

A `Call` makes one call and yields what the client hands out, piece by piece: the text in it and the piece
itself, as comparable as it can be. A plain answer is one piece. Clients that know no wire format (httpx,
requests and so on) send what our codec encodes, and hand out the blocks as they come.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
)
from typing import Any, NamedTuple

import aiohttp
import anthropic
import httpx
import httpx2
import ollama
import openai
import requests
import urllib3
from clients import KEY, MODEL, TLS, bedrock, messages
from playback import codec_of, decoding

from tapeline import chat_model
from tapeline.types import ChatRequest, HttpRequest, user

MAX_TOKENS = 100
THREADS = 16


class Piece(NamedTuple):
    """What a client handed out at once."""

    text: str
    whole: Any


Call = Callable[[str], Iterator[Piece]]
AsyncCall = Callable[[str], AsyncIterator[Piece]]


class Blocking(NamedTuple):
    """A client that blocks. wire: which wire format it speaks. open: a server's URL in, calls by mode out."""

    wire: str
    open: Callable[[str], AbstractContextManager[Mapping[str, Call]]]


class Asyncio(NamedTuple):
    """A client for asyncio."""

    wire: str
    open: Callable[[str], AbstractAsyncContextManager[Mapping[str, AsyncCall]]]


# The SDKs -----------------------------------------------------------------------------------------------


def _of_openai(chunk: Any) -> Piece:
    text = chunk.choices[0].delta.content if chunk.choices else ""
    return Piece(text or "", chunk.model_dump())


def _of_openai_reply(reply: Any) -> Piece:
    return Piece(reply.choices[0].message.content, reply.model_dump())


@contextmanager
def _openai(url: str) -> Iterator[Mapping[str, Call]]:
    http = openai.DefaultHttpxClient(verify=TLS)
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, http_client=http) as client:
        create = client.chat.completions.create

        def plain(prompt: str) -> Iterator[Piece]:
            yield _of_openai_reply(create(model=MODEL, messages=messages(prompt)))

        def stream(prompt: str) -> Iterator[Piece]:
            yield from map(_of_openai, create(model=MODEL, messages=messages(prompt), stream=True))

        yield {"plain": plain, "stream": stream}


def _openai_async(
    transport: Callable[[], Any],
) -> Callable[[str], AbstractAsyncContextManager[Mapping[str, AsyncCall]]]:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Mapping[str, AsyncCall]]:
        async with openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key=KEY, max_retries=0, http_client=transport()
        ) as client:
            create = client.chat.completions.create

            async def plain(prompt: str) -> AsyncIterator[Piece]:
                yield _of_openai_reply(await create(model=MODEL, messages=messages(prompt)))

            async def stream(prompt: str) -> AsyncIterator[Piece]:
                async for chunk in await create(model=MODEL, messages=messages(prompt), stream=True):
                    yield _of_openai(chunk)

            yield {"plain": plain, "stream": stream}

    return opened


def _of_anthropic(event: Any) -> Piece:
    text = event.delta.text if event.type == "content_block_delta" else ""
    return Piece(text, event.model_dump())


def _of_anthropic_reply(message: Any) -> Piece:
    return Piece(message.content[0].text, message.model_dump())


def _anthropic(
    build: Callable[[str], Any],
) -> Callable[[str], AbstractContextManager[Mapping[str, Call]]]:
    @contextmanager
    def opened(url: str) -> Iterator[Mapping[str, Call]]:
        with build(url) as client:

            def plain(prompt: str) -> Iterator[Piece]:
                yield _of_anthropic_reply(client.messages.create(**_question(prompt)))

            def stream(prompt: str) -> Iterator[Piece]:
                yield from map(_of_anthropic, client.messages.create(**_question(prompt), stream=True))

            yield {"plain": plain, "stream": stream}

    return opened


def _anthropic_async(
    build: Callable[[str], Any],
) -> Callable[[str], AbstractAsyncContextManager[Mapping[str, AsyncCall]]]:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Mapping[str, AsyncCall]]:
        async with build(url) as client:

            async def plain(prompt: str) -> AsyncIterator[Piece]:
                yield _of_anthropic_reply(await client.messages.create(**_question(prompt)))

            async def stream(prompt: str) -> AsyncIterator[Piece]:
                async for event in await client.messages.create(**_question(prompt), stream=True):
                    yield _of_anthropic(event)

            yield {"plain": plain, "stream": stream}

    return opened


def _question(prompt: str) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": messages(prompt)}


AWS = {"aws_access_key": "nobody", "aws_secret_key": KEY, "aws_region": "us-east-1", "max_retries": 0}


def _anthropic_sdk(url: str) -> Any:
    http = anthropic.DefaultHttpxClient(verify=TLS)
    return anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, http_client=http)


def _anthropic_sdk_async(url: str) -> Any:
    http = anthropic.DefaultAsyncHttpxClient(verify=TLS)
    return anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0, http_client=http)


def _anthropic_bedrock(url: str) -> Any:
    http = anthropic.DefaultHttpxClient(verify=TLS)
    return anthropic.AnthropicBedrock(base_url=url, http_client=http, **AWS)


def _anthropic_bedrock_async(url: str) -> Any:
    http = anthropic.DefaultAsyncHttpxClient(verify=TLS)
    return anthropic.AsyncAnthropicBedrock(base_url=url, http_client=http, **AWS)


def _of_ollama(part: Any) -> Piece:
    return Piece(part.message.content or "", part.model_dump())


@contextmanager
def _ollama(url: str) -> Iterator[Mapping[str, Call]]:
    with ollama.Client(host=url, verify=TLS) as client:

        def plain(prompt: str) -> Iterator[Piece]:
            yield _of_ollama(client.chat(model=MODEL, messages=messages(prompt)))

        def stream(prompt: str) -> Iterator[Piece]:
            yield from map(_of_ollama, client.chat(model=MODEL, messages=messages(prompt), stream=True))

        yield {"plain": plain, "stream": stream}


@asynccontextmanager
async def _ollama_async(url: str) -> AsyncIterator[Mapping[str, AsyncCall]]:
    async with ollama.AsyncClient(host=url, verify=TLS) as client:

        async def plain(prompt: str) -> AsyncIterator[Piece]:
            yield _of_ollama(await client.chat(model=MODEL, messages=messages(prompt)))

        async def stream(prompt: str) -> AsyncIterator[Piece]:
            async for part in await client.chat(model=MODEL, messages=messages(prompt), stream=True):
                yield _of_ollama(part)

        yield {"plain": plain, "stream": stream}


@contextmanager
def _boto3(url: str) -> Iterator[Mapping[str, Call]]:
    with bedrock(url, max_pool_connections=THREADS) as client:

        def plain(prompt: str) -> Iterator[Piece]:
            message = client.converse(**_conversation(prompt))["output"]["message"]
            yield Piece(message["content"][0]["text"], message)

        def stream(prompt: str) -> Iterator[Piece]:
            with closing(client.converse_stream(**_conversation(prompt))["stream"]) as events:
                for event in events:
                    yield Piece(event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""), event)

        yield {"plain": plain, "stream": stream}


def _conversation(prompt: str) -> dict[str, Any]:
    return {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": prompt}]}]}


# tapeline itself ----------------------------------------------------------------------------------------


def _of_reply(reply: Any) -> Piece:
    return Piece(reply.text, reply.raw)


@contextmanager
def _chat_model(url: str) -> Iterator[Mapping[str, Call]]:
    with httpx2.Client(verify=TLS) as http:
        model = _model(url, http)

        def plain(prompt: str) -> Iterator[Piece]:
            yield _of_reply(model.generate(prompt))

        def stream(prompt: str) -> Iterator[Piece]:
            yield from (Piece(chunk.text, chunk.raw) for chunk in model.stream(prompt))

        yield {"plain": plain, "stream": stream}


@asynccontextmanager
async def _chat_model_async(url: str) -> AsyncIterator[Mapping[str, AsyncCall]]:
    async with httpx2.AsyncClient(verify=TLS) as http:
        model = _model(url, http)

        async def plain(prompt: str) -> AsyncIterator[Piece]:
            yield _of_reply(await model.agenerate(prompt))

        async def stream(prompt: str) -> AsyncIterator[Piece]:
            async for chunk in model.astream(prompt):
                yield Piece(chunk.text, chunk.raw)

        yield {"plain": plain, "stream": stream}


def _model(url: str, http: Any) -> Any:
    return chat_model(f"openai:{MODEL}", api_key=KEY, base_url=f"{url}/v1", max_retries=0, http_client=http)


# Clients that know no wire format -----------------------------------------------------------------------


def _encoded(wire: str, mode: str, prompt: str) -> HttpRequest:
    request = ChatRequest(
        model=MODEL, messages=(user(prompt),), is_stream=mode == "stream", max_tokens=MAX_TOKENS
    )
    return codec_of(wire).encode_request(request)


def _bare(wire: str, blocks: Callable[[HttpRequest], Iterator[bytes]]) -> Mapping[str, Call]:
    def plain(prompt: str) -> Iterator[Piece]:
        body = b"".join(blocks(_encoded(wire, "plain", prompt)))
        yield Piece(decoding(wire, "plain")(body), body)

    def stream(prompt: str) -> Iterator[Piece]:
        decode = decoding(wire, "stream")
        yield from (Piece(decode(block), block) for block in blocks(_encoded(wire, "stream", prompt)))

    return {"plain": plain, "stream": stream}


def _bare_async(wire: str, blocks: Callable[[HttpRequest], AsyncIterator[bytes]]) -> Mapping[str, AsyncCall]:
    async def plain(prompt: str) -> AsyncIterator[Piece]:
        body = b"".join([block async for block in blocks(_encoded(wire, "plain", prompt))])
        yield Piece(decoding(wire, "plain")(body), body)

    async def stream(prompt: str) -> AsyncIterator[Piece]:
        decode = decoding(wire, "stream")
        async for block in blocks(_encoded(wire, "stream", prompt)):
            yield Piece(decode(block), block)

    return {"plain": plain, "stream": stream}


def _httpx(module: Any, wire: str) -> Blocking:
    @contextmanager
    def opened(url: str) -> Iterator[Mapping[str, Call]]:
        with module.Client(base_url=url, verify=TLS) as client:

            def blocks(asked: HttpRequest) -> Iterator[bytes]:
                with client.stream("POST", asked.path, content=asked.body) as response:
                    yield from response.iter_raw()

            yield _bare(wire, blocks)

    return Blocking(wire, opened)


def _httpx_async(module: Any, wire: str) -> Asyncio:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Mapping[str, AsyncCall]]:
        async with module.AsyncClient(base_url=url, verify=TLS) as client:

            async def blocks(asked: HttpRequest) -> AsyncIterator[bytes]:
                async with client.stream("POST", asked.path, content=asked.body) as response:
                    async for block in response.aiter_raw():
                        yield block

            yield _bare_async(wire, blocks)

    return Asyncio(wire, opened)


@contextmanager
def _requests(url: str) -> Iterator[Mapping[str, Call]]:
    with requests.Session() as session:

        def blocks(asked: HttpRequest) -> Iterator[bytes]:
            with session.post(url + asked.path, data=asked.body, stream=True) as response:
                yield from response.iter_content(chunk_size=None)

        yield _bare("ollama", blocks)


@contextmanager
def _urllib3(url: str) -> Iterator[Mapping[str, Call]]:
    with urllib3.PoolManager(maxsize=THREADS) as pool:

        def blocks(asked: HttpRequest) -> Iterator[bytes]:
            response = pool.request("POST", url + asked.path, body=asked.body, preload_content=False)
            yield from response.stream()
            response.release_conn()

        yield _bare("bedrock", blocks)


@asynccontextmanager
async def _aiohttp(url: str) -> AsyncIterator[Mapping[str, AsyncCall]]:
    async with aiohttp.ClientSession(url) as session:

        async def blocks(asked: HttpRequest) -> AsyncIterator[bytes]:
            async with session.post(asked.path, data=asked.body) as response:
                async for block in response.content.iter_any():
                    yield block

        yield _bare_async("anthropic", blocks)


# All of them --------------------------------------------------------------------------------------------

BLOCKING = {
    "openai": Blocking("openai", _openai),
    "anthropic": Blocking("anthropic", _anthropic(_anthropic_sdk)),
    "anthropic-bedrock": Blocking("anthropic-bedrock", _anthropic(_anthropic_bedrock)),
    "ollama": Blocking("ollama", _ollama),
    "boto3": Blocking("bedrock", _boto3),
    "chat-model": Blocking("openai", _chat_model),
    "httpx": _httpx(httpx, "openai"),
    "httpx2": _httpx(httpx2, "anthropic"),
    "requests": Blocking("ollama", _requests),
    "urllib3": Blocking("bedrock", _urllib3),
}

ASYNCIO = {
    "openai-async": Asyncio("openai", _openai_async(lambda: openai.DefaultAsyncHttpxClient(verify=TLS))),
    "openai-aiohttp": Asyncio("openai", _openai_async(openai.DefaultAioHttpClient)),
    "anthropic-async": Asyncio("anthropic", _anthropic_async(_anthropic_sdk_async)),
    "anthropic-bedrock-async": Asyncio("anthropic-bedrock", _anthropic_async(_anthropic_bedrock_async)),
    "ollama-async": Asyncio("ollama", _ollama_async),
    "chat-model-async": Asyncio("openai", _chat_model_async),
    "httpx-async": _httpx_async(httpx, "ollama"),
    "httpx2-async": _httpx_async(httpx2, "bedrock"),
    "aiohttp": Asyncio("anthropic", _aiohttp),
}
