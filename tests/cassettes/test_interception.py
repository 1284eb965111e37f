"""Interception: every client is recorded and replayed, streams pass through, and nothing stays behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context
from pathlib import Path
from threading import Barrier
from typing import Any

import aiohttp
import anthropic
import clients
import httpx2
import openai
import pytest
import requests
from clients import CLIENTS, Ask, answer_of
from local_server import Answer, Asked, Gate, LocalServer, echo

from tapeline.cassettes import Tape, load_tape, save_tape, use_cassette
from tapeline.cassettes.interception import active_tape, intercepted
from tapeline.cassettes.storage.fileformat import load
from tapeline.errors import CassetteMissError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassette.yaml"


each_client = pytest.mark.parametrize("ask", CLIENTS.values(), ids=CLIENTS.keys())


# One client at a time -----------------------------------------------------------------------------------


@each_client
def test_a_recorded_call_is_replayed_without_the_server(ask: Ask, path: Path) -> None:
    with LocalServer(echo) as server, use_cassette(path, record_mode="once"):
        live = answer_of(ask, server.url)

    with use_cassette(path) as tape:
        replayed = answer_of(ask, server.url)

    assert live == replayed == "you said hello there"
    assert len(server.asked) == 1
    assert tape.play_counts == {0: 1}


@each_client
def test_a_stream_passes_through_while_it_is_recorded(ask: Ask, path: Path) -> None:
    """The server sends its second event only when the client has seen the first: no buffer in between."""
    gate = Gate()

    with LocalServer(gate) as server, use_cassette(path, record_mode="once"):
        live = answer_of(ask, server.url, say=lambda _: gate.seen())

    assert gate.was_passed
    assert live == "you said hello there"


@each_client
def test_the_blocks_of_a_stream_are_kept_apart(ask: Ask, path: Path) -> None:
    """What arrived before the pause and what came after it are blocks of their own."""
    gate = Gate()

    with LocalServer(gate) as server, use_cassette(path, record_mode="once"):
        answer_of(ask, server.url, say=lambda _: gate.seen())

    response = load(path)[0].response
    first = next(iter(echo(server.asked[0]).blocks))
    assert response.blocks()[0] == first
    assert len(response.blocks()) > 1


@each_client
def test_without_a_recording_no_client_reaches_the_network(ask: Ask, path: Path) -> None:
    wrapped = (openai.APIConnectionError, anthropic.APIConnectionError)
    refused = pytest.raises((CassetteMissError, *wrapped))

    with LocalServer(echo) as server, use_cassette(path), refused as raised:
        answer_of(ask, server.url)

    assert isinstance(raised.value.__cause__ or raised.value, CassetteMissError)
    assert server.asked == []


class _Enough(Exception):
    pass


def _stop(_: str) -> None:
    raise _Enough


@each_client
def test_a_stream_left_early_is_marked_as_cut(ask: Ask, path: Path) -> None:
    gate = Gate()

    with LocalServer(gate) as server, use_cassette(path, record_mode="once"), suppress(_Enough):
        answer_of(ask, server.url, say=_stop)
    gate.seen()

    [interaction] = load(path)
    assert interaction.response.is_cut


def failed(ask: Ask, url: str) -> Exception:
    """Make a call that fails and return its error."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each client has its own
        answer_of(ask, url)
    return raised.value


@each_client
def test_a_stream_the_server_cuts_breaks_again_at_replay(ask: Ask, path: Path) -> None:
    """After the same bytes, with the error the client raised."""

    def cut(asked: Asked) -> Answer:
        answer = echo(asked)
        return Answer(blocks=list(answer.blocks)[:2], media_type=answer.media_type, is_cut=True)

    with LocalServer(cut) as server, use_cassette(path, record_mode="once") as tape:
        live = failed(ask, server.url)
    [interaction] = tape.recorded()
    with intercepted(Tape(source="again", interactions=[interaction])):
        replayed = failed(ask, server.url)

    assert interaction.response.failure is not None
    assert interaction.response.failure.kind == "disconnect"
    assert interaction.response.body == b"".join(list(echo(server.asked[0]).blocks)[:2])
    assert type(replayed) is type(live)
    assert len(server.asked) == 1


@each_client
def test_a_refused_connection_is_refused_again_at_replay(ask: Ask, path: Path) -> None:
    with LocalServer(echo) as server:
        url = server.url
    with use_cassette(path, record_mode="once") as tape:
        live = failed(ask, url)
    [interaction] = tape.recorded()
    with LocalServer(echo) as server, intercepted(Tape(source="again", interactions=[interaction])):
        replayed = failed(ask, url)

    assert interaction.response.failure is not None
    assert interaction.response.failure.kind == "refused"
    assert type(replayed) is type(live)
    assert server.asked == []


def test_a_body_read_in_two_goes_is_recorded_once(path: Path) -> None:
    """As SDKs do: they stop at the last event, and drain what follows."""
    answer = Answer(blocks=[b"one", b"two", b"three"])

    with (
        LocalServer(lambda _: answer) as server,
        use_cassette(path, record_mode="once"),
        httpx2.stream("GET", server.url) as response,
    ):
        first = next(events := iter(response.stream))
        rest = b"".join(response.stream)
        assert list(events) == []

    [interaction] = load(path)
    assert interaction.response.body == first + rest == b"onetwothree"
    assert not interaction.response.is_cut


def test_an_async_body_read_in_two_goes_is_recorded_once(path: Path) -> None:
    async def read() -> bytes:
        async with httpx2.AsyncClient() as client, client.stream("GET", server.url) as response:
            first = await anext(events := aiter(response.stream))
            rest = b"".join([block async for block in response.stream])
            assert [block async for block in events] == []
        return first + rest

    answer = Answer(blocks=[b"one", b"two", b"three"])
    with LocalServer(lambda _: answer) as server, use_cassette(path, record_mode="once"):
        whole = asyncio.run(read())

    [interaction] = load(path)
    assert interaction.response.body == whole == b"onetwothree"
    assert not interaction.response.is_cut


def test_status_errors_are_replayed_as_errors(path: Path) -> None:
    body = json.dumps({"error": {"message": "slow down", "type": "rate_limit"}}).encode()
    limited = Answer(blocks=[body], status=429, headers={"retry-after": "7"})

    def ask() -> openai.RateLimitError:
        with pytest.raises(openai.RateLimitError) as raised:
            answer_of(clients.ask_openai, server.url)
        return raised.value

    with LocalServer(lambda _: limited) as server, use_cassette(path, record_mode="once"):
        live = ask()
    with use_cassette(path):
        replayed = ask()

    assert live.response.headers["retry-after"] == replayed.response.headers["retry-after"] == "7"
    assert live.body == replayed.body


def test_plain_answers_of_boto3_are_recorded(path: Path) -> None:
    def ask() -> str:
        with clients.bedrock(server.url) as client:
            answer = client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "hi"}]}])
        return str(answer["output"]["message"]["content"][0]["text"])

    with LocalServer(echo) as server, use_cassette(path, record_mode="once"):
        live = ask()
    with use_cassette(path):
        replayed = ask()

    assert live == replayed == "you said hi"


def test_raw_bodies_of_boto3_are_recorded(path: Path) -> None:
    """invoke_model hands out the body to read in pieces of any size."""
    body = b'{"completion": "yes"}'

    def ask() -> bytes:
        with clients.bedrock(server.url) as client:
            stream = client.invoke_model(modelId="m", body=b'{"prompt": "?"}')["body"]
            return b"".join([stream.read(5), stream.read(3), stream.read()])

    with LocalServer(lambda _: Answer(blocks=[body])) as server, use_cassette(path, record_mode="once"):
        live = ask()
    with use_cassette(path):
        replayed = ask()

    assert live == replayed == body
    assert load(path)[0].response.is_cut is False


def test_large_binary_bodies_come_back_as_they_were(path: Path) -> None:
    body = bytes(range(256)) * 400
    answer = Answer(blocks=[body[:1000], body[1000:]], media_type="application/octet-stream")

    with LocalServer(lambda _: answer) as server, use_cassette(path, record_mode="once"):
        live = httpx2.get(server.url).content
    with use_cassette(path):
        replayed = httpx2.get(server.url).content

    assert live == replayed == body


def test_signed_headers_are_left_alone(path: Path) -> None:
    """A changed header would break the signature of a client that signed it."""
    signed = {
        "authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=accept-encoding;host, Signature=c"
    }
    yes = Answer(blocks=[b"{}"])

    with LocalServer(lambda _: yes) as server, use_cassette(path, record_mode="once"):
        httpx2.get(server.url, headers=signed | {"accept-encoding": "gzip"})
        httpx2.get(server.url, headers={"accept-encoding": "gzip"})

    assert [asked.headers["accept-encoding"] for asked in server.asked] == ["gzip", "identity"]


# After the block ----------------------------------------------------------------------------------------


def test_an_exception_leaves_the_file_as_it_was(path: Path) -> None:
    with LocalServer(echo) as server:
        with use_cassette(path, record_mode="once"):
            answer_of(clients.ask_openai, server.url, "first")
        before = path.read_bytes()
        with suppress(_Enough), use_cassette(path, record_mode="new_episodes"):
            answer_of(clients.ask_openai, server.url, "second")
            raise _Enough
    assert len(server.asked) == 2

    assert path.read_bytes() == before


def test_an_exception_writes_no_new_file(path: Path) -> None:
    with LocalServer(echo) as server, suppress(_Enough), use_cassette(path, record_mode="once"):
        answer_of(clients.ask_openai, server.url)
        raise _Enough

    assert list(path.parent.iterdir()) == []


def test_blocks_that_overlap_end_in_any_order() -> None:
    """The one entered first may end first: the other goes on, and then all is as before."""
    first, second = Tape(source="first"), Tape(source="second")
    first_block, second_block = intercepted(first), intercepted(second)

    first_block.__enter__()
    second_block.__enter__()
    first_block.__exit__(None, None, None)

    with pytest.raises(CassetteMissError, match="second"):
        httpx2.get("http://127.0.0.1:9/")
    second_block.__exit__(None, None, None)


def test_blocks_nest() -> None:
    outer, inner = Tape(source="outer"), Tape(source="inner")

    with intercepted(outer):
        with intercepted(inner), pytest.raises(CassetteMissError, match="inner"):
            httpx2.get("http://127.0.0.1:9/")
        with pytest.raises(CassetteMissError, match="outer"):
            httpx2.get("http://127.0.0.1:9/")


def test_equal_tapes_are_not_taken_for_one_another() -> None:
    tapes = [Tape(source="same", clock=(clock := load_tape("none").clock)) for _ in range(2)]
    assert clock is tapes[1].clock

    with intercepted(tapes[0]):
        with intercepted(tapes[1]):
            pass
        [seen] = _in_threads(lambda _: active_tape(), 1)

    assert seen is tapes[0]


def test_a_block_may_be_left_in_another_context() -> None:
    """Async fixtures are entered in one task and left in another."""
    block = intercepted(Tape(source="fixture"))

    copy_context().run(block.__enter__)
    Context().run(block.__exit__, None, None, None)

    assert active_tape() is None


# Several at a time --------------------------------------------------------------------------------------


def _in_threads(job: Any, count: int) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(job, range(count)))


def test_tapes_of_two_tasks_stay_apart(tmp_path: Path) -> None:
    async def record(name: str, both_entered: asyncio.Barrier) -> None:
        with use_cassette(tmp_path / f"{name}.yaml", record_mode="once"):
            await both_entered.wait()
            async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="k" * 12) as client:
                for number in range(3):
                    await client.chat.completions.create(
                        model="m", messages=clients.messages(f"{name} {number}")
                    )
            await both_entered.wait()

    async def main() -> None:
        barrier = asyncio.Barrier(2)
        await asyncio.gather(record("left", barrier), record("right", barrier))

    with LocalServer(echo) as server:
        asyncio.run(main())

    for name in ("left", "right"):
        bodies = [json.loads(item.request.body) for item in load(tmp_path / f"{name}.yaml")]
        assert [body["messages"][0]["content"] for body in bodies] == [f"{name} {n}" for n in range(3)]


def test_tapes_of_two_threads_stay_apart(tmp_path: Path) -> None:
    both_entered = Barrier(2)

    def record(number: int) -> None:
        with use_cassette(tmp_path / f"{number}.yaml", record_mode="once"):
            both_entered.wait()
            httpx2.post(server.url, json={"thread": number})
            both_entered.wait()

    with LocalServer(lambda _: Answer(blocks=[b"{}"])) as server:
        _in_threads(record, 2)

    for number in range(2):
        [interaction] = load(tmp_path / f"{number}.yaml")
        assert json.loads(interaction.request.body) == {"thread": number}


def test_a_thread_without_a_tape_uses_the_entered_one(path: Path) -> None:
    """Threads inherit no context; still their calls are not the network's."""

    def ask(_: int) -> str:
        with pytest.raises(CassetteMissError) as raised:
            httpx2.get(server.url)
        return str(raised.value)

    with LocalServer(echo) as server, use_cassette(path):
        [message] = _in_threads(ask, 1)

    assert str(path) in message
    assert server.asked == []


def test_many_threads_of_boto3_replay_without_a_leak(path: Path) -> None:
    """Where stock vcrpy lets some of them reach the network."""
    count = 16

    def ask(number: int) -> str:
        pieces: list[str] = []
        clients.converse(client, f"question {number}", pieces.append)
        return "".join(pieces)

    with LocalServer(echo) as server, clients.bedrock(server.url, max_pool_connections=count) as client:
        with use_cassette(path, record_mode="once"):
            live = _in_threads(ask, count)
        recorded = len(server.asked)
        for _ in range(5):
            with use_cassette(path) as tape:
                assert _in_threads(ask, count) == live
            assert sum(tape.play_counts.values()) == count

    assert live == [f"you said question {number}" for number in range(count)]
    assert len(load(path)) == recorded == count
    assert len(server.asked) == recorded


def test_concurrent_calls_are_stored_in_the_order_they_began(path: Path) -> None:
    """The first call ends last: order is reserved when a request starts."""

    async def ask(number: int, client: httpx2.AsyncClient, later: asyncio.Event) -> None:
        async with client.stream("POST", server.url, json={"call": number}) as response:
            if number == 0:
                await later.wait()
            await response.aread()
        later.set()

    async def main() -> None:
        later = asyncio.Event()
        async with httpx2.AsyncClient() as client:
            first = asyncio.create_task(ask(0, client, later))
            while not server.asked:
                await asyncio.sleep(0)
            await asyncio.gather(first, ask(1, client, later))

    with LocalServer(lambda _: Answer(blocks=[b"{}"])) as server, use_cassette(path, record_mode="once"):
        asyncio.run(main())

    assert [json.loads(item.request.body)["call"] for item in load(path)] == [0, 1]


def test_five_gathered_prompts_get_their_own_answers(path: Path) -> None:
    """Where matching by URL alone would answer in the order of the recording."""

    async def ask_all(numbers: list[int]) -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="k" * 12) as client:

            async def ask(number: int) -> str:
                answer = await client.chat.completions.create(
                    model="m", messages=clients.messages(f"prompt {number}")
                )
                return answer.choices[0].message.content or ""

            return await asyncio.gather(*map(ask, numbers))

    with LocalServer(echo) as server, use_cassette(path, record_mode="once"):
        asyncio.run(ask_all([0, 1, 2, 3, 4]))
    with use_cassette(path):
        replayed = asyncio.run(ask_all([3, 0, 4, 2, 1]))

    assert replayed == [f"you said prompt {number}" for number in (3, 0, 4, 2, 1)]


# Request bodies -----------------------------------------------------------------------------------------


async def _parts() -> AsyncIterator[bytes]:
    yield b'{"a":'
    yield b" 1}"


def test_streamed_uploads_are_recorded_whole(path: Path) -> None:
    async def upload() -> None:
        async with httpx2.AsyncClient() as client:
            await client.post(server.url, content=_parts())

    with LocalServer(lambda _: Answer(blocks=[b"{}"])) as server, use_cassette(path, record_mode="once"):
        asyncio.run(upload())
        httpx2.post(server.url, content=iter([b'{"b":', b" 2}"]))

    assert [item.request.body for item in load(path)] == [b'{"a": 1}', b'{"b": 2}']


def test_uploads_of_requests_are_sent_whole_and_recorded_whole(path: Path, tmp_path: Path) -> None:
    """From a generator, which can be read once, and from a file, which stands where it stood."""
    upload = tmp_path / "upload.json"
    upload.write_bytes(b'skipped{"c": 3}')

    with LocalServer(lambda _: Answer(blocks=[b"{}"])) as server, use_cassette(path, record_mode="once"):
        requests.post(server.url, data=iter([b'{"a":', b" 1}"]), headers={"transfer-encoding": "chunked"})
        requests.post(server.url, data='{"b": 2}')
        with upload.open("rb") as file:
            file.seek(7)
            requests.post(server.url, data=file)

    bodies = [b'{"a": 1}', b'{"b": 2}', b'{"c": 3}']
    assert [item.request.body for item in load(path)] == bodies
    assert [asked.body for asked in server.asked[1:]] == bodies[1:]


def test_forms_of_aiohttp_are_recorded_as_they_are_sent(path: Path) -> None:
    async def upload() -> None:
        async with aiohttp.ClientSession() as session:
            for form in (
                {"data": {"field": "one"}, "params": {"page": 2}},
                {"data": b"raw"},
                {"json": {"a": 1}},
            ):
                async with session.post(server.url, **form) as response:
                    await response.read()

    with LocalServer(lambda _: Answer(blocks=[b"{}"])) as server, use_cassette(path, record_mode="once"):
        asyncio.run(upload())

    recorded = load(path)
    assert [item.request.body for item in recorded] == [asked.body for asked in server.asked]
    assert recorded[0].request.url.endswith("/?page=2")
    assert recorded[2].request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("has_tape", [True, False])
def test_uploads_of_aiohttp_that_can_be_read_once_are_sent_whole(
    path: Path, tmp_path: Path, has_tape: bool
) -> None:
    """A generator, a form of several parts, a file; also the calls that a tape has no business with."""
    upload = tmp_path / "upload.bin"
    upload.write_bytes(b"from a file")
    form = aiohttp.FormData()
    form.add_field("part", b"of a form", filename="part.bin")

    async def send() -> None:
        async with aiohttp.ClientSession() as session:
            with upload.open("rb") as file:
                for data in (_parts(), form, file):
                    async with session.post(server.url, data=data) as response:
                        await response.read()

    tape = load_tape(path, record_mode="once")
    if not has_tape:
        tape.filtered = lambda request: None  # type: ignore[method-assign]
    with LocalServer(lambda _: Answer(blocks=[b"{}"])) as server, intercepted(tape):
        asyncio.run(send())

    bodies = [asked.body for asked in server.asked]
    assert (bodies[0], bodies[2]) == (b'{"a": 1}', b"from a file")
    assert b"of a form" in bodies[1]
    assert server.asked[1].headers["content-type"].startswith("multipart/form-data; boundary=")
    assert [item.request.body for item in tape.recorded()] == (bodies if has_tape else [])


def test_a_status_that_aiohttp_was_to_raise_is_raised_at_replay(path: Path) -> None:
    async def ask() -> aiohttp.ClientResponseError:
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            with pytest.raises(aiohttp.ClientResponseError) as raised:
                await session.get(server.url)
        return raised.value

    with LocalServer(lambda _: Answer(blocks=[b"{}"], status=503)) as server:
        with use_cassette(path, record_mode="once"):
            live = asyncio.run(ask())
        with use_cassette(path):
            replayed = asyncio.run(ask())

    assert live.status == replayed.status == 503
    assert len(server.asked) == 1


def test_a_tape_can_be_filled_and_saved_by_hand(path: Path) -> None:
    """`use_cassette` is no more than these three."""
    tape = load_tape(path, record_mode="once", meta={"upstream": "a test"})

    with LocalServer(lambda _: Answer(blocks=[b"{}"])) as server, intercepted(tape):
        httpx2.get(server.url)
    save_tape(tape, path)

    assert load(path)[0].response.meta["upstream"] == "a test"
