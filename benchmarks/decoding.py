"""The decoders alone, on fixed bytes: 1,000 streamed chunks, and 100 whole replies."""

from __future__ import annotations

from benchmarks import adapter
from benchmarks.wire import PROVIDERS, WIRES

CHUNKS = 1_000
REPLIES = 100


class Stream:
    """A streamed answer, one block per event."""

    params = (PROVIDERS,)
    param_names = ("provider",)
    version = "1"

    def setup(self, provider: str) -> None:
        wire = WIRES[provider]
        self.codec = adapter.codec(provider)
        self.blocks = wire.stream(CHUNKS)
        self.chunk = wire.chunk
        self.begun = self.codec.stream_decoder()
        for block in wire.first:
            self.begun.feed(block)

    def time_1000_chunks(self, provider: str) -> None:
        """1,000 text deltas and their frame: milliseconds here read as microseconds per chunk."""
        decoder = self.codec.stream_decoder()
        for block in self.blocks:
            decoder.feed(block)
        decoder.finish()

    def opcodes_chunk(self, provider: str) -> None:
        """1 text delta in the middle of a stream."""
        self.begun.feed(self.chunk)


class Reply:
    """An answer that came whole, 300 bytes of text."""

    params = (PROVIDERS,)
    param_names = ("provider",)
    version = "1"

    def setup(self, provider: str) -> None:
        self.codec = adapter.codec(provider)
        self.body = WIRES[provider].reply

    def time_100_replies(self, provider: str) -> None:
        """100 replies: milliseconds here read as tens of microseconds per reply."""
        for _ in range(REPLIES):
            self.codec.decode_response(self.body)

    def opcodes_reply(self, provider: str) -> None:
        """1 reply."""
        self.codec.decode_response(self.body)
