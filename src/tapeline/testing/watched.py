"""A transport that a handler answers, and that counts the responses nobody has closed yet."""

from __future__ import annotations

from typing import Any

import httpx2

from tapeline.clock import Clock
from tapeline.http.transport import HandlerTransport
from tapeline.latency.pacing import Handler


class WatchedTransport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Answers requests from a handler. open_responses: how many of its answers are not closed."""

    def __init__(self, handler: Handler, clock: Clock) -> None:
        self.open_responses = 0
        self._transport = HandlerTransport(handler, clock)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._watched(self._transport.handle_request(request))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._watched(await self._transport.handle_async_request(request))

    def _watched(self, response: httpx2.Response) -> httpx2.Response:
        response.stream = _WatchedBody(self, response.stream)
        return response


class _WatchedBody(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that counts as open until it is closed."""

    def __init__(self, transport: WatchedTransport, stream: Any) -> None:
        self._transport = transport
        self._stream = stream
        self._is_open = True
        transport.open_responses += 1

    def __iter__(self) -> Any:
        return iter(self._stream)

    def __aiter__(self) -> Any:
        return aiter(self._stream)

    def _shut(self) -> None:
        self._transport.open_responses -= self._is_open
        self._is_open = False

    def close(self) -> None:
        self._shut()
        self._stream.close()

    async def aclose(self) -> None:
        self._shut()
        await self._stream.aclose()
