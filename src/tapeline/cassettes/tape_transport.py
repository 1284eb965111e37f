"""A tape as a transport that you pass to a client: nothing is patched, and no other client sees it."""

from __future__ import annotations

from functools import cached_property
from types import TracebackType
from typing import Self

import httpx2

from tapeline.cassettes.interception.httpx_family import asend, send
from tapeline.cassettes.tape import Tape
from tapeline.http.transport import incoming


class TapeTransport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Plays a tape to one client, or records that client: `httpx2.Client(transport=TapeTransport(tape))`.

    For `httpx2.AsyncClient` too, and so for the SDKs that take one as `http_client=`. live, alive: what
    sends the calls that are recorded, blocking and asyncio; plain connections by default. What was recorded
    is the tape's: `save_tape(tape, path)` writes it.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        live: httpx2.BaseTransport | None = None,
        alive: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._tape = tape
        self._given = live
        self._agiven = alive

    @cached_property
    def _live(self) -> httpx2.BaseTransport:
        return self._given or httpx2.HTTPTransport()

    @cached_property
    def _alive(self) -> httpx2.AsyncBaseTransport:
        return self._agiven or httpx2.AsyncHTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        wire = incoming(request, request.read())
        response: httpx2.Response = send(self._tape, wire, request, self._send, httpx2)
        return response

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        wire = incoming(request, await request.aread())
        response: httpx2.Response = await asend(self._tape, wire, request, self._asend, httpx2)
        return response

    def _send(self, request: httpx2.Request) -> httpx2.Response:
        return self._live.handle_request(request)

    async def _asend(self, request: httpx2.Request) -> httpx2.Response:
        return await self._alive.handle_async_request(request)

    def close(self) -> None:
        if "_live" in self.__dict__:
            self._live.close()

    async def aclose(self) -> None:
        if "_alive" in self.__dict__:
            await self._alive.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()
