"""Whole calls over a transport in memory: ours alone, and next to the vendor's SDK.

The ratios are timed and therefore informative: they move with the machine and with releases of the SDKs.
"""

from __future__ import annotations

from benchmarks import adapter, canned, loopback, vendors
from benchmarks.vendors import MAX_TOKENS, PROMPT, Calls, read
from benchmarks.wire import PROVIDERS, WIRES

CHUNKS = 200
CALLS = 20


class Call:
    """Our client, from the prompt to the assembled reply."""

    params = (PROVIDERS,)
    param_names = ("provider",)
    version = "1"

    def setup(self, provider: str) -> None:
        self.generate, self.stream = our_calls(provider)
        self.generate()  # loads what the first call needs

    def time_20_calls(self, provider: str) -> None:
        """20 calls of `generate`."""
        for _ in range(CALLS):
            self.generate()

    def time_stream_200_chunks(self, provider: str) -> None:
        """1 call of `stream` with 200 chunks: milliseconds here read as 5 microseconds per chunk."""
        self.stream()


class AgainstSDK:
    """CPU time of our call divided by that of the vendor's own client, over transports in memory.

    Targets, of a plain call and of a stream: openai 0.40 and 0.08, anthropic 0.50 and 0.28, bedrock 0.60
    and 0.28 (of boto3), ollama 0.80 and 0.30.
    """

    params = (PROVIDERS,)
    param_names = ("provider",)
    version = "2"

    def setup(self, provider: str) -> None:
        self.ours = our_calls(provider)
        self.theirs = vendors.sdk_calls(provider, CHUNKS)

    def ratio_call(self, provider: str) -> Calls:
        """1 plain call, 15 pairs of samples: 0.5 x is half the CPU time of the SDK."""
        return self.ours[0], self.theirs[0]

    def ratio_stream_200_chunks(self, provider: str) -> Calls:
        """1 streamed call of 200 chunks read to its end, 15 pairs of samples."""
        return self.ours[1], self.theirs[1]


class OverASocket:
    """The same over a loopback socket, where the HTTP client costs more than all decoding. Target: 0.35."""

    version = "1"
    pairs = 9

    def setup(self) -> None:
        self.server = loopback.Server(WIRES["openai"].stream(CHUNKS), WIRES["openai"].stream_media_type)

    def teardown(self) -> None:
        self.server.close()

    def ratio_openai_stream_200_chunks(self) -> Calls:
        """1 streamed call of 200 chunks, one event a packet, 9 pairs of samples."""
        import openai

        model = WIRES["openai"].model
        ours = adapter.model_at("openai", model, self.server.url)
        theirs = openai.OpenAI(api_key="benchmark", base_url=self.server.url, max_retries=0)
        question = {"model": model, "messages": vendors.MESSAGES, "max_completion_tokens": MAX_TOKENS}
        return (
            lambda: read(ours.stream(PROMPT, max_tokens=MAX_TOKENS)),
            lambda: read(theirs.chat.completions.create(**question, stream=True)),
        )


def our_calls(provider: str) -> Calls:
    """Return a plain call and a streamed one."""
    model = WIRES[provider].model
    plain, streaming = (
        adapter.chat_model(provider, model, client) for client in canned.clients(provider, CHUNKS)
    )
    return (
        lambda: plain.generate(PROMPT, max_tokens=MAX_TOKENS),
        lambda: read(streaming.stream(PROMPT, max_tokens=MAX_TOKENS)),
    )
