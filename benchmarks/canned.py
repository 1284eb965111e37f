"""A network that is not there: httpx2 clients that get the same answer to every request, at once.

Ours and the vendors' clients are measured over the same transport, so that no network is in their ratio.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.wire import WIRES


def client(blocks: Iterable[bytes], media_type: str = "application/json") -> Any:
    """Return an httpx2 client that is answered with `blocks` (only once, if that is an iterator)."""
    import httpx2  # here, not above: asv forks a process per parameter, and pays for all that is loaded

    def answer(request: httpx2.Request) -> httpx2.Response:
        # An iterator, because the openai SDK drains a stream by reading it a second time.
        return httpx2.Response(200, headers={"content-type": media_type}, content=iter(blocks))

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def clients(provider: str, chunks: int) -> tuple[Any, Any]:
    """Return a client that is answered at once, and one that is answered in a stream of so many chunks."""
    wire = WIRES[provider]
    return client([wire.reply]), client(wire.stream(chunks), wire.stream_media_type)
