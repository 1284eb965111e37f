"""The gateway: the vendors' own clients cannot tell it from the vendor, in answers and in errors."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import anthropic
import boto3
import httpx2
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tapeline.client import chat_model
from tapeline.server import Gateway
from tapeline.server.gateway import BODY_BYTES_LIMIT

ollama = pytest.importorskip("ollama")

SAID = "Two words — naïve 日本"
KEY = "key-of-nobody"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where a model listens that repeats what it was told."""
    with Gateway(chat_model("mock:echo")) as gateway:
        yield gateway.url


@cache
def _session() -> boto3.Session:
    """One session, because each reads the service's description anew (0.3 s)."""
    return boto3.Session()


def _bedrock(url: str) -> Any:
    return _session().client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key=KEY,
        config=Config(retries={"max_attempts": 1, "total_max_attempts": 1}),
    )


JSON = {"content-type": "application/json"}

# The vendors' clients: (URL, prompt) -> (text, why it ended) ---------------------------------------------

Answer = tuple[str, str | None]
Ask = Callable[[str, str], Answer]


def messages(prompt: str) -> list[Any]:
    return [{"role": "user", "content": prompt}]


def openai_plain(url: str, prompt: str) -> Answer:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        reply = client.chat.completions.create(model="any", messages=messages(prompt))
    assert (reply.model, reply.object) == ("any", "chat.completion")
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (5, 10)
    return reply.choices[0].message.content or "", reply.choices[0].finish_reason


def openai_streamed(url: str, prompt: str) -> Answer:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        chunks = list(
            client.chat.completions.create(
                model="any", messages=messages(prompt), stream=True, stream_options={"include_usage": True}
            )
        )
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert {chunk.model for chunk in chunks} == {"any"}
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [10]
    [end] = [choice.finish_reason for choice in choices if choice.finish_reason]
    return "".join(choice.delta.content or "" for choice in choices), end


def responses_plain(url: str, prompt: str) -> Answer:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        reply = client.responses.create(model="any", input=prompt)
    assert (reply.model, reply.object) == ("any", "response")
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.total_tokens) == (5, 10)
    return reply.output_text, reply.status


def responses_streamed(url: str, prompt: str) -> Answer:
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client,
        client.responses.stream(model="any", input=prompt) as stream,
    ):
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        reply = stream.get_final_response()
    assert (reply.model, reply.output_text) == ("any", text)
    return text, reply.status


def anthropic_plain(url: str, prompt: str) -> Answer:
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        reply = client.messages.create(model="any", max_tokens=99, messages=messages(prompt))
    assert (reply.model, reply.type) == ("any", "message")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (5, 5)
    return "".join(block.text for block in reply.content if block.type == "text"), reply.stop_reason


def anthropic_streamed(url: str, prompt: str) -> Answer:
    with (
        anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0) as client,
        client.messages.stream(model="any", max_tokens=99, messages=messages(prompt)) as stream,
    ):
        text = "".join(stream.text_stream)
        reply = stream.get_final_message()
    assert (reply.model, reply.usage.output_tokens) == ("any", 5)
    return text, reply.stop_reason


def bedrock_plain(url: str, prompt: str) -> Answer:
    client = _bedrock(url)
    reply = client.converse(modelId="any", messages=[{"role": "user", "content": [{"text": prompt}]}])
    client.close()
    assert (reply["usage"]["inputTokens"], reply["usage"]["outputTokens"]) == (5, 5)
    return "".join(part["text"] for part in reply["output"]["message"]["content"]), reply["stopReason"]


def bedrock_streamed(url: str, prompt: str) -> Answer:
    client = _bedrock(url)
    reply = client.converse_stream(modelId="any", messages=[{"role": "user", "content": [{"text": prompt}]}])
    events = list(reply["stream"])
    client.close()
    texts = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    [end] = [event["messageStop"]["stopReason"] for event in events if "messageStop" in event]
    [usage] = [event["metadata"]["usage"] for event in events if "metadata" in event]
    assert (usage["inputTokens"], usage["outputTokens"]) == (5, 5)
    return "".join(texts), end


def ollama_plain(url: str, prompt: str) -> Answer:
    with ollama.Client(host=url) as client:
        reply = client.chat(model="any", messages=messages(prompt))
    assert (reply.model, reply.prompt_eval_count, reply.eval_count) == ("any", 5, 5)
    return reply.message.content, reply.done_reason


def ollama_streamed(url: str, prompt: str) -> Answer:
    with ollama.Client(host=url) as client:
        parts = list(client.chat(model="any", messages=messages(prompt), stream=True))
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    return "".join(part.message.content or "" for part in parts), parts[-1].done_reason


CLIENTS: dict[str, tuple[Ask, Ask, str]] = {
    "openai": (openai_plain, openai_streamed, "stop"),
    "openai-responses": (responses_plain, responses_streamed, "completed"),
    "anthropic": (anthropic_plain, anthropic_streamed, "end_turn"),
    "bedrock": (bedrock_plain, bedrock_streamed, "end_turn"),
    "ollama": (ollama_plain, ollama_streamed, "stop"),
}
ASKS = {
    f"{name}-{kind}": (ask, end)
    for name, (plain, streamed, end) in CLIENTS.items()
    for kind, ask in (("plain", plain), ("streamed", streamed))
}


@pytest.mark.parametrize(("ask", "end"), ASKS.values(), ids=ASKS.keys())
def test_the_vendors_client_gets_its_answer(url: str, ask: Ask, end: str) -> None:
    assert ask(url, SAID) == (SAID, end)


# Errors of the model behind -----------------------------------------------------------------------------

FAILED = (openai.APIStatusError, anthropic.APIStatusError, ClientError, ollama.ResponseError)


def _fail(request: httpx2.Request) -> httpx2.Response:
    """Answer with the status that the prompt asks for."""
    status = int(json.loads(request.content)["messages"][-1]["content"])
    error = {"message": "not today", "type": "x", "param": None, "code": None}
    return httpx2.Response(status, json={"error": error})


def _over(answer: Callable[[httpx2.Request], httpx2.Response]) -> Gateway:
    """A gateway before a model that this function answers for."""
    http_client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return Gateway(chat_model("openai:m", api_key=KEY, http_client=http_client, max_retries=0))


@pytest.fixture(scope="module")
def failing_url() -> Iterator[str]:
    """Where a model listens that fails with the status it is asked for."""
    with _over(_fail) as gateway:
        yield gateway.url


def _status(error: Exception) -> int:
    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return int(error.status_code)  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 503])
@pytest.mark.parametrize("ask", [ask for ask, _ in ASKS.values()], ids=ASKS.keys())
def test_an_error_of_the_model_behind_keeps_its_status(failing_url: str, ask: Ask, status: int) -> None:
    """Streamed calls too: an error before the first chunk is no stream yet."""
    with pytest.raises(FAILED) as raised:
        ask(failing_url, str(status))

    assert _status(raised.value) == status
    assert "not today" in str(raised.value)


RATE_LIMITED: dict[str, tuple[type[Exception], str]] = {
    "openai": (openai.RateLimitError, "not today"),
    "openai-responses": (openai.RateLimitError, "not today"),
    "anthropic": (anthropic.RateLimitError, "rate_limit_error"),
    "bedrock": (ClientError, "ThrottlingException"),
    "ollama": (ollama.ResponseError, "not today"),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_rate_limit_is_the_vendors_own_error(failing_url: str, name: str) -> None:
    """The class that people's `except` names, and the vendor's word for it."""
    plain, streamed, _ = CLIENTS[name]
    kind, word = RATE_LIMITED[name]

    for ask in (plain, streamed):
        with pytest.raises(kind, match=word):
            ask(failing_url, "429")


def test_a_stream_that_breaks_behind_breaks_in_front() -> None:
    """Half an answer must not look like a whole one."""
    event = {"id": "1", "choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": None}]}

    def broken() -> Iterator[bytes]:
        yield f"data: {json.dumps(event)}\n\n".encode()
        raise httpx2.ReadError("gone")

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=broken())

    with (
        _over(answer) as gateway,
        pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)),
    ):
        openai_streamed(gateway.url, "anything")


# Requests of no client ----------------------------------------------------------------------------------

PATHS = {
    "openai": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "bedrock": "/model/any/converse",
    "ollama": "/api/chat",
}
GARBAGE = {
    "no JSON": b"{",
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "a number": b"3",
    "no messages": b"{}",
    "messages that are none": b'{"model":"m","max_tokens":1,"messages":3}',
    "a message that is none": b'{"model":"m","max_tokens":1,"messages":[3]}',
    "content that is none": b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[3]}]}',
    "an input that is none": b'{"model":"m","input":3}',
    "an item that is none": b'{"model":"m","input":[3]}',
    "no UTF-8": b"\xff\xfe",
    "nested without end": b"[" * 100_000,
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_garbage_is_a_bad_request(url: str, path: str, body: bytes) -> None:
    response = httpx2.post(url + path, content=body, headers=JSON)

    assert response.status_code == 400
    assert "provider's answer" not in response.text  # the client is at fault, and is told so
    assert response.json()


@pytest.mark.parametrize("path", ["/", "/v1/embeddings", "/v1/messages/batches", "/api/generate"])
def test_an_unknown_path_is_not_found(url: str, path: str) -> None:
    assert httpx2.post(url + path, json={}).status_code == 404


def test_the_gateway_tells_that_it_is_up_and_has_no_pages(url: str) -> None:
    health, page = httpx2.get(f"{url}/health"), httpx2.get(url)

    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert page.status_code == 404


@pytest.mark.parametrize(
    ("announced", "expected"),
    [(str(BODY_BYTES_LIMIT + 1), 413), ("-1", 411), ("many", 411), ("9" * 5000, 411)],
)
def test_a_body_of_no_honest_size_is_not_read(url: str, announced: str, expected: int) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/v1/chat/completions")
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", announced)
    connection.endheaders()

    response = connection.getresponse()
    response.read()
    connection.close()

    assert response.status == expected


def test_a_body_in_chunks_is_refused(url: str) -> None:
    response = httpx2.post(f"{url}/v1/chat/completions", content=iter([b"{}"]), headers=JSON)

    assert response.status_code == 411


FOREIGN: dict[str, tuple[dict[str, str], int]] = {
    "a name that leads here": ({"host": "evil.example"}, 403),
    "a name that begins like this machine's": ({"host": "127.0.0.1.evil.example"}, 403),
    "a form": ({"content-type": "text/plain"}, 415),
    "two sizes": ({"transfer-encoding": "chunked", "content-length": "2"}, 400),
}


@pytest.mark.parametrize(("headers", "status"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_page_in_a_browser_cannot_reach_it(headers: dict[str, str], status: int, url: str) -> None:
    """Nor who smuggles; and no answer says that another origin may read it."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/v1/chat/completions", skip_host=True)
    sent = {"host": "localhost", "content-length": "2", "origin": "https://evil.example"} | JSON | headers
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders(b"{}")

    response = connection.getresponse()
    allowed = [name for name, _ in response.getheaders() if name.lower().startswith("access-control")]
    connection.close()

    assert (response.status, allowed) == (status, [])


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1:8080", "[::1]:8080"])
def test_the_names_of_this_machine_are_known(host: str, url: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

    assert httpx2.post(f"{url}/v1/chat/completions", json=body, headers={"host": host}).status_code == 200


def test_only_this_machine_can_reach_it(url: str) -> None:
    assert url.startswith("http://127.0.0.1:")
