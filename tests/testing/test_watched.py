"""The watched transport: answers of a handler, counted until they are closed."""

from __future__ import annotations

import httpx2

from tapeline.clock import VirtualClock
from tapeline.latency.pacing import DueBlock, IncomingRequest, ScheduledResponse
from tapeline.testing.watched import WatchedTransport


def answer(request: IncomingRequest) -> ScheduledResponse:
    blocks = [DueBlock(1.0, b"a"), DueBlock(2.0, b"b")]
    return ScheduledResponse(status=200, reason="OK", headers=(), head_due_s=1.0, blocks=blocks)


def test_a_response_counts_until_it_is_closed() -> None:
    """Read or not; to close it twice does not count twice."""
    transport = WatchedTransport(answer, VirtualClock())
    counts = []

    with httpx2.Client(transport=transport) as client:
        left, read = (client.send(client.build_request("POST", "http://x/"), stream=True) for _ in range(2))
        counts.append(transport.open_responses)
        read.read()
        counts.append(transport.open_responses)
        left.close()
        left.close()
        counts.append(transport.open_responses)

    assert counts == [2, 1, 0]


def test_it_does_so_on_asyncio_too() -> None:
    clock = VirtualClock()
    transport = WatchedTransport(answer, clock)

    async def main() -> tuple[int, bytes, int]:
        async with httpx2.AsyncClient(transport=transport) as client:
            response = await client.send(client.build_request("POST", "http://x/"), stream=True)
            before = transport.open_responses
            return before, await response.aread(), transport.open_responses

    assert clock.run(main()) == (1, b"ab", 0)
