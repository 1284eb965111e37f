"""Many at once: threads, tasks and event loops that share one model get each their own answer."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx2
import pytest
from raw_server import RawServer, Script
from wires import WIRES, Wire, plain, streamed, words

import tapeline
from tapeline.client import ProviderModel
from tapeline.clock import VirtualClock
from tapeline.http.transport import HandlerTransport
from tapeline.latency.pacing import IncomingRequest, ScheduledResponse
from tapeline.types import HttpRequest, assistant

pytestmark = pytest.mark.slow

THREADS = 64
TASKS = 1000
OLLAMA = WIRES["ollama"]


# Over sockets -----------------------------------------------------------------------------------------


def echo(request: bytes) -> Script:
    """Answer with the words that were asked, in the form that was asked for."""
    asked = json.loads(request.partition(b"\r\n\r\n")[2])
    reply = replace(OLLAMA.reply(), message=assistant(asked["messages"][-1]["content"]))
    body = OLLAMA.codec.encode_response(reply)
    if asked["stream"]:
        body = b"".join(OLLAMA.blocks(words(reply)))
    return [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body]


def model_at(server: RawServer) -> ProviderModel:
    return tapeline.chat_model(OLLAMA.name, base_url=server.url, max_retries=0)


def test_threads_share_a_model_without_mixing_their_answers() -> None:
    """64 of them, all at the same moment, plain and streamed; with a connection each, not one a call."""
    start = threading.Barrier(THREADS)

    def ask(number: int) -> list[str]:
        prompts = [f"I am {number}, call {call}" for call in range(4)]
        start.wait()
        return [
            model.generate(prompt).text if number % 2 else "".join(c.text for c in model.stream(prompt))
            for prompt in prompts
        ]

    with RawServer(echo) as server, ThreadPoolExecutor(THREADS) as threads:
        model = model_at(server)
        answers = list(threads.map(ask, range(THREADS)))
        model.close()

    assert answers == [[f"I am {number}, call {call}" for call in range(4)] for number in range(THREADS)]
    assert len(server.requests) == 4 * THREADS
    assert server.connections <= THREADS


def test_event_loops_in_several_threads_share_a_model() -> None:
    """Each loop has connections of its own; the blocking face works beside them."""

    async def ask(number: int) -> list[str]:
        replies = await asyncio.gather(*(model.agenerate(f"{number}.{call}") for call in range(4)))
        await model.aclose()
        return [reply.text for reply in replies] + [model.generate(f"{number}.4").text]

    with RawServer(echo) as server, ThreadPoolExecutor(8) as threads:
        model = model_at(server)
        answers = list(threads.map(lambda number: asyncio.run(ask(number)), range(8)))
        model.close()

    assert answers == [[f"{number}.{call}" for call in range(5)] for number in range(8)]


# In memory --------------------------------------------------------------------------------------------


def late_echo(wire: Wire) -> Callable[[IncomingRequest], ScheduledResponse]:
    """Echo after a time that puts the answers into quite another order than the questions."""

    def handler(request: IncomingRequest) -> ScheduledResponse:
        asked = wire.codec.decode_request(
            HttpRequest(method="POST", path="", headers=request.headers, body=request.body)
        )
        text = asked.messages[-1].text
        reply = replace(wire.reply(), message=assistant(text))
        due_s = int(text.split()[-1]) * 7919 % TASKS / TASKS
        if asked.is_stream:
            return streamed(wire.blocks(words(reply)), head_s=due_s, gap_s=0.5)
        return plain(wire.codec.encode_response(reply), due_s=due_s)

    return handler


def test_a_thousand_tasks_share_a_model_without_mixing_their_answers() -> None:
    """Half of them streamed, their chunks interleaved; in the time of the slowest, and no task is left."""
    clock, wire = VirtualClock(), WIRES["openai"]
    http_client = httpx2.AsyncClient(transport=HandlerTransport(late_echo(wire), clock))
    model = tapeline.chat_model(wire.name, http_client=http_client, clock=clock)

    async def ask(number: int) -> str:
        prompt = f"I am number {number}"
        if number % 2:
            return (await model.agenerate(prompt)).text
        return "".join([chunk.text async for chunk in model.astream(prompt)])

    async def main() -> list[str]:
        answers = await asyncio.gather(*map(ask, range(TASKS)))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return answers

    assert clock.run(main()) == [f"I am number {number}" for number in range(TASKS)]
    assert clock.now_ns() < 5_000_000_000


# Time -------------------------------------------------------------------------------------------------


def test_a_wall_clock_that_goes_backwards_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour at every look: times are still durations, and a retry and a deadline still work."""
    wall_s = itertools.count(2e9, -3600)
    monkeypatch.setattr(time, "time", lambda: next(wall_s))
    busy = b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"
    with RawServer([busy], echo) as server:
        model = tapeline.chat_model(OLLAMA.name, base_url=server.url, deadline_s=5.0)
        with model.stream("one two three") as stream:
            text = "".join(chunk.text for chunk in stream)
        model.close()

    timing = stream.reply.timing
    assert (text, len(server.requests)) == ("one two three", 2)
    assert 0 <= timing.chunk_at_s[0] <= timing.chunk_at_s[-1] <= timing.total_s < 5
    assert list(timing.chunk_at_s) == sorted(timing.chunk_at_s)
