"""From a request in tapeline's words to the bytes a provider wants."""

from __future__ import annotations

from benchmarks import adapter
from benchmarks.wire import PROVIDERS, WIRES

REQUESTS = 100
PROMPTS = ("How long is a tape measure, and who was the first to make one of steel?",) * 5


class Request:
    """A streamed request of 5 turns, 71 bytes of text each."""

    params = (PROVIDERS,)
    param_names = ("provider",)
    version = "1"

    def setup(self, provider: str) -> None:
        self.codec = adapter.codec(provider)
        self.request = adapter.chat_request(WIRES[provider].model, PROMPTS)

    def time_100_requests(self, provider: str) -> None:
        """100 requests: milliseconds here read as tens of microseconds per request."""
        for _ in range(REQUESTS):
            self.codec.encode_request(self.request)

    def opcodes_request(self, provider: str) -> None:
        """1 request."""
        self.codec.encode_request(self.request)
