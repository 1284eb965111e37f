"""What only a socket can do to a call: resets, half-closed connections, heads and bodies that are no HTTP.

The transport is the same for all providers, so one stands for them. Nothing here waits for time, but
where a timeout is the point.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from raw_server import PATIENCE_S, RawServer, Script, close, close_one_half, drip, hang, reset
from socket_faces import FACES, QUESTION, Call, Outcome
from wires import WIRES, words

import tapeline
from tapeline.client import ProviderModel
from tapeline.errors import ErrorCode

both_faces = pytest.mark.parametrize("call", FACES.values(), ids=FACES.keys())

OLLAMA = WIRES["ollama"]
TEXT = OLLAMA.reply().text
BODY = OLLAMA.codec.encode_response(OLLAMA.reply())
EVENTS = OLLAMA.blocks(words(OLLAMA.reply()))

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def answer(body: bytes = BODY) -> bytes:
    return OK + b"content-length: %d\r\n\r\n%s" % (len(body), body)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def asked(base_url: str, *, is_stream: bool = False, **settings: Any) -> Call:
    given = {"base_url": base_url, "api_key": "sk-test", "max_retries": 0, "timeout_s": 5.0} | settings
    return Call(name=OLLAMA.name, is_stream=is_stream, settings=given)


def ending(outcome: Outcome) -> tuple[ErrorCode, bool]:
    assert outcome.error is not None
    return outcome.error.code, outcome.error.retryable


# Plain answers ----------------------------------------------------------------------------------------

CAN_BE_TRIED_AGAIN = (ErrorCode.NETWORK_ERROR, True)
FLOODED = (ErrorCode.NETWORK_ERROR, False)  # the server would send the same head again
FAULTS: dict[str, tuple[Script, tuple[ErrorCode, bool]]] = {
    "reset at once": ([reset], CAN_BE_TRIED_AGAIN),
    "closed at once": ([close], CAN_BE_TRIED_AGAIN),
    "half closed": ([close_one_half, hang], CAN_BE_TRIED_AGAIN),
    "reset in the head": ([OK, reset], CAN_BE_TRIED_AGAIN),
    "closed in the head": ([OK, close], CAN_BE_TRIED_AGAIN),
    "another protocol": ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n", close], CAN_BE_TRIED_AGAIN),
    "no head": ([BODY, close], CAN_BE_TRIED_AGAIN),
    "a head without an end": ([OK, b"x-big: ", b"a" * 200_000, close], FLOODED),
    "too many headers": ([OK, b"x-more: a\r\n" * 20_000, close], FLOODED),
    "a length that is no number": ([OK, b"content-length: many\r\n\r\n{}", close], CAN_BE_TRIED_AGAIN),
    "two lengths": ([OK, b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", close], CAN_BE_TRIED_AGAIN),
    "a body shorter than its length": ([answer()[:-1], close], CAN_BE_TRIED_AGAIN),
    "a body reset": ([answer()[:-1], reset], CAN_BE_TRIED_AGAIN),
    "a body longer than its length": (
        [OK, b"content-length: %d\r\n\r\n" % (len(BODY) - 1), BODY],
        (ErrorCode.MALFORMED_RESPONSE, False),
    ),
    "a chunk size that is no number": ([CHUNKED, b"zz\r\n", close], CAN_BE_TRIED_AGAIN),
    "a chunk cut short": ([CHUNKED, chunk(BODY)[:-9], close], CAN_BE_TRIED_AGAIN),
    "chunks without an end": ([CHUNKED, chunk(BODY), close], CAN_BE_TRIED_AGAIN),
    "no content": ([b"HTTP/1.1 204 No Content\r\n\r\n"], (ErrorCode.EMPTY_RESPONSE, False)),
}


@both_faces
@pytest.mark.parametrize(("script", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_a_broken_answer_is_an_error_that_says_whether_to_try_again(
    script: Script, expected: tuple[ErrorCode, bool], call: Callable[[Call], Outcome]
) -> None:
    """And the connection is closed, or the server would wait for it in vain."""
    with RawServer(script) as server:
        outcome = call(asked(server.url))

    assert ending(outcome) == expected
    assert len(server.requests) == 1


@both_faces
def test_interim_answers_are_passed_over(call: Callable[[Call], Outcome]) -> None:
    """100 and 103 come before the answer, which is the next."""
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"
    with RawServer([b"HTTP/1.1 100 Continue\r\n\r\n", hints, answer()]) as server:
        outcome = call(asked(server.url))

    assert outcome.reply is not None
    assert outcome.reply.text == TEXT


@both_faces
def test_a_body_without_a_length_ends_with_its_connection(call: Callable[[Call], Outcome]) -> None:
    """As HTTP/1.0 has it."""
    with RawServer([b"HTTP/1.0 200 OK\r\n\r\n", BODY, close]) as server:
        outcome = call(asked(server.url))

    assert outcome.reply is not None
    assert outcome.reply.text == TEXT


# Streams ----------------------------------------------------------------------------------------------

BEGUN = CHUNKED + chunk(EVENTS[0])
BROKEN_STREAMS: dict[str, Script] = {
    "reset": [BEGUN, reset],
    "closed": [BEGUN, close],
    "closed in a chunk": [BEGUN + chunk(EVENTS[1])[:-9], close],
    "a chunk size that is no number": [BEGUN, b"zz\r\n", close],
    "shorter than its length": [OK, b"content-length: 999\r\n\r\n", EVENTS[0], close],
}


@both_faces
@pytest.mark.parametrize("script", BROKEN_STREAMS.values(), ids=BROKEN_STREAMS.keys())
def test_a_stream_broken_by_the_network_is_final_once_it_has_begun(
    script: Script, call: Callable[[Call], Outcome]
) -> None:
    """What had come is on the error; no second try may say it again."""
    with RawServer(script) as server:
        outcome = call(asked(server.url, is_stream=True, max_retries=2))

    assert ending(outcome) == (ErrorCode.NETWORK_ERROR, False)
    assert outcome.partial_text == outcome.streamed_text
    assert TEXT.startswith(outcome.streamed_text)
    assert len(server.requests) == 1


# Time -------------------------------------------------------------------------------------------------


@both_faces
@pytest.mark.parametrize(
    ("script", "is_stream", "code"),
    [
        ([hang], False, ErrorCode.TIMEOUT),
        ([BEGUN, hang], True, ErrorCode.STREAM_TIMEOUT),
    ],
    ids=["before the head", "in a stream"],
)
def test_a_server_that_hangs_is_a_timeout(
    script: Script, is_stream: bool, code: ErrorCode, call: Callable[[Call], Outcome]
) -> None:
    with RawServer(script) as server:
        outcome = call(asked(server.url, is_stream=is_stream, timeout_s=0.1))

    assert outcome.error is not None
    assert outcome.error.code is code
    assert 0.1 <= outcome.elapsed_s < 2


@both_faces
def test_a_server_that_never_accepts_is_a_timeout(call: Callable[[Call], Outcome]) -> None:
    """The system takes the connection and the request; nobody reads them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outcome = call(asked(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.1))

    assert ending(outcome) == (ErrorCode.TIMEOUT, True)


EVERY_S = 0.02
DRIPS: dict[str, tuple[Script, bool, ErrorCode]] = {
    "a head": ([OK, b"x-drip: ", drip(b"a", every_s=EVERY_S)], False, ErrorCode.TIMEOUT),
    "a body": ([CHUNKED, drip(chunk(b" "), every_s=EVERY_S)], False, ErrorCode.TIMEOUT),
    "a stream": ([BEGUN, drip(chunk(b"\n"), every_s=EVERY_S)], True, ErrorCode.STREAM_TIMEOUT),
}


@both_faces
@pytest.mark.parametrize(("script", "is_stream", "code"), DRIPS.values(), ids=DRIPS.keys())
def test_what_drips_is_cut_off_at_the_deadline(
    script: Script, is_stream: bool, code: ErrorCode, call: Callable[[Call], Outcome]
) -> None:
    """No read takes long, so that only the deadline of the whole call can end it."""
    with RawServer(script) as server:
        outcome = call(asked(server.url, is_stream=is_stream, deadline_s=0.2))

    assert outcome.error is not None
    assert outcome.error.code is code
    assert 0.15 <= outcome.elapsed_s < 2


# Credentials ------------------------------------------------------------------------------------------


@both_faces
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_key_stays_here(status: int, call: Callable[[Call], Outcome]) -> None:
    """The other server hears nothing at all, in neither form of a call."""
    with RawServer([answer()]) as elsewhere:
        moved = f"HTTP/1.1 {status} Moved\r\nlocation: {elsewhere.url}/api/chat\r\ncontent-length: 0\r\n\r\n"
        with RawServer([moved.encode()]) as server:
            outcomes = [call(asked(server.url, is_stream=is_stream)) for is_stream in (False, True)]

    assert [ending(outcome) for outcome in outcomes] == [(ErrorCode.INVALID_RESPONSE, False)] * 2
    assert elsewhere.connections == 0
    assert all(b"sk-test" in request for request in server.requests)


# Connections ------------------------------------------------------------------------------------------

STREAM = [CHUNKED, *map(chunk, EVENTS), END]
NO = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}"
SEQUENCE: list[Script] = [[answer()], STREAM, [NO], STREAM, [answer()]]
"""Plain and streamed answers, and an error among them."""


def test_calls_one_after_another_share_one_connection() -> None:
    """Of the blocking face; an error that was read to its end costs no connection either."""
    with RawServer(*SEQUENCE) as server:
        model = tapeline.chat_model(OLLAMA.name, base_url=server.url, max_retries=0)
        model.generate(QUESTION)
        list(model.stream(QUESTION))
        with pytest.raises(tapeline.LLMError):
            model.generate(QUESTION)
        list(model.stream(QUESTION))
        model.generate(QUESTION)
        model.close()

    assert (len(server.requests), server.connections) == (5, 1)


def test_asyncio_calls_one_after_another_share_one_connection() -> None:
    async def main(url: str) -> None:
        model = tapeline.chat_model(OLLAMA.name, base_url=url, max_retries=0)
        await model.agenerate(QUESTION)
        _ = [chunk async for chunk in model.astream(QUESTION)]
        with pytest.raises(tapeline.LLMError):
            await model.agenerate(QUESTION)
        _ = [chunk async for chunk in model.astream(QUESTION)]
        await model.agenerate(QUESTION)
        await model.aclose()

    with RawServer(*SEQUENCE) as server:
        asyncio.run(main(server.url))

    assert (len(server.requests), server.connections) == (5, 1)


def test_a_connection_the_server_has_closed_is_not_used_again() -> None:
    """An idle connection that has died is no failed call."""
    has_closed = Event()
    with RawServer([answer(), close, lambda _: has_closed.set()], [answer()]) as server:
        model = tapeline.chat_model(OLLAMA.name, base_url=server.url, max_retries=0)
        first = model.generate(QUESTION).text
        has_closed.wait(PATIENCE_S)
        second = model.generate(QUESTION).text
        model.close()

    assert (first, second, server.connections) == (TEXT, TEXT, 2)


def test_a_stream_left_early_gives_its_connection_up() -> None:
    """What is left of the old answer must not be read as the next."""
    with RawServer([BEGUN, hang], [answer()]) as server:
        model = tapeline.chat_model(OLLAMA.name, base_url=server.url, max_retries=0)
        with model.stream(QUESTION) as stream:
            next(stream)
        text = model.generate(QUESTION).text
        model.close()

    assert (text, server.connections) == (TEXT, 2)


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "left open"])
def test_a_model_outlives_its_event_loop(is_closed: bool) -> None:
    """Connections belong to a loop, and end with it; a second asyncio.run opens its own."""
    with RawServer([answer()]) as server:
        texts = texts_of_two_loops(server.url, is_closed=is_closed)
        gc.collect()  # an open socket would be a ResourceWarning, which fails the test

    assert (texts, server.connections) == ([TEXT, TEXT], 2)


def texts_of_two_loops(url: str, *, is_closed: bool) -> list[str]:
    model = tapeline.chat_model(OLLAMA.name, base_url=url, max_retries=0)

    async def ask() -> str:
        text = (await model.agenerate(QUESTION)).text
        if is_closed:
            await model.aclose()
        return text

    return [asyncio.run(ask()) for _ in range(2)]


@pytest.mark.parametrize("script", [[hang], [BEGUN, hang]], ids=["before the head", "in a stream"])
def test_a_cancelled_call_closes_its_connection(script: Script) -> None:
    """At once: nobody closes the model here, and the server hears of it all the same."""
    has_begun = Event()

    async def main(url: str) -> None:
        model = tapeline.chat_model(OLLAMA.name, base_url=url, max_retries=0)
        task = asyncio.create_task(read_all(model))
        await asyncio.to_thread(has_begun.wait, PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with RawServer([*script[:-1], lambda _: has_begun.set(), script[-1]]) as server:
        asyncio.run(main(server.url))

    assert len(server.requests) == 1


async def read_all(model: ProviderModel) -> None:
    async for _ in model.astream(QUESTION):
        pass
