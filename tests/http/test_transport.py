"""The handler transport: a server without a network, in any httpx2 client, under the vendors' own SDKs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import httpx2
import pytest
from wires import GAP_S, HEAD_S, WIRES, Server, plain, streamed, words

from tapeline.clock import VirtualClock
from tapeline.http.transport import HandlerTransport, aplay, play
from tapeline.latency.pacing import FailureKind, IncomingRequest, ScheduledResponse, TransportFailure

URL = "http://host.test/v1?q=1"
BODY = [b"one ", b"two ", b"three"]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def client(clock: VirtualClock, response: ScheduledResponse, **options: Any) -> httpx2.Client:
    return httpx2.Client(transport=HandlerTransport(lambda _: response, clock), **options)


def async_client(clock: VirtualClock, response: ScheduledResponse, **options: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=HandlerTransport(lambda _: response, clock), **options)


# Requests and responses ------------------------------------------------------------------------------


def test_the_handler_sees_the_request_as_it_would_be_sent(clock: VirtualClock) -> None:
    """Method, URL with query, header names in lower case, and the body, however it was given."""
    seen: list[IncomingRequest] = []

    def handler(request: IncomingRequest) -> ScheduledResponse:
        seen.append(request)
        return plain(b"ok")

    async def post() -> None:
        async with httpx2.AsyncClient(transport=HandlerTransport(handler, clock)) as http:
            await http.post(URL, content=b'{"a":1}', headers={"X-Team": "red"})

    with httpx2.Client(transport=HandlerTransport(handler, clock)) as http:
        http.post(URL, content=iter([b'{"a"', b":1}"]), headers={"X-Team": "red"})
    clock.run(post())

    assert [(r.method, r.url, r.headers["x-team"], r.body) for r in seen] == [
        ("POST", URL, "red", b'{"a":1}')
    ] * 2


def test_the_response_is_the_scheduled_one(clock: VirtualClock) -> None:
    """Status, reason, repeated headers and body; and it knows its request."""
    scheduled = ScheduledResponse(
        status=418,
        reason="I'm a teapot",
        headers=(("X-A", "1"), ("x-a", "2")),
        head_due_s=0.0,
        blocks=plain(b"short").blocks,
    )

    response = client(clock, scheduled).get(URL)

    assert (response.status_code, response.reason_phrase, response.content) == (418, "I'm a teapot", b"short")
    assert response.headers.get_list("x-a") == ["1", "2"]
    assert str(response.request.url) == URL


# Time ---------------------------------------------------------------------------------------------------


def test_head_and_blocks_come_when_they_are_due(clock: VirtualClock) -> None:
    """Read while they come, on both faces, each from its own request on."""
    scheduled = streamed(BODY, head_s=HEAD_S, gap_s=GAP_S)

    def read() -> list[tuple[float, bytes]]:
        with client(clock, scheduled).stream("GET", URL) as response:
            head_s = clock.now_ns() / 1e9
            return [(head_s, b""), *((clock.now_ns() / 1e9, block) for block in response.iter_raw())]

    async def aread() -> list[tuple[float, bytes]]:
        async with async_client(clock, scheduled).stream("GET", URL) as response:
            head_s = clock.now_ns() / 1e9
            return [(head_s, b""), *[(clock.now_ns() / 1e9, block) async for block in response.aiter_raw()]]

    expected = [(0.25, b""), (0.25, b"one "), (0.375, b"two "), (0.5, b"three")]
    assert read() == expected
    assert clock.run(aread()) == [(0.5 + at_s, block) for at_s, block in expected]


TIMEOUTS = {
    "head too late": (streamed(BODY, head_s=3.0), 2.0, []),
    "a gap too long": (streamed(BODY, head_s=1.0, gap_s=3.0), 3.0, [b"one "]),
}


@pytest.mark.parametrize(("scheduled", "at_s", "blocks"), TIMEOUTS.values(), ids=TIMEOUTS.keys())
def test_a_read_timeout_is_raised_when_it_has_passed(
    scheduled: ScheduledResponse, at_s: float, blocks: list[bytes], clock: VirtualClock
) -> None:
    """As on a socket: for each wait by itself, after the time the client allows; what came before is kept."""
    seen: list[bytes] = []

    def read() -> None:
        with client(clock, scheduled, timeout=2.0).stream("GET", URL) as response:
            seen.extend(response.iter_raw())

    async def aread() -> None:
        async with async_client(clock, scheduled, timeout=2.0).stream("GET", URL) as response:
            async for block in response.aiter_raw():
                seen.append(block)

    with pytest.raises(httpx2.ReadTimeout, match="no byte for 2 s") as raised:
        read()
    after_s = clock.now_ns() / 1e9
    with pytest.raises(httpx2.ReadTimeout):
        clock.run(aread())

    assert raised.value.request.url == URL
    assert (after_s, clock.now_ns() / 1e9, seen) == (at_s, 2 * at_s, blocks * 2)


@pytest.mark.parametrize("timeout", [None, 2.0, httpx2.Timeout(0.1, read=2.0)], ids=["none", "all", "read"])
def test_waits_within_the_read_timeout_are_waited_out(timeout: Any, clock: VirtualClock) -> None:
    """However long the whole response takes; and connecting takes no time."""
    scheduled = streamed(BODY, head_s=2.0, gap_s=2.0)

    assert client(clock, scheduled, timeout=timeout).get(URL).content == b"".join(BODY)
    assert clock.now_ns() == 6_000_000_000


def test_a_stream_is_handed_out_once(clock: VirtualClock) -> None:
    """SDKs iterate a second time to drain: that yields nothing and costs no time."""
    scheduled = streamed(BODY, head_s=1.0, gap_s=1.0)
    request = httpx2.Request("GET", URL)

    async def drain() -> list[list[bytes]]:
        stream = (await HandlerTransport(lambda _: scheduled, clock).handle_async_request(request)).stream
        return [[block async for block in stream] for _ in range(2)]

    stream = HandlerTransport(lambda _: scheduled, clock).handle_request(request).stream
    twice = [list(stream) for _ in range(2)]

    assert twice == clock.run(drain()) == [BODY, []]
    assert clock.now_ns() == 6_000_000_000


def test_a_closed_stream_costs_no_more_time(clock: VirtualClock) -> None:
    """What is not read is not waited for."""
    scheduled = streamed(BODY, head_s=1.0, gap_s=60.0)

    async def peek() -> None:
        async with async_client(clock, scheduled).stream("GET", URL) as response:
            await anext(response.aiter_raw())

    with client(clock, scheduled).stream("GET", URL) as response:
        next(response.iter_raw())
    clock.run(peek())

    assert clock.now_ns() == 2_000_000_000


# Failures -----------------------------------------------------------------------------------------------

MODULES = pytest.mark.parametrize("module", [httpx, httpx2], ids=["httpx", "httpx2"])
FAILURES = pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("refused", "ConnectError"),
        ("reset", "ReadError"),
        ("disconnect", "RemoteProtocolError"),
        ("read_timeout", "ReadTimeout"),
    ],
)


def transport(module: Any, response: ScheduledResponse, clock: VirtualClock) -> Any:
    """A transport of httpx or httpx2 in either face, on what the interception of clients is built on."""

    class Replaying(module.BaseTransport, module.AsyncBaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return play(request, response, clock, module)

        async def handle_async_request(self, request: Any) -> Any:
            return await aplay(request, response, clock, module)

    return Replaying()


def read_until_broken(
    module: Any, response: ScheduledResponse, clock: VirtualClock, *, timeout: float | None = None
) -> list[tuple[float, Any]]:
    """When what arrived on the blocking face: the head, blocks, and the exception that ended it."""
    seen: list[tuple[float, Any]] = []
    start_ns = clock.now_ns()

    def note(what: Any) -> None:
        seen.append(((clock.now_ns() - start_ns) / 1e9, what))

    http = module.Client(transport=transport(module, response, clock), timeout=timeout)
    try:
        with http.stream("GET", URL) as got:
            note(got.status_code)
            for block in got.iter_raw():
                note(block)
    except module.TransportError as error:
        note(type(error).__name__)
    return seen


def aread_until_broken(
    module: Any, response: ScheduledResponse, clock: VirtualClock, *, timeout: float | None = None
) -> list[tuple[float, Any]]:
    """The same on asyncio."""
    seen: list[tuple[float, Any]] = []
    start_ns = clock.now_ns()

    def note(what: Any) -> None:
        seen.append(((clock.now_ns() - start_ns) / 1e9, what))

    async def main() -> None:
        http = module.AsyncClient(transport=transport(module, response, clock), timeout=timeout)
        try:
            async with http.stream("GET", URL) as got:
                note(got.status_code)
                async for block in got.aiter_raw():
                    note(block)
        except module.TransportError as error:
            note(type(error).__name__)

    clock.run(main())
    return seen


READ = pytest.mark.parametrize("read", [read_until_broken, aread_until_broken], ids=["blocking", "asyncio"])


@READ
@MODULES
@FAILURES
def test_a_connection_that_fails_before_the_head(
    read: Callable[..., Any], module: Any, kind: FailureKind, error: str, clock: VirtualClock
) -> None:
    """The client's own exception in place of the response, when it is due."""
    failing = replace(plain(b""), failure=TransportFailure(kind=kind, at_s=0.75))

    assert read(module, failing, clock) == [(0.75, error)]


@MODULES
@FAILURES
def test_the_exception_knows_its_request(
    module: Any, kind: FailureKind, error: str, clock: VirtualClock
) -> None:
    failing = replace(plain(b""), failure=TransportFailure(kind=kind))

    with pytest.raises(getattr(module, error)) as raised:
        module.Client(transport=transport(module, failing, clock)).get(URL)

    assert str(raised.value.request.url) == URL


@READ
@MODULES
@FAILURES
def test_a_connection_that_fails_within_the_body(
    read: Callable[..., Any], module: Any, kind: FailureKind, error: str, clock: VirtualClock
) -> None:
    """What came before is delivered first, each block at its time."""
    failure = TransportFailure(kind=kind, at_s=2.5, has_head=True)
    failing = replace(streamed(BODY, head_s=0.5, gap_s=0.75), failure=failure)

    assert read(module, failing, clock) == [
        (0.5, 200),
        (0.5, b"one "),
        (1.25, b"two "),
        (2.0, b"three"),
        (2.5, error),
    ]


@READ
@MODULES
@pytest.mark.parametrize(("has_head", "after_s"), [(False, 0.0), (True, 1.0)], ids=["head", "body"])
@pytest.mark.parametrize(("timeout", "silent_s"), [(2.0, 2.0), (60.0, 30.0), (None, 30.0)])
def test_silence_lasts_until_somebody_gives_up(
    read: Callable[..., Any],
    module: Any,
    has_head: bool,
    after_s: float,
    timeout: float | None,
    silent_s: float,
    clock: VirtualClock,
) -> None:
    """The client when its read timeout has passed, or the connection when its failure is due."""
    failure = TransportFailure(kind="read_timeout", at_s=after_s + 30.0, has_head=has_head)
    failing = replace(plain(b"one", due_s=after_s), failure=failure)

    assert read(module, failing, clock, timeout=timeout)[-1] == (after_s + silent_s, "ReadTimeout")


# The vendors' SDKs -----------------------------------------------------------------------------------------

OPENAI, ANTHROPIC = WIRES["openai"], WIRES["anthropic"]
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]


def sdk_client(name: str, server: Server, *, is_async: bool) -> Any:
    """The vendor's own client over the transport."""
    http_client = (httpx2.AsyncClient if is_async else httpx2.Client)(transport=server)
    if name == "openai":
        import openai

        return (openai.AsyncOpenAI if is_async else openai.OpenAI)(
            api_key="k", http_client=http_client, max_retries=0
        )
    import anthropic

    return (anthropic.AsyncAnthropic if is_async else anthropic.Anthropic)(
        api_key="k", http_client=http_client, max_retries=0
    )


def create(name: str, sdk: Any, **options: Any) -> Any:
    if name == "openai":
        return sdk.chat.completions.create(model=OPENAI.model, messages=MESSAGES, **options)
    return sdk.messages.create(model=ANTHROPIC.model, messages=MESSAGES, max_tokens=9, **options)


def text_of(name: str, answer: Any) -> str:
    return answer.choices[0].message.content if name == "openai" else answer.content[0].text


def piece_of(name: str, event: Any) -> str:
    if name == "openai":
        return (event.choices[0].delta.content or "") if event.choices else ""
    return event.delta.text if event.type == "content_block_delta" else ""


both_sdks = pytest.mark.parametrize("name", ["openai", "anthropic"])


@both_sdks
def test_a_plain_answer_under_the_vendors_sdk(name: str, clock: VirtualClock) -> None:
    """In virtual time, blocking and on asyncio."""
    wire = WIRES[name]
    json_type = {"content-type": "application/json"}
    server = Server(clock, plain(wire.codec.encode_response(wire.reply()), due_s=1.5, headers=json_type))

    async def ask() -> Any:
        return await create(name, sdk_client(name, server, is_async=True))

    answer = create(name, sdk_client(name, server, is_async=False))
    async_answer = clock.run(ask())

    assert text_of(name, answer) == text_of(name, async_answer) == "Paris, of course."
    assert (clock.now_ns(), server.open_responses) == (3_000_000_000, 0)


@both_sdks
def test_a_stream_under_the_vendors_sdk(name: str, clock: VirtualClock) -> None:
    """Each event is there when its block is due, and draining at the end costs no time."""
    wire = WIRES[name]
    blocks = wire.blocks(words(wire.reply()))
    sse = {"content-type": "text/event-stream"}
    server = Server(clock, streamed(blocks, head_s=HEAD_S, gap_s=GAP_S, headers=sse))

    async def read() -> list[tuple[float, str]]:
        start_s = clock.now_ns() / 1e9
        events = await create(name, sdk_client(name, server, is_async=True), stream=True)
        return [(clock.now_ns() / 1e9 - start_s, piece_of(name, event)) async for event in events]

    events = create(name, sdk_client(name, server, is_async=False), stream=True)
    pieces = [(clock.now_ns() / 1e9, piece_of(name, event)) for event in events]

    first = next(number for number, block in enumerate(blocks) if b"Paris" in block)
    assert [piece for piece in pieces if piece[1]] == [
        (HEAD_S + (first + number) * GAP_S, text) for number, text in enumerate(["Paris, ", "of ", "course."])
    ]
    assert clock.run(read()) == pieces
    assert clock.now_ns() / 1e9 == 2 * (HEAD_S + (len(blocks) - 1) * GAP_S)
    assert server.open_responses == 0


@both_sdks
def test_the_vendors_sdk_retries_and_times_out_as_on_a_network(name: str, clock: VirtualClock) -> None:
    """Its own timeout becomes its own exception."""
    wire = WIRES[name]
    server = Server(clock, plain(wire.codec.encode_response(wire.reply()), due_s=9.0))
    sdk = sdk_client(name, server, is_async=False)

    with pytest.raises(Exception, match=r"timed out") as raised:
        create(name, sdk, timeout=2.0)

    assert type(raised.value).__name__ == "APITimeoutError"
    assert (clock.now_ns(), json.loads(server.requests[0].body)["model"]) == (2_000_000_000, wire.model)
