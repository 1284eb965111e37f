"""The vendors' own clients, answered by the same bytes as ours: what a call costs without tapeline.

Each returns a plain call and a streamed one that is read to its end. The SDKs of OpenAI and Anthropic take
our client with its transport in memory; boto3 is answered where it would send, by an event handler; the
`ollama` package takes a transport of httpx, which it still uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks import canned
from benchmarks.wire import WIRES

PROMPT = "How long is a tape measure?"
MESSAGES = [{"role": "user", "content": PROMPT}]
MAX_TOKENS = 256

Calls = tuple[Callable[[], object], Callable[[], object]]
"""A plain call and a streamed one; or ours and the SDK's."""


def read(chunks: Iterable[Any]) -> None:
    """Read a stream to its end."""
    for _ in chunks:
        continue


def sdk_calls(provider: str, chunks: int) -> Calls:
    """Return the calls of a provider's own SDK; a streamed answer has so many chunks."""
    return _SDK_CALLS[provider](chunks)


def _openai_calls(chunks: int) -> Calls:
    import openai

    plain, streaming = (
        openai.OpenAI(api_key="benchmark", max_retries=0, http_client=client).chat.completions
        for client in canned.clients("openai", chunks)
    )
    question = {"model": WIRES["openai"].model, "messages": MESSAGES, "max_completion_tokens": MAX_TOKENS}
    usage = {"include_usage": True}
    return (
        lambda: plain.create(**question),
        lambda: read(streaming.create(**question, stream=True, stream_options=usage)),
    )


def _responses_calls(chunks: int) -> Calls:
    import openai

    plain, streaming = (
        openai.OpenAI(api_key="benchmark", max_retries=0, http_client=client).responses
        for client in canned.clients("openai-responses", chunks)
    )
    question = {
        "model": WIRES["openai-responses"].model,
        "input": MESSAGES,
        "max_output_tokens": MAX_TOKENS,
    }
    return lambda: plain.create(**question), lambda: read(streaming.create(**question, stream=True))


def _anthropic_calls(chunks: int) -> Calls:
    import anthropic

    plain, streaming = (
        anthropic.Anthropic(api_key="benchmark", max_retries=0, http_client=client).messages
        for client in canned.clients("anthropic", chunks)
    )
    question = {"model": WIRES["anthropic"].model, "messages": MESSAGES, "max_tokens": MAX_TOKENS}
    return (
        lambda: plain.create(**question),
        lambda: read(streaming.create(**question, stream=True)),
    )


def _bedrock_calls(chunks: int) -> Calls:
    import boto3
    from botocore.awsrequest import AWSResponse

    wire = WIRES["bedrock"]
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",
    )

    def answer(request: Any, **_: Any) -> Any:
        is_stream = request.url.endswith("converse-stream")
        blocks = wire.stream(chunks) if is_stream else [wire.reply]
        media_type = wire.stream_media_type if is_stream else "application/json"
        return AWSResponse(request.url, 200, {"content-type": media_type}, _Body(blocks))

    client.meta.events.register("before-send.bedrock-runtime", answer)
    question = {
        "modelId": wire.model,
        "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
        "inferenceConfig": {"maxTokens": MAX_TOKENS},
    }
    return (
        lambda: client.converse(**question),
        lambda: read(client.converse_stream(**question)["stream"]),
    )


class _Body:
    """A response body as urllib3 hands it to botocore."""

    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        return iter(self._blocks)

    def close(self) -> None:
        """Nothing is open."""


def _ollama_calls(chunks: int) -> Calls:
    import httpx
    import ollama

    wire = WIRES["ollama"]

    def client(blocks: list[bytes], media_type: str) -> Any:
        def answer(_: Any) -> Any:
            return httpx.Response(200, headers={"content-type": media_type}, content=iter(blocks))

        return ollama.Client(host="http://127.0.0.1", transport=httpx.MockTransport(answer))

    plain = client([wire.reply], "application/json")
    streaming = client(wire.stream(chunks), wire.stream_media_type)
    question = {"model": wire.model, "messages": MESSAGES, "options": {"num_predict": MAX_TOKENS}}
    return lambda: plain.chat(**question), lambda: read(streaming.chat(**question, stream=True))


_SDK_CALLS = {
    "openai": _openai_calls,
    "openai-responses": _responses_calls,
    "anthropic": _anthropic_calls,
    "bedrock": _bedrock_calls,
    "ollama": _ollama_calls,
}
