"""The httpx2 clients that calls go over: one for all threads, and one for each event loop.

Connections of asyncio belong to the loop they were opened on, and sockets must not be shared with a
forked process: both get a client of their own, so that a model can be used anywhere.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.request import getproxies
from weakref import WeakKeyDictionary

import httpx2

from tapeline.errors import ConfigError
from tapeline.http.deadline import DeadlineTransport

LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=5.0)
"""Those of the vendors' SDKs: the pool must not be what limits concurrency."""

C = TypeVar("C")
"""A client: an httpx2 one, or a vendor's around it."""

Close: TypeAlias = Callable[[C], None]
AsyncClose: TypeAlias = Callable[[C], Coroutine[Any, Any, None]]
Keeper: TypeAlias = AsyncGenerator[None, None]


def blocking_client(transport: httpx2.BaseTransport | None = None) -> httpx2.Client:
    """Return a client for threads. Its deadlines hold inside a read too, unless a proxy is set."""
    if transport is None and getproxies().keys() - {"no"}:
        return httpx2.Client(limits=LIMITS)  # a transport of our own would bypass the proxy
    return httpx2.Client(transport=transport or DeadlineTransport(limits=LIMITS))


def async_client(transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """Return a client for one event loop."""
    return httpx2.AsyncClient(transport=transport, limits=LIMITS)


class PerProcess(Generic[C]):
    """Builds a client when it is first needed in a process. close: None where the client is the caller's."""

    def __init__(self, build: Callable[[], C], close: Close[C] | None = None) -> None:
        self._build = build
        self._close = close
        self._lock = threading.Lock()
        self._client: C | None = None
        self._pid = 0

    def get(self) -> C:
        client = self._client
        if client is not None and self._pid == os.getpid():
            return client
        with self._lock:
            if self._client is None or self._pid != os.getpid():
                self._client, self._pid = self._build(), os.getpid()
            return self._client

    def close(self) -> None:
        """Close the client, if this process has one; the next call builds another."""
        client, self._client = self._client, None
        if client is not None and self._close is not None and self._pid == os.getpid():
            self._close(client)


class PerLoop(Generic[C]):
    """Builds a client when it is first needed on an event loop, and closes it with the loop.

    close: None where the client is the caller's. `asyncio.run` closes every generator that was left open on
    its loop; so there is one that closes the client. Loops that are merely closed leave it to the collector.
    """

    def __init__(self, build: Callable[[], C], close: AsyncClose[C] | None = None) -> None:
        self._build = build
        self._close = close
        # Client and keeper both hold on to their loop: an entry goes only when it is taken out.
        self._opened: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[C, Keeper | None]] = (
            WeakKeyDictionary()
        )

    def get(self) -> C:
        loop = asyncio.get_running_loop()
        opened = self._opened.get(loop)
        if opened is None:
            self._forget_closed_loops()
            client = self._build()
            opened = self._opened[loop] = client, self._keeper(client)
        return opened[0]

    def _keeper(self, client: C) -> Keeper | None:
        if self._close is None:
            return None
        keeper = self._until_closed(client, self._close)
        with suppress(StopIteration):
            keeper.__anext__().send(None)  # to its yield; it does not suspend before
        return keeper

    async def _until_closed(self, client: C, close: AsyncClose[C]) -> Keeper:
        try:
            yield
        finally:
            self._opened.pop(asyncio.get_running_loop(), None)
            await close(client)

    def _forget_closed_loops(self) -> None:
        """Let go of clients that can never be used again: their connections keep their loops alive."""
        for reference in self._opened.keyrefs():
            if (loop := reference()) is not None and loop.is_closed():
                self._opened.pop(loop, None)

    async def aclose(self) -> None:
        """Close the client of the running loop, if there is one; the next call builds another."""
        _, keeper = self._opened.get(asyncio.get_running_loop(), (None, None))
        if keeper is not None:
            await keeper.aclose()


def checked(value: Any, wanted: type, name: str) -> Any:
    """Return `value` if it fits the face it is used on, the blocking or the asyncio one."""
    if isinstance(value, wanted):
        return value
    raise ConfigError(wrong_client(name, type(value), f"{wanted.__module__}.{wanted.__name__}"))


def wrong_client(name: str, found: type, wanted: str) -> str:
    return (
        f"{name} is a {found.__module__}.{found.__name__}, but this call needs a {wanted}: generate and "
        "stream take the blocking one, agenerate and astream the asyncio one"
    )
