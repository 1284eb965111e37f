"""Every client, blocking and in asyncio, in threads and tasks, for plain answers and streams.

What real servers answered is sent to each over a socket, recorded, and replayed from the file: the same
bytes in the same blocks, at the same times, and nobody asks the server again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from callers import ASYNCIO, BLOCKING, THREADS, Asyncio, Blocking, Call, Piece
from local_server import LocalServer
from playback import CALLS, Playback, SteppedClock, decoding, echo_everywhere, recordings

from tapeline.cassettes import Tape, use_cassette
from tapeline.cassettes.interaction import RecordedResponse
from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.storage.fileformat import load
from tapeline.clock import NS_PER_S, Clock, SystemClock, VirtualClock, ns

Client = Blocking | Asyncio
Run = Callable[[Coroutine[Any, Any, Any]], Any]

CLIENTS: dict[str, Client] = {**BLOCKING, **ASYNCIO}
MODES = ("plain", "stream")
REQUESTS = 160
TASKS = 20

Questions = list[tuple[str, str]]
"""(mode, prompt) of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A piece, and nanoseconds from the start of its call until the client handed it out."""

    at_ns: int
    piece: Piece


Heard = list[list[Timed]]
"""The pieces of each call."""


def hear(client: Client, url: str, mode: str, clock: Clock, run: Run = asyncio.run) -> Heard:
    """Make the calls, one after the other."""
    prompts = [f"recording {number}" for number in range(CALLS)]
    if isinstance(client, Blocking):
        with client.open(url) as calls:
            return [list(_timed(calls[mode](prompt), clock)) for prompt in prompts]

    async def main() -> Heard:
        async with client.open(url) as calls:
            return [[piece async for piece in _atimed(calls[mode](prompt), clock)] for prompt in prompts]

    heard: Heard = run(main())
    return heard


def _timed(pieces: Iterator[Piece], clock: Clock) -> Iterator[Timed]:
    start_ns = clock.now_ns()
    for piece in pieces:
        yield Timed(at_ns=clock.now_ns() - start_ns, piece=piece)


async def _atimed(pieces: Any, clock: Clock) -> Any:
    start_ns = clock.now_ns()
    async for piece in pieces:
        yield Timed(at_ns=clock.now_ns() - start_ns, piece=piece)


def pieces(heard: Heard) -> list[list[Piece]]:
    return [[timed.piece for timed in call] for call in heard]


# One call at a time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
def test_what_a_server_sent_comes_from_the_tape_as_it_came_from_the_server(
    client: Client, mode: str, tmp_path: Path
) -> None:
    """Its bytes, cut where they were cut, and to the nanosecond when they came: the TTFT and every gap."""
    path, clock = tmp_path / "cassette.yaml", VirtualClock()
    sent = recordings(client.wire, mode)

    with recorded(client, mode, path) as (server, live):
        with use_cassette(path) as tape:
            at_once = hear(client, server.url, mode, SystemClock())
        with use_cassette(path, pace="recorded", clock=clock):
            in_time = hear(client, server.url, mode, clock, clock.run)

    assert [facts(interaction.response) for interaction in load(path)] == list(map(facts, sent))
    assert pieces(live) == pieces(at_once) == pieces(in_time)
    assert tape.play_counts == dict.fromkeys(range(CALLS), 1)
    assert len(server.asked) == CALLS
    assert list(map(letters, in_time)) == [due_letters(response, client.wire, mode) for response in sent]


@contextmanager
def recorded(client: Client, mode: str, path: Path) -> Iterator[tuple[LocalServer, Heard]]:
    """Record what a server sends, at the times at which it sent it once; the server stays."""
    clock = SteppedClock()
    with LocalServer(Playback(recordings(client.wire, mode), clock)) as server:
        with use_cassette(path, record_mode="once", clock=clock):
            live = hear(client, server.url, mode, SystemClock())
        yield server, live


def facts(response: RecordedResponse) -> tuple[Any, ...]:
    """Return what a recording of a recording has to keep: bytes, cuts and times."""
    return response.status, response.blocks(), response.times, response.is_cut


def letters(call: Iterable[Timed]) -> list[tuple[int, str]]:
    """Return each letter and its time: the same however a text is cut into pieces."""
    return [(timed.at_ns, letter) for timed in call for letter in timed.piece.text]


def due_letters(response: RecordedResponse, wire: str, mode: str) -> list[tuple[int, str]]:
    """Return each letter of a recording and when it is due."""
    assert response.times is not None
    decode = decoding(wire, mode)
    blocks = zip(response.blocks(), response.times.blocks, strict=True)
    texts = ((ns(response.times.head_s + at_s), decode(block)) for block, (_, at_s) in blocks)
    return [(due_ns, letter) for due_ns, text in texts for letter in text]


# Many at a time -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def echo() -> Iterator[LocalServer]:
    with LocalServer(echo_everywhere) as server:
        yield server


QUESTIONS = [(MODES[number % 2], f"question {number}") for number in range(REQUESTS)]
ANSWERS = [f"you said question {number}" for number in range(REQUESTS)]


@pytest.mark.parametrize("client", BLOCKING.values(), ids=BLOCKING.keys())
@pytest.mark.slow
def test_threads_lose_no_call_and_leak_none(client: Blocking, echo: LocalServer) -> None:
    """Where stock vcrpy loses about half of them, and lets some reach the network."""
    with client.open(echo.url) as calls:
        ask = partial(in_threads, calls)
        assert_none_is_lost_or_leaked(ask, QUESTIONS, ANSWERS, echo)


@pytest.mark.parametrize("client", ASYNCIO.values(), ids=ASYNCIO.keys())
@pytest.mark.slow
def test_tasks_lose_no_call_and_leak_none(client: Asyncio, echo: LocalServer) -> None:
    def ask(questions: Questions) -> list[str]:
        return asyncio.run(in_tasks(client, echo.url, questions))

    assert_none_is_lost_or_leaked(ask, QUESTIONS[:TASKS], ANSWERS[:TASKS], echo)


def assert_none_is_lost_or_leaked(
    ask: Callable[[Questions], list[str]], questions: Questions, answers: list[str], server: LocalServer
) -> None:
    """Ask live, then ask the recording in another order: everyone gets an answer to the own question."""
    asked_before = len(server.asked)
    with intercepted(Tape(source="live", record_mode="once")) as tape:
        live = ask(questions)
    asked_live = len(server.asked)
    with intercepted(Tape(source="replay", interactions=tape.recorded())) as again:
        replayed = ask(questions[::-1])

    assert live == replayed[::-1] == answers
    assert len(again.interactions) == asked_live - asked_before == len(questions)
    assert len(server.asked) == asked_live
    assert again.unplayed() == []


def in_threads(calls: Mapping[str, Call], questions: Questions) -> list[str]:
    def ask(question: tuple[str, str]) -> str:
        mode, prompt = question
        return "".join(piece.text for piece in calls[mode](prompt))

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(ask, questions))


async def in_tasks(client: Asyncio, url: str, questions: Questions) -> list[str]:
    async with client.open(url) as calls:

        async def ask(mode: str, prompt: str) -> str:
            return "".join([piece.text async for piece in calls[mode](prompt)])

        return await asyncio.gather(*(ask(mode, prompt) for mode, prompt in questions))


# On the wall clock --------------------------------------------------------------------------------------

TOLERANCE_S = 0.005
TRIES = 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["httpx2", "urllib3", "aiohttp", "openai-async"])
def test_at_the_recorded_pace_letters_come_within_five_milliseconds(name: str, tmp_path: Path) -> None:
    """The first one, and all by their median: a busy machine wakes some sleepers late."""
    client, path = CLIENTS[name], tmp_path / "cassette.yaml"
    sent = recordings(client.wire, "stream")

    def replay_error_s(url: str) -> float:
        with use_cassette(path, pace="recorded"):
            replayed = hear(client, url, "stream", SystemClock())
        return error_s(replayed[-1], sent[-1], wire=client.wire)  # a client's first call prepares the others

    with recorded(client, "stream", path) as (server, _):
        assert any(replay_error_s(server.url) <= TOLERANCE_S for _ in range(TRIES))


def error_s(call: list[Timed], response: RecordedResponse, *, wire: str) -> float:
    """Return how far the letters of a stream were from their times."""
    pairs = zip(letters(call), due_letters(response, wire, "stream"), strict=True)
    errors_ns = [abs(at_ns - due_ns) for (at_ns, _), (due_ns, _) in pairs]
    return max(errors_ns[0], median(errors_ns)) / NS_PER_S
