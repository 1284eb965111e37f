"""Peak memory of a process that streams; cassettes have theirs in `replaying`."""

from __future__ import annotations

from itertools import chain, repeat

from benchmarks import adapter, canned
from benchmarks.wire import WIRES

CHUNKS = 10_000


class Stream:
    """A long answer. openai includes that SDK's own memory; ollama has no SDK below it."""

    params = (["openai", "ollama"],)
    param_names = ("provider",)
    version = "1"

    def setup(self, provider: str) -> None:
        wire = WIRES[provider]
        blocks = chain(wire.first, repeat(wire.chunk, CHUNKS), wire.last)
        http_client = canned.client(blocks, wire.stream_media_type)
        self.model = adapter.chat_model(provider, wire.model, http_client)

    def peakmem_10000_chunks(self, provider: str) -> None:
        """10,000 chunks of 1 answer, read to the end and assembled into a reply."""
        with self.model.stream("Tell me everything.") as stream:
            for _ in stream:
                continue
