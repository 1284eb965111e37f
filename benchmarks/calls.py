"""Whole calls over a transport in memory: ours alone, and next to the vendor's SDK we stand on.

The ratios are timed and therefore informative: they move with the machine and with releases of the SDKs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from benchmarks import adapter, canned
from benchmarks.wire import PROVIDERS, WIRES

PROMPT = "How long is a tape measure?"
MESSAGES = [{"role": "user", "content": PROMPT}]
CHUNKS = 200
CALLS = 20
MAX_TOKENS = 256

Calls = tuple[Callable[[], object], Callable[[], object]]
"""A plain call and a streamed one; or ours and the SDK's."""


class Call:
    """Our client, from the prompt to the assembled reply."""

    params = (PROVIDERS,)
    param_names = ("provider",)
    version = "1"

    def setup(self, provider: str) -> None:
        self.generate, self.stream = our_calls(provider)
        self.generate()  # loads the SDK that carries the calls of both

    def time_20_calls(self, provider: str) -> None:
        """20 calls of `generate`."""
        for _ in range(CALLS):
            self.generate()

    def time_stream_200_chunks(self, provider: str) -> None:
        """1 call of `stream` with 200 chunks: milliseconds here read as 5 microseconds per chunk."""
        self.stream()


class AgainstSDK:
    """CPU time of our call divided by that of the vendor's own client, over the same transport."""

    params = (["openai", "anthropic"],)
    param_names = ("provider",)
    version = "1"

    def setup(self, provider: str) -> None:
        self.ours = our_calls(provider)
        self.theirs = SDK_CALLS[provider]()

    def ratio_call(self, provider: str) -> Calls:
        """1 plain call, 15 pairs of samples: 0.5 x is half the CPU time of the SDK."""
        return self.ours[0], self.theirs[0]

    def ratio_stream_200_chunks(self, provider: str) -> Calls:
        """1 streamed call of 200 chunks read to its end, 15 pairs of samples."""
        return self.ours[1], self.theirs[1]


def our_calls(provider: str) -> Calls:
    """Return a plain call and a streamed one."""
    model = WIRES[provider].model
    plain, streaming = (adapter.chat_model(provider, model, client) for client in _http_clients(provider))
    return (
        lambda: plain.generate(PROMPT, max_tokens=MAX_TOKENS),
        lambda: _read(streaming.stream(PROMPT, max_tokens=MAX_TOKENS)),
    )


def _openai_calls() -> Calls:
    import openai

    plain, streaming = (
        openai.OpenAI(api_key="benchmark", max_retries=0, http_client=client).chat.completions
        for client in _http_clients("openai")
    )
    question = {"model": WIRES["openai"].model, "messages": MESSAGES, "max_completion_tokens": MAX_TOKENS}
    usage = {"include_usage": True}
    return (
        lambda: plain.create(**question),
        lambda: _read(streaming.create(**question, stream=True, stream_options=usage)),
    )


def _anthropic_calls() -> Calls:
    import anthropic

    plain, streaming = (
        anthropic.Anthropic(api_key="benchmark", max_retries=0, http_client=client).messages
        for client in _http_clients("anthropic")
    )
    question = {"model": WIRES["anthropic"].model, "messages": MESSAGES, "max_tokens": MAX_TOKENS}
    return (
        lambda: plain.create(**question),
        lambda: _read(streaming.create(**question, stream=True)),
    )


SDK_CALLS = {"openai": _openai_calls, "anthropic": _anthropic_calls}


def _http_clients(provider: str) -> tuple[Any, Any]:
    """Return a client that is answered at once, and one that is answered in a stream."""
    wire = WIRES[provider]
    return canned.client([wire.reply]), canned.client(wire.stream(CHUNKS), wire.stream_media_type)


def _read(chunks: Iterable[Any]) -> None:
    for _ in chunks:
        continue
