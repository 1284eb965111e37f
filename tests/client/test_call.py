"""One call with its bytes: what is sent to every provider, what comes back from either face, and when."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import accumulate
from typing import Any

import httpx2
import pytest
from exchanges import MOCK, QUESTION, answer, both_faces, causes, every_wire, stream_of, two_carriers
from wires import FACES, GAP_S, HEAD_S, WIRES, Face, Server, Wire, plain, streamed, words

from tapeline.clock import VirtualClock
from tapeline.errors import ErrorCode, LLMError
from tapeline.policies.pricing import cost_usd
from tapeline.types import ChatRequest, Chunk, Timing, Usage, system, user

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
    "openai-responses": (["http://openai.test/v1/responses"] * 2, [BEARER]),
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
    model = face.model(server, wire, api_key="sk-test", max_tokens=9)
    prompt = [system("Be brief."), user(QUESTION)]

    (face.stream if is_stream else face.generate)(model, clock, prompt, max_tokens=32)

    [sent], (urls, keys) = server.requests, REQUESTS[wire.codec.provider]
    asked = ChatRequest(model=wire.model, messages=tuple(prompt), is_stream=is_stream, max_tokens=32)
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
    # A server of your own that is too slow is still at work: asking again would double the work.
    attempts = 1 if (code, wire) == (ErrorCode.TIMEOUT, WIRES["ollama"]) else 2
    assert (error.code, error.status, error.attempts, error.retryable) == (code, None, attempts, True)
    assert cause in causes(error)
    assert type(cause).__name__ in str(error)


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
