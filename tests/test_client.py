"""The client: one core, two faces, five providers. What is sent, what comes back, when, what is retried."""

from __future__ import annotations

import asyncio
import gzip
import json
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import import_module
from itertools import accumulate
from random import Random
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel
from wires import FACES, GAP_S, HEAD_S, WIRES, Face, Server, Wire, plain, streamed, words

import tapeline
from tapeline.client import LLM, OPTIONS, Core, ProviderModel, chat_model
from tapeline.clock import VirtualClock
from tapeline.config import load_settings
from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.latency.pacing import ScheduledResponse
from tapeline.policies.pricing import cost_usd
from tapeline.policies.retry import RetryPolicy
from tapeline.registry import Clients, find_provider
from tapeline.types import ChatRequest, Chunk, Reply, Timing, Usage, assistant, system, user

every_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
both_faces = pytest.mark.parametrize("face", FACES.values(), ids=FACES.keys())
two_carriers = pytest.mark.parametrize("wire", [WIRES["openai"], WIRES["ollama"]], ids=["SDK", "httpx2"])

QUESTION = "What is the capital of France?"
MOCK = WIRES["mock"]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def answer(wire: Wire = MOCK, **options: Any) -> ScheduledResponse:
    """A plain answer of a provider."""
    return plain(wire.codec.encode_response(wire.reply()), **options)


def stream_of(wire: Wire = MOCK, **options: Any) -> ScheduledResponse:
    """The same answer streamed, a block for each event."""
    return streamed(wire.blocks(words(wire.reply())), **options)


def failure(status: int, *, headers: dict[str, str] | None = None, **error: Any) -> ScheduledResponse:
    """An error as OpenAI and its like send it."""
    body = json.dumps({"error": {"message": "no", **error}}).encode()
    return plain(body, status=status, headers={"content-type": "application/json"} | (headers or {}))


RATE_LIMITED = failure(429, headers={"retry-after": "1.5"})


# Every provider, both faces ------------------------------------------------------------------------


@every_wire
@both_faces
def test_a_plain_answer_is_read_whole(wire: Wire, face: Face, clock: VirtualClock) -> None:
    """Text, finish reason, usage, id, model, price, time and the raw bytes, whatever the provider."""
    body = wire.codec.encode_response(wire.reply())
    model = face.model(Server(clock, plain(body, due_s=0.75)), wire)

    reply = face.generate(model, clock, QUESTION)

    assert reply == replace(
        wire.reply(), wire=body, timing=Timing(total_s=0.75), cost_usd=price(wire, reply.usage)
    )
    assert reply.raw == json.loads(body)


@every_wire
@both_faces
def test_a_stream_is_read_as_it_comes(wire: Wire, face: Face, clock: VirtualClock) -> None:
    """Each chunk carries the exact time of its block, and together they are the plain answer."""
    blocks = wire.blocks(words(wire.reply()))
    model = face.model(Server(clock, streamed(blocks, head_s=HEAD_S, gap_s=GAP_S)), wire)

    chunks, reply = face.stream(model, clock, QUESTION)

    decoded = list(decoded_at(wire, blocks))
    content_at_s = tuple(at_s for at_s, chunk in decoded if chunk.has_content)
    assert [(chunk.at_s, chunk.text) for chunk in chunks] == [(at_s, c.text) for at_s, c in decoded]
    assert [chunk.text for chunk in chunks if chunk.text] == ["Paris, ", "of ", "course."]
    assert reply == replace(
        wire.reply(),
        timing=Timing(
            total_s=HEAD_S + (len(blocks) - 1) * GAP_S, ttft_s=content_at_s[0], chunk_at_s=content_at_s
        ),
        cost_usd=price(wire, reply.usage),
        wire=tuple(chunk.raw for chunk in chunks if chunk.raw),
    )
    assert [json.dumps(event) for event in reply.raw]


@both_faces
def test_an_answer_may_have_no_content(face: Face, clock: VirtualClock) -> None:
    """It has an end and a usage all the same, but no first token."""
    server = Server(clock, streamed(MOCK.blocks(words(MOCK.reply())[-1:]), head_s=0.5))

    chunks, reply = face.stream(face.model(server), clock, QUESTION)

    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert (reply.text, reply.finish_reason, reply.usage) == ("", "stop", MOCK.reply().usage)
    assert reply.timing == Timing(total_s=0.5)


def decoded_at(wire: Wire, blocks: list[bytes]) -> Iterator[tuple[float, Chunk]]:
    """The chunks of a stream with the time of the block that completed them."""
    decoder = wire.codec.stream_decoder()
    times = list(accumulate([GAP_S] * (len(blocks) - 1), initial=HEAD_S))
    for at_s, block in zip(times, blocks, strict=True):
        yield from ((at_s, chunk) for chunk in decoder.feed(block))
    yield from ((times[-1], chunk) for chunk in decoder.finish())


def price(wire: Wire, usage: Usage) -> Any:
    return cost_usd(wire.codec.provider, wire.model, usage)


BEARER = {"authorization": "Bearer sk-test"}
BEDROCK_URL = "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-haiku-5-5-v1%3A0"
REQUESTS = {
    "mock": (["http://mock.test/v1/chat/completions"] * 2, [{}]),
    "openai": (["http://openai.test/v1/chat/completions"] * 2, [BEARER]),
    # The API takes both, and versions of the SDK differ in which they send.
    "anthropic": (["http://anthropic.test/v1/messages"] * 2, [BEARER, {"x-api-key": "sk-test"}]),
    "bedrock": ([f"{BEDROCK_URL}/converse", f"{BEDROCK_URL}/converse-stream"], [BEARER]),
    "ollama": (["http://ollama.test:11434/api/chat"] * 2, [BEARER]),
}
"""Provider -> the URL of a plain and of a streamed call, and the ways its key may be sent."""
AUTH_HEADERS = {"authorization", "x-api-key", "api-key", "x-amz-security-token"}


@every_wire
@both_faces
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_the_request_as_sent(wire: Wire, face: Face, is_stream: bool, clock: VirtualClock) -> None:
    """One POST to the provider's own path, with its own kind of key, and a body that says what was asked."""
    server = Server(clock, stream_of(wire) if is_stream else answer(wire))
    model = face.model(server, wire, api_key="sk-test", temperature=0.5)
    prompt = [system("Be brief."), user(QUESTION)]

    (face.stream if is_stream else face.generate)(model, clock, prompt, max_tokens=9)

    [sent], (urls, keys) = server.requests, REQUESTS[wire.codec.provider]
    asked = ChatRequest(
        model=wire.model, messages=tuple(prompt), is_stream=is_stream, temperature=0.5, max_tokens=9
    )
    body = wire.codec.encode_request(asked).body
    assert (sent.method, sent.url, sent.body) == ("POST", urls[is_stream], body)
    assert {name: sent.headers[name] for name in AUTH_HEADERS & set(sent.headers)} in keys
    assert (sent.headers["content-type"], sent.headers["content-length"]) == (
        "application/json",
        str(len(body)),
    )


def test_a_server_of_your_own_needs_no_key(clock: VirtualClock) -> None:
    """Ollama and the mock send no authorization at all where there is no key."""
    sent = []
    for name in ("ollama", "mock"):
        server = Server(clock, answer(WIRES[name]))
        FACES["blocking"].model(server, WIRES[name], api_key=None).generate(QUESTION)
        sent.append(AUTH_HEADERS & set(server.requests[0].headers))

    assert sent == [set(), set()]


@every_wire
@both_faces
def test_a_redirect_is_not_followed(wire: Wire, face: Face, clock: VirtualClock) -> None:
    """APIs do not redirect, and the key must not travel to another host."""
    server = Server(clock, plain(b"", status=307, headers={"location": "http://elsewhere.test/"}))
    model = face.model(server, wire)

    codes = []
    for call in (face.generate, face.stream):
        with pytest.raises(LLMError) as raised:
            call(model, clock, QUESTION)
        codes.append((raised.value.code, raised.value.status))

    assert codes == [(ErrorCode.INVALID_RESPONSE, 307)] * 2
    assert [request.url for request in server.requests] == REQUESTS[wire.codec.provider][0]
    assert server.open_responses == 0


# Bedrock's signature -------------------------------------------------------------------------------


@both_faces
@pytest.mark.parametrize("token", ["session-token", ""], ids=["session", "long-lived"])
def test_bedrock_requests_are_signed_as_botocore_signs_them(
    face: Face, token: str, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives carries the signature that botocore computes for exactly these bytes and headers."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    bedrock = WIRES["bedrock"]
    server = Server(clock, answer(bedrock))
    model = face.model(server, bedrock, api_key=None, region="us-east-1")

    face.generate(model, clock, QUESTION)

    [sent] = server.requests
    scheme, scope, signed, signature = sent.headers["authorization"].replace(",", "").split(" ")
    names = signed.removeprefix("SignedHeaders=").split(";")
    again = AWSRequest(
        method=sent.method, url=sent.url, data=sent.body, headers={n: sent.headers[n] for n in names}
    )
    again.context["timestamp"] = stamp = sent.headers["x-amz-date"]
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI", token), "bedrock", "us-east-1")
    to_sign = auth.string_to_sign(again, auth.canonical_request(again))
    assert scheme == "AWS4-HMAC-SHA256"
    assert scope == f"Credential=AKIDEXAMPLE/{stamp[:8]}/us-east-1/bedrock/aws4_request"
    assert {"host", "x-amz-date"} <= set(names)
    assert ("x-amz-security-token" in names) == bool(token)
    assert signature == f"Signature={auth.signature(to_sign, again)}"
    assert datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")


def test_bedrock_requests_go_where_boto3_sends_them(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same URL as boto3's own converse call, endpoint and escaping of the model's name included."""
    import boto3
    from botocore.awsrequest import AWSResponse

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    bedrock = WIRES["bedrock"]
    server = Server(clock, answer(bedrock))
    urls = []

    def answered(request: Any, **_: Any) -> AWSResponse:
        urls.append(request.url)
        return AWSResponse(request.url, 200, {}, _Raw(bedrock.codec.encode_response(bedrock.reply())))

    client = boto3.client("bedrock-runtime", region_name="eu-west-1")
    client.meta.events.register("before-send.bedrock-runtime.Converse", answered)
    client.converse(modelId=bedrock.model, messages=[{"role": "user", "content": [{"text": QUESTION}]}])
    FACES["blocking"].model(server, bedrock, api_key=None, base_url=None, region="eu-west-1").generate("Hi")

    assert urls == [server.requests[0].url]


class _Raw:
    """As much of urllib3's response as botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


# Leaving early -------------------------------------------------------------------------------------


def test_a_stream_left_early_is_closed_and_keeps_what_came(clock: VirtualClock) -> None:
    """`with` and break: the response is closed at once, and the reply is what had come by then."""
    server = Server(clock, stream_of(head_s=HEAD_S, gap_s=GAP_S))

    with FACES["blocking"].model(server).stream(QUESTION) as stream:
        for _ in stream:
            break
        assert server.open_responses == 1
        with pytest.raises(RuntimeError, match="has not ended"):
            _ = stream.reply

    assert server.open_responses == 0
    assert (stream.reply.text, stream.reply.finish_reason) == ("Paris, ", None)
    assert stream.reply.timing == Timing(total_s=0.25, ttft_s=0.25, chunk_at_s=(0.25,))
    assert list(stream) == []


def test_an_asyncio_stream_left_early_is_closed_and_keeps_what_came(clock: VirtualClock) -> None:
    """The same for `async with`: nothing is left for the garbage collector or a later turn of the loop."""
    server = Server(clock, stream_of(head_s=HEAD_S, gap_s=GAP_S))

    async def main() -> tuple[int, Reply]:
        async with FACES["asyncio"].model(server).astream(QUESTION) as stream:
            await anext(stream)
            with pytest.raises(RuntimeError, match="has not ended"):
                _ = stream.reply
        return server.open_responses, stream.reply

    open_responses, reply = clock.run(main())

    assert open_responses == 0
    assert (reply.text, reply.timing.total_s) == ("Paris, ", 0.25)


@every_wire
def test_breaking_out_of_the_loop_is_enough(wire: Wire, clock: VirtualClock) -> None:
    """Without `with`, and whoever carries the request, the response is closed when the stream is dropped."""
    server = Server(clock, stream_of(wire))

    for _ in FACES["blocking"].model(server, wire).stream(QUESTION):
        break

    assert server.open_responses == 0


@every_wire
def test_breaking_out_of_an_asyncio_loop_is_enough(wire: Wire, clock: VirtualClock) -> None:
    """The event loop closes a dropped stream at its next turns."""
    server = Server(clock, stream_of(wire))

    async def main() -> None:
        async for _ in FACES["asyncio"].model(server, wire).astream(QUESTION):
            break
        await clock.asleep(0.001)
        assert server.open_responses == 0

    clock.run(main())


@every_wire
def test_a_cancelled_stream_is_closed(wire: Wire, clock: VirtualClock) -> None:
    """Cancelled while it waits for the next block, the task ends, the response closes, the reply stays."""
    server = Server(clock, stream_of(wire, head_s=HEAD_S, gap_s=1.0))
    stream = FACES["asyncio"].model(server, wire).astream(QUESTION)
    seen: list[str] = []

    async def read() -> None:
        async for chunk in stream:
            seen.append(chunk.text)

    async def main() -> float:
        with suppress(TimeoutError):
            async with asyncio.timeout(60.0):
                task = asyncio.create_task(read())
                while not any(seen):
                    await asyncio.sleep(0.5)
                task.cancel()
                await asyncio.wait([task])
        assert task.cancelled()
        assert server.open_responses == 0
        return clock.now_ns() / 1e9

    ended_at_s = clock.run(main())

    assert ended_at_s < 10
    assert (stream.reply.text, "".join(seen)) == ("Paris, ", "Paris, ")


@two_carriers
def test_a_cancelled_call_closes_its_response(wire: Wire, clock: VirtualClock) -> None:
    """While the rest of the body is still to come."""
    body = wire.codec.encode_response(wire.reply())
    server = Server(clock, streamed([body[:9], body[9:]], gap_s=60.0))
    model = FACES["asyncio"].model(server, wire)

    async def main() -> int:
        with suppress(TimeoutError):
            await asyncio.wait_for(model.agenerate(QUESTION), timeout=1.0)
        return server.open_responses

    assert (clock.run(main()), clock.now_ns()) == (0, 1_000_000_000)


def test_the_blocking_face_works_inside_a_running_loop(clock: VirtualClock) -> None:
    """In a notebook, say: no thread, no nested loop, and a stream left early is closed at once there too."""
    server = Server(clock, answer(due_s=1.0), stream_of())
    model = FACES["blocking"].model(server)

    async def main() -> tuple[str, int]:
        text = model.generate(QUESTION).text
        with model.stream(QUESTION) as stream:
            next(stream)
        return text, server.open_responses

    assert clock.run(main()) == ("Paris, of course.", 0)


def test_many_calls_at_once_do_not_disturb_each_other(clock: VirtualClock) -> None:
    """Ten streams over one model, each a second long: asyncio takes one second for all of them."""
    server = Server(clock, stream_of(head_s=1.0))
    model = FACES["asyncio"].model(server)

    async def read() -> Reply:
        async with model.astream(QUESTION) as stream:
            async for _ in stream:
                pass
        return stream.reply

    async def main() -> list[Reply]:
        return await asyncio.gather(*(read() for _ in range(10)))

    replies = clock.run(main())

    assert [reply.timing.ttft_s for reply in replies] == [1.0] * 10
    assert clock.now_ns() == 1_000_000_000


# Retries -------------------------------------------------------------------------------------------


@both_faces
@two_carriers
def test_the_wait_a_server_asks_for_is_kept_to_the_nanosecond(
    face: Face, wire: Wire, clock: VirtualClock
) -> None:
    """Two 429 with retry-after 1.5, then the answer: asked at 0, 1.5 and 3 s, in both forms of a call."""
    for is_stream in (False, True):
        start_s = clock.now_ns() / 1e9
        server = Server(
            clock, RATE_LIMITED, RATE_LIMITED, stream_of(wire) if is_stream else answer(wire, due_s=0.5)
        )
        model = face.model(server, wire)

        if is_stream:
            _, reply = face.stream(model, clock, QUESTION)
        else:
            reply = face.generate(model, clock, QUESTION)

        assert [at_s - start_s for at_s in server.asked_at_s] == [0.0, 1.5, 3.0]
        assert (reply.text, reply.timing.total_s) == ("Paris, of course.", 3.0 if is_stream else 3.5)


@both_faces
def test_retries_end_with_the_last_error(face: Face, clock: VirtualClock) -> None:
    """max_retries=2 is three tries; the error counts them, and still says that a later call may succeed."""
    server = Server(clock, RATE_LIMITED)

    with pytest.raises(LLMError) as raised:
        face.generate(face.model(server, max_retries=2), clock, QUESTION)

    error = raised.value
    assert (error.code, error.attempts, error.retryable, error.status) == (
        ErrorCode.RATE_LIMIT,
        3,
        True,
        429,
    )
    assert (error.op, error.provider, error.model) == ("mock.generate", "mock", "echo-1")
    assert server.asked_at_s == [0.0, 1.5, 3.0]


def test_without_a_wish_of_the_server_the_wait_is_jittered(clock: VirtualClock) -> None:
    """Full jitter up to 0.5, 1, 2 s, drawn from the generator that is passed in."""
    server = Server(clock, failure(500), failure(503), failure(529), answer())
    clients = Clients(http_client=httpx2.Client(transport=server))
    provider = find_provider("mock")(load_settings("mock", {}), clients, clock)
    core = Core(provider=provider, retry=RetryPolicy(attempts=4), random=Random(7))

    ProviderModel(core, clock, ChatRequest(model="m", messages=())).generate(QUESTION)

    draws = Random(7)
    waits_ns = [round(draws.uniform(0, cap_s) * 1e9) for cap_s in (0.5, 1.0, 2.0)]
    assert [round(at_s * 1e9) for at_s in server.asked_at_s] == [0, *accumulate(waits_ns)]


NOT_RETRIED = {
    "a spent quota": (failure(429, code="insufficient_quota"), ErrorCode.QUOTA_EXCEEDED),
    "a bad key": (failure(401), ErrorCode.AUTHENTICATION_ERROR),
    "a bad request": (failure(400), ErrorCode.INVALID_REQUEST),
    "an unknown model": (failure(404, code="model_not_found"), ErrorCode.MODEL_NOT_AVAILABLE),
    "an hour to wait": (failure(429, headers={"retry-after": "3600"}), ErrorCode.RATE_LIMIT),
    "no answer in the answer": (plain(b"{}"), ErrorCode.EMPTY_RESPONSE),
    "HTML": (plain(b"<html>Sign in</html>"), ErrorCode.MALFORMED_RESPONSE),
}


@both_faces
@pytest.mark.parametrize(("response", "code"), NOT_RETRIED.values(), ids=NOT_RETRIED.keys())
def test_what_no_second_try_can_mend_is_raised_at_once(
    response: ScheduledResponse, code: ErrorCode, face: Face, clock: VirtualClock
) -> None:
    server = Server(clock, response)

    with pytest.raises(LLMError) as raised:
        face.generate(face.model(server, max_retries=5), clock, QUESTION)

    assert (raised.value.code, raised.value.attempts, clock.now_ns()) == (code, 1, 0)
    assert (len(server.requests), server.open_responses) == (1, 0)


OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'


@both_faces
def test_a_stream_that_breaks_before_its_first_content_is_tried_again(
    face: Face, clock: VirtualClock
) -> None:
    """Overloaded, or reset, after the head and the opening event: the caller sees one whole answer."""
    wire = WIRES["anthropic"]
    opening = wire.blocks(words(wire.reply()))[0]
    server = Server(
        clock,
        streamed([opening, OVERLOADED]),
        streamed([opening], error=httpx2.ReadError("reset")),
        stream_of(wire),
    )

    chunks, reply = face.stream(face.model(server, wire), clock, QUESTION)

    assert "".join(chunk.text for chunk in chunks) == reply.text == "Paris, of course."
    assert reply.wire == tuple(chunk.raw for chunk in chunks)  # nothing of the first two is left
    assert reply.usage == wire.reply().usage
    assert (len(server.requests), server.open_responses) == (3, 0)


BROKEN_STREAMS: dict[str, tuple[dict[str, Any], ErrorCode]] = {
    "overloaded": ({"more": OVERLOADED}, ErrorCode.OVERLOADED),
    "reset": ({"error": httpx2.ReadError("reset")}, ErrorCode.NETWORK_ERROR),
    "stalled": ({"more": b"late", "gap_s": 9.0}, ErrorCode.STREAM_TIMEOUT),
    "cut": ({}, ErrorCode.STREAM_CLOSED),
    "garbled": ({"more": b"data: {\n\n"}, ErrorCode.MALFORMED_RESPONSE),
}


@both_faces
@pytest.mark.parametrize(("end", "code"), BROKEN_STREAMS.values(), ids=BROKEN_STREAMS.keys())
def test_a_stream_that_breaks_later_is_never_tried_again(
    end: dict[str, Any], code: ErrorCode, face: Face, clock: VirtualClock
) -> None:
    """A caller must not read the same words twice: the error holds what had come, and is final."""
    wire = WIRES["anthropic"]
    events = wire.blocks(words(wire.reply()))
    start = b"".join(events[: next(i for i, event in enumerate(events) if b"of " in event) + 1])
    blocks = [start, end["more"]] if "more" in end else [start]
    server = Server(clock, streamed(blocks, gap_s=end.get("gap_s", 0.0), error=end.get("error")))
    model = face.model(server, wire, timeout_s=5.0)
    seen: list[Chunk] = []

    with pytest.raises(LLMError) as raised:
        face.read_into(seen, model, clock, QUESTION)

    error = raised.value
    assert (error.code, error.retryable, error.attempts) == (code, False, 1)
    assert error.partial is not None
    assert "".join(chunk.text for chunk in seen) == error.partial.text == "Paris, of "
    assert (error.op, len(server.requests), server.open_responses) == ("anthropic.stream", 1, 0)
    assert clock.now_ns() == (5_000_000_000 if code is ErrorCode.STREAM_TIMEOUT else 0)


# The network ---------------------------------------------------------------------------------------

FAILURES = [
    (httpx2.ConnectError("refused"), ErrorCode.NETWORK_ERROR),
    (httpx2.ReadError("Connection reset by peer"), ErrorCode.NETWORK_ERROR),
    (httpx2.RemoteProtocolError("Server disconnected"), ErrorCode.NETWORK_ERROR),
    (httpx2.ConnectTimeout("too slow"), ErrorCode.TIMEOUT),
    (httpx2.ReadTimeout("too slow"), ErrorCode.TIMEOUT),
    (httpx2.PoolTimeout("too many"), ErrorCode.TIMEOUT),
]


@both_faces
@two_carriers
@pytest.mark.parametrize(("cause", "code"), FAILURES, ids=lambda value: type(value).__name__)
def test_transport_failures_are_translated_and_keep_their_cause(
    cause: Exception, code: ErrorCode, face: Face, wire: Wire, clock: VirtualClock
) -> None:
    """One word for each failure, over an SDK or bare; the transport's exception is below it."""
    server = Server(clock, cause)

    with pytest.raises(LLMError) as raised:
        face.generate(face.model(server, wire, max_retries=1), clock, QUESTION)

    error = raised.value
    assert (error.code, error.status, error.attempts, error.retryable) == (code, None, 2, True)
    assert cause in causes(error)
    assert type(cause).__name__ in str(error)


def causes(error: BaseException) -> list[BaseException]:
    return [error, *causes(error.__cause__)] if error.__cause__ else [error]


@both_faces
@two_carriers
def test_a_slow_server_is_a_timeout_that_took_its_time(face: Face, wire: Wire, clock: VirtualClock) -> None:
    """timeout_s=2 and an answer due after 5 s: given up at 2 s; then a try that is in time."""
    server = Server(clock, answer(wire, due_s=5.0), answer(wire, due_s=1.0))

    with pytest.raises(LLMError) as raised:
        face.generate(face.model(server, wire, timeout_s=2.0, max_retries=0), clock, QUESTION)
    gave_up_ns = clock.now_ns()
    reply = face.generate(face.model(server, wire, timeout_s=2.0), clock, QUESTION)

    assert (raised.value.code, gave_up_ns) == (ErrorCode.TIMEOUT, 2_000_000_000)
    assert reply.timing.total_s == 1.0


def test_a_reset_inside_a_plain_body_is_tried_again(clock: VirtualClock) -> None:
    """Nothing was delivered, so nothing can be doubled."""
    server = Server(clock, streamed([b'{"id":'], error=httpx2.ReadError("reset")), answer())

    reply = FACES["blocking"].model(server).generate(QUESTION)

    assert (reply.text, len(server.requests), server.open_responses) == ("Paris, of course.", 2, 0)


@both_faces
def test_a_compressed_answer_is_unpacked(face: Face, clock: VirtualClock) -> None:
    """In both forms; a body that only claims to be compressed is malformed."""
    packed = {"content-encoding": "gzip"}
    body = MOCK.codec.encode_response(MOCK.reply())
    events = b"".join(MOCK.blocks(words(MOCK.reply())))
    server = Server(
        clock,
        plain(gzip.compress(body), headers=packed),
        plain(gzip.compress(events), headers=packed),
        plain(body, headers=packed),
    )
    model = face.model(server)

    reply, (_, streamed_reply) = face.generate(model, clock, QUESTION), face.stream(model, clock, QUESTION)
    with pytest.raises(LLMError) as raised:
        face.generate(model, clock, QUESTION)

    assert reply.text == streamed_reply.text == "Paris, of course."
    assert raised.value.code is ErrorCode.MALFORMED_RESPONSE


@both_faces
@pytest.mark.parametrize("name", sorted(WIRES.keys() - {"ollama"}))  # whose streams are JSON themselves
def test_a_server_that_ignores_stream_still_streams(name: str, face: Face, clock: VirtualClock) -> None:
    """A whole JSON answer becomes chunks, and is kept as it came."""
    wire = WIRES[name]
    body = wire.codec.encode_response(wire.reply())
    server = Server(
        clock, plain(body, due_s=1.0, headers={"content-type": "application/json; charset=utf-8"})
    )

    chunks, reply = face.stream(face.model(server, wire), clock, QUESTION)

    assert [chunk.text for chunk in chunks] == ["Paris, of course.", ""]
    assert reply == replace(
        wire.reply(),
        timing=Timing(total_s=1.0, ttft_s=1.0, chunk_at_s=(1.0,)),
        cost_usd=price(wire, reply.usage),
        wire=(body,),
    )


# Settings and options ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt-5.4-mini", "openai:", ":", ""])
def test_a_name_has_a_provider_and_a_model(name: str) -> None:
    with pytest.raises(ConfigError, match="provider:model"):
        chat_model(name)


BAD_OPTIONS = {
    "unknown": ({"temprature": 1}, "unknown option temprature; known are extra, frequency_penalty"),
    "a setting": ({"api_key": "sk-1"}, "unknown option api_key"),
    "too hot": ({"temperature": 2.5}, "option temperature: .*less than or equal to 2"),
    "not a number": ({"temperature": float("nan")}, "option temperature"),
    "no tokens": ({"max_tokens": 0}, "option max_tokens: .*greater than 0"),
    "no mapping": ({"extra": 3}, "option extra: .*dictionary"),
}


@both_faces
@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_a_bad_option_is_refused_before_anything_is_sent(
    options: dict[str, Any], message: str, face: Face, clock: VirtualClock
) -> None:
    server = Server(clock, answer())
    model = face.model(server)

    for call in (face.generate, face.stream):
        with pytest.raises(ConfigError, match=message):
            call(model, clock, QUESTION, **options)
    with pytest.raises(ConfigError, match=message):
        model.bind(**options)

    assert server.requests == []


def test_options_of_a_call_go_over_those_of_the_model(clock: VirtualClock) -> None:
    """chat_model, then bind, then the call; None takes one back; each model keeps its own."""
    server = Server(clock, answer())
    model = FACES["blocking"].model(server, temperature=0.1, stop="END")

    hot = model.bind(temperature=0.9)
    hot.generate(QUESTION, temperature=0.5, seed=3)
    hot.generate(QUESTION, stop=None)
    model.generate(QUESTION, extra={"logprobs": True})

    bodies = [json.loads(request.body) for request in server.requests]
    assert [{k: v for k, v in body.items() if k not in {"model", "messages"}} for body in bodies] == [
        {"temperature": 0.5, "stop": ["END"], "seed": 3},
        {"temperature": 0.9},
        {"temperature": 0.1, "stop": ["END"], "logprobs": True},
    ]
    assert (model.name, hot.name, repr(hot)) == ("echo-1", "echo-1", "chat_model(mock:echo-1)")


def test_every_option_has_a_field_in_the_request_and_in_the_settings() -> None:
    fields = set(ChatRequest.__dataclass_fields__)
    assert fields >= OPTIONS
    assert fields - OPTIONS == {
        "model",
        "messages",
        "is_stream",
        "tools",
        "schema",
        "schema_name",
    }


@every_wire
def test_a_client_for_the_other_face_is_refused(wire: Wire, clock: VirtualClock) -> None:
    """Before anything is sent, and with the class that is needed."""
    server = Server(clock, answer(wire))
    blocking, asyncio_model = FACES["blocking"].model(server, wire), FACES["asyncio"].model(server, wire)

    with pytest.raises(ConfigError, match=r"needs a httpx2\.\S*AsyncClient"):
        clock.run(blocking.agenerate(QUESTION))
    with pytest.raises(
        ConfigError, match=r"http_client is a httpx2\.\S*AsyncClient, but .* httpx2\.\S*Client"
    ):
        asyncio_model.generate(QUESTION)
    with pytest.raises(ConfigError):
        next(asyncio_model.stream(QUESTION))

    assert server.requests == []


SDK_CLIENTS = {"openai": ("OpenAI", "AsyncOpenAI"), "anthropic": ("Anthropic", "AsyncAnthropic")}


@pytest.mark.parametrize("name", SDK_CLIENTS)
def test_an_sdk_client_of_your_own_carries_the_call(name: str, clock: VirtualClock) -> None:
    """With its key, URL and headers, but without its retries: those are ours, or tries would multiply."""
    blocking, asyncio_class = SDK_CLIENTS[name]
    wire, sdk = WIRES[name], import_module(name)
    server = Server(clock, failure(500), failure(500), answer(wire))
    options = {"api_key": "sk-own", "base_url": "http://own.test/api", "max_retries": 5}
    headers = {"x-team": "red"}
    client = getattr(sdk, blocking)(
        **options, default_headers=headers, http_client=httpx2.Client(transport=server)
    )
    model = chat_model(wire.name, client=client, clock=clock, max_retries=0)

    with pytest.raises(LLMError) as raised:
        model.generate(QUESTION)
    with pytest.raises(
        ConfigError, match=f"client is a .*{blocking}, but this call needs a .*{asyncio_class}"
    ):
        clock.run(model.agenerate(QUESTION))

    [sent] = server.requests
    assert (raised.value.status, raised.value.attempts) == (500, 1)
    assert sent.url.startswith("http://own.test/api/")
    assert "sk-own" in (sent.headers.get("authorization") or sent.headers["x-api-key"])
    assert sent.headers["x-team"] == "red"
    model.close()
    assert not client.is_closed()


def test_only_clients_of_our_own_are_closed(clock: VirtualClock) -> None:
    """A client you brought stays open; ours refuses to send once closed."""
    own = httpx2.Client(transport=Server(clock, answer()))
    with_own = chat_model("mock:m", http_client=own, clock=clock)
    with_ours = chat_model("mock:m", clock=clock)

    for model in (with_own, with_ours):
        model.generate(QUESTION)
        model.close()

    assert not own.is_closed
    with pytest.raises(RuntimeError, match="closed"):
        with_ours.generate(QUESTION)


def test_closing_before_the_first_call_opens_nothing(clock: VirtualClock) -> None:
    """For either face, over an SDK or bare."""
    for name in ("openai:m", "ollama:m"):
        model = chat_model(name, api_key="k", clock=clock)
        model.close()
        clock.run(model.aclose())


def test_the_asyncio_face_closes_its_own_client(clock: VirtualClock) -> None:
    async def main() -> None:
        model = chat_model("mock:m", clock=clock)
        await model.agenerate(QUESTION)
        await model.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await model.agenerate(QUESTION)

    clock.run(main())


# Structured output ---------------------------------------------------------------------------------


class City(BaseModel):
    name: str
    people: int


@dataclass
class Place:
    name: str
    people: int


CITY_JSON = '{"name": "Paris", "people": 2102650}'
CITY_SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "people": {"type": "integer"}}}
SCHEMAS: dict[str, tuple[Any, Any, str]] = {
    "pydantic": (City, City(name="Paris", people=2102650), "City"),
    "dataclass": (Place, Place(name="Paris", people=2102650), "Place"),
    "JSON schema": (CITY_SCHEMA, {"name": "Paris", "people": 2102650}, "answer"),
    "generic": (dict[str, str | int], {"name": "Paris", "people": 2102650}, "dict"),
}


@both_faces
@pytest.mark.parametrize(("schema", "value", "name"), SCHEMAS.values(), ids=SCHEMAS.keys())
def test_a_schema_is_sent_and_the_answer_is_parsed(
    schema: Any, value: Any, name: str, face: Face, clock: VirtualClock
) -> None:
    """Plain and streamed."""
    reply = replace(MOCK.reply(), message=assistant(CITY_JSON))
    server = Server(
        clock,
        plain(MOCK.codec.encode_response(reply)),
        streamed(MOCK.blocks([Chunk(text=CITY_JSON), *end()])),
    )
    model = face.model(server)

    plain_reply = face.generate(model, clock, QUESTION, schema=schema)
    _, streamed_reply = face.stream(model, clock, QUESTION, schema=schema)

    sent = [json.loads(request.body)["response_format"]["json_schema"] for request in server.requests]
    assert (plain_reply.parsed, streamed_reply.parsed) == (value, value)
    assert [entry["name"] for entry in sent] == [name] * 2
    assert all(entry["schema"]["type"] == "object" for entry in sent)


def end() -> list[Chunk]:
    return words(MOCK.reply())[-1:]


@both_faces
@pytest.mark.parametrize("text", ["Sorry.", '{"name": "Paris"}', '{"name": "Paris", "people": "many"}'])
def test_an_answer_that_does_not_fit_is_an_invalid_response(
    text: str, face: Face, clock: VirtualClock
) -> None:
    """The answer was paid for: it is on the error, beside where the call was made."""
    reply = replace(MOCK.reply(), message=assistant(text))
    server = Server(
        clock, plain(MOCK.codec.encode_response(reply)), streamed(MOCK.blocks([Chunk(text=text), *end()]))
    )
    model = face.model(server)

    with pytest.raises(LLMError) as of_plain:
        face.generate(model, clock, QUESTION, schema=City)
    with pytest.raises(LLMError) as of_stream:
        face.stream(model, clock, QUESTION, schema=City)

    for error, op in ((of_plain.value, "mock.generate"), (of_stream.value, "mock.stream")):
        assert (error.code, error.op, error.model) == (ErrorCode.INVALID_RESPONSE, op, "echo-1")
        assert error.partial is not None
        assert (error.partial.text, error.partial.usage) == (text, reply.usage)
        assert not error.retryable


# The small interface -------------------------------------------------------------------------------


def test_text_in_text_out(clock: VirtualClock) -> None:
    llm = tapeline.LLM("mock:echo", max_tokens=2, clock=clock)

    assert isinstance(llm, LLM)
    assert llm.invoke("one two three") == "one two "
    assert clock.run(llm.ainvoke("four")) == "four"


def test_a_prompt_may_be_a_message_or_several(clock: VirtualClock) -> None:
    """And a request may be answered as it is, by a server that has one already."""
    model = chat_model("mock:echo", clock=clock)
    request = ChatRequest(model="other", messages=(user("five six"),), is_stream=True)

    said = [model.generate(prompt).text for prompt in ("a", user("b"), [system("x"), user("c")])]
    with model.answer_stream(replace(request, is_stream=False)) as stream:
        streamed_text = "".join(chunk.text for chunk in stream)

    assert said == ["a", "b", "c"]
    assert (model.answer(request).text, streamed_text, stream.reply.model) == (
        "five six",
        "five six",
        "other",
    )


# Secrets -------------------------------------------------------------------------------------------

CANARY = "sk-canary-0123456789"


@every_wire
@both_faces
def test_a_key_shows_up_nowhere_but_in_its_header(wire: Wire, face: Face, clock: VirtualClock) -> None:
    """Not in the model, and not in any error, its attributes, its traceback or what is below it."""
    broken = [failure(401), httpx2.ConnectError("refused"), plain(b"<html>"), streamed([b"data: {\n\n"])]
    model = face.model(Server(clock, answer(wire)), wire, api_key=CANARY)
    said = [repr(model), str(model), repr(model.bind(temperature=0.5))]

    for response in broken:
        server = Server(clock, response)
        sending = face.model(server, wire, api_key=CANARY, max_retries=0)
        for call in (face.generate, face.stream):
            with pytest.raises(LLMError) as raised:
                call(sending, clock, QUESTION)
            said += traceback.format_exception(raised.value)
            said += [text for error in causes(raised.value) for text in (repr(error), repr(vars(error)))]
        assert (CANARY in str(server.requests[0].headers)) == (wire is not MOCK)

    assert [text for text in said if CANARY in text] == []


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": f"{CANARY}\n"},
        {"api_key": f"{CANARY}é"},
        {"api_key": CANARY, "timeout_s": -1},
        {"api_key": CANARY, "api_keys": CANARY},
        {"base_url": f"https://me:{CANARY}@host"},
        {"api_key": {"value": CANARY}},
    ],
    ids=lambda settings: "+".join(settings),
)
def test_a_setting_that_is_wrong_is_not_repeated(settings: dict[str, Any]) -> None:
    """The message names the setting, never the value."""
    with pytest.raises(ConfigError) as raised:
        chat_model("openai:m", **settings)

    error = raised.value
    said = ["".join(traceback.format_exception(error)), repr(vars(error)), repr(error.__context__)]
    assert [text for text in said if CANARY in text] == []
