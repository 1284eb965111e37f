"""An httpx2 transport that a handler answers instead of a network, on any clock.

Pass it to a client: `httpx2.Client(transport=HandlerTransport(handler, clock))`; the same object serves
`httpx2.AsyncClient`. It honours the request's read timeout, and fails, as a socket would.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import httpx2

from tapeline.clock import Clock
from tapeline.http.deadline import EXTENSION, Deadline
from tapeline.latency.pacing import (
    FailureKind,
    Handler,
    IncomingRequest,
    ScheduledResponse,
    TransportFailure,
    adeliver,
    adeliver_head,
    deliver,
    deliver_head,
)

REPLAY_EXTENSION = "tapeline_replay"
"""Of a response: whether it comes off a tape."""


class HandlerTransport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Answers requests from a handler."""

    def __init__(self, handler: Handler, clock: Clock) -> None:
        self._handler = handler
        self._clock = clock

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response: httpx2.Response = play(
            request, self._handler(incoming(request, request.read())), self._clock, httpx2
        )
        return response

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response: httpx2.Response = await aplay(
            request, self._handler(incoming(request, await request.aread())), self._clock, httpx2
        )
        return response


# The same for httpx and httpx2, which differ in their module only -----------------------------------


def incoming(request: Any, body: bytes) -> IncomingRequest:
    """Return an httpx or httpx2 request as a handler sees it."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return IncomingRequest(method=request.method, url=str(request.url), headers=headers, body=body)


def play(request: Any, response: ScheduledResponse, clock: Clock, module: Any) -> Any:
    """Wait for the head of a scheduled response and return it, its body still to come.

    Where the connection fails instead, it raises what `module`, httpx or httpx2, raises on a socket.
    """
    sent_ns = clock.now_ns()
    on_gap = timeout_guard(request, clock, module)
    error_of = partial(_error_of, request=request, module=module)
    deliver_head(response, clock, sent_ns=sent_ns, on_gap=on_gap, error_of=error_of)
    blocks = deliver(response, clock, sent_ns=sent_ns, on_gap=on_gap, error_of=error_of)
    return _response(request, response, _blocking_stream(module)(blocks), module)


async def aplay(request: Any, response: ScheduledResponse, clock: Clock, module: Any) -> Any:
    """`play` for asyncio."""
    sent_ns = clock.now_ns()
    on_gap = async_timeout_guard(request, clock, module)
    error_of = partial(_error_of, request=request, module=module)
    await adeliver_head(response, clock, sent_ns=sent_ns, on_gap=on_gap, error_of=error_of)
    blocks = adeliver(response, clock, sent_ns=sent_ns, on_gap=on_gap, error_of=error_of)
    return _response(request, response, _async_stream(module)(blocks), module)


def _response(request: Any, response: ScheduledResponse, stream: Any, module: Any) -> Any:
    return module.Response(
        response.status,
        headers=list(response.headers),
        stream=stream,
        extensions={
            "http_version": b"HTTP/1.1",
            "reason_phrase": response.reason.encode("ascii", "replace"),
            REPLAY_EXTENSION: response.is_replay,
        },
        request=request,
    )


FAILURES: Mapping[FailureKind, tuple[str, str]] = {
    "refused": ("ConnectError", "connection refused"),
    "reset": ("ReadError", "connection reset by peer"),
    "disconnect": ("RemoteProtocolError", "the server closed the connection before the end of its response"),
    "read_timeout": ("ReadTimeout", "no byte came in time"),
}
"""How a connection fails -> the exception of httpx and httpx2, and its text."""


def _error_of(failure: TransportFailure, *, request: Any, module: Any) -> Exception:
    name, text = FAILURES[failure.kind]
    error: Exception = getattr(module, name)(text, request=request)
    return error


def timeout_guard(request: Any, clock: Clock, module: Any) -> Callable[[float], None]:
    """Return what raises `module.ReadTimeout` for a wait longer than the request bears.

    It raises when the timeout has passed, as a socket would: giving up takes time too.
    """

    def check(wait_s: float) -> None:
        limit_s = _patience_s(request)
        if wait_s > limit_s:
            clock.sleep(limit_s)
            raise module.ReadTimeout(f"no byte for {limit_s:g} s", request=request)

    return check


def async_timeout_guard(request: Any, clock: Clock, module: Any) -> Callable[[float], Awaitable[None]]:
    """`timeout_guard` for asyncio."""

    async def check(wait_s: float) -> None:
        limit_s = _patience_s(request)
        if wait_s > limit_s:
            await clock.asleep(limit_s)
            raise module.ReadTimeout(f"no byte for {limit_s:g} s", request=request)

    return check


def _patience_s(request: Any) -> float:
    """Return how long to wait for the next byte: the read timeout, or until the deadline of the call."""
    limit_s: float | None = request.extensions.get("timeout", {}).get("read")
    deadline: Deadline | None = request.extensions.get(EXTENSION)
    patience_s = math.inf if limit_s is None else limit_s
    return patience_s if deadline is None else min(patience_s, deadline.left_s())


@cache
def _blocking_stream(module: Any) -> type:
    """The body is handed out once: SDKs iterate a second time to drain, which must cost no more waits."""

    class PacedStream(module.SyncByteStream):  # type: ignore[misc]
        def __init__(self, blocks: Iterator[bytes]) -> None:
            self._blocks = blocks

        def __iter__(self) -> Iterator[bytes]:
            return self._blocks

        def close(self) -> None:
            self._blocks.close()  # type: ignore[attr-defined]

    return PacedStream


@cache
def _async_stream(module: Any) -> type:
    class PacedStream(module.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, blocks: AsyncIterator[bytes]) -> None:
            self._blocks = blocks

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self._blocks

        async def aclose(self) -> None:
            await self._blocks.aclose()  # type: ignore[attr-defined]

    return PacedStream
