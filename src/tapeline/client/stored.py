"""The response cache in a call: the bytes of an answer are kept, and read again as if they came anew.

What is kept has been decoded to its end without an error; so what is read again can be decoded too.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from tapeline.client.target import Target
from tapeline.clock import NS_PER_S, Clock, SystemClock
from tapeline.http.io import Received
from tapeline.policies.cache import CachedResponse, ResponseCache, request_key
from tapeline.types import HttpRequest


def key_of(target: Target, request: HttpRequest) -> str:
    """Return what a request is kept under: the same bytes to the same place."""
    carrier, codec = target.provider.carrier, target.codec
    return request_key(codec.provider, carrier.base_url, request.path, request.body)


def wall_s(clock: Clock) -> float:
    """Return the time that the age of an entry is told by: since 1970, or that of a clock of its own."""
    return time.time() if isinstance(clock, SystemClock) else clock.now_ns() / NS_PER_S


class StoredResponse:
    """A kept response, as something received."""

    status = 200
    is_replay = False

    def __init__(self, response: CachedResponse) -> None:
        self._body = response.body
        self.headers: Mapping[str, str] = dict(response.headers)

    async def read(self) -> bytes:
        return self._body

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        yield self._body

    async def close(self) -> None:
        """Nothing is open."""


class KeptResponse:
    """A response on its way through, whose body is collected to be kept under `key`."""

    def __init__(self, received: Received, key: str) -> None:
        self._received = received
        self._key = key
        self._body: list[bytes] = []
        self.status = received.status
        self.headers = received.headers
        self.is_replay = received.is_replay

    async def read(self) -> bytes:
        body = await self._received.read()
        self._body.append(body)
        return body

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._received.blocks()) as blocks:
            async for block in blocks:
                self._body.append(block)
                yield block

    async def close(self) -> None:
        await self._received.close()

    def put_into(self, cache: ResponseCache, clock: Clock, *, is_stream: bool) -> None:
        """Keep the response."""
        response = CachedResponse(
            status=self.status,
            headers=tuple(self.headers.items()),
            body=b"".join(self._body),
            stored_at_s=wall_s(clock),
            is_stream=is_stream,
        )
        cache.put(self._key, response)
