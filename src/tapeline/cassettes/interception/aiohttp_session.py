"""aiohttp's session: its one way out is `_request`, where it has no seam that is public.

The response handed out is aiohttp's own, over a reader that asks for the next block when it runs dry.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from errno import ECONNREFUSED, ECONNRESET
from functools import cache, partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from tapeline.cassettes.interception.active import sending, taped
from tapeline.cassettes.interception.patching import Patch, module_or_none, patch
from tapeline.cassettes.recording import Recording
from tapeline.clock import Clock
from tapeline.latency.pacing import (
    FailureKind,
    IncomingRequest,
    ScheduledResponse,
    TransportFailure,
    adeliver,
    adeliver_head,
)

BUFFER_BYTES = 2**16
OCTETS = "application/octet-stream"

OnGap = Callable[[float], Awaitable[None]]


def patches() -> Iterator[Patch]:
    """Put ours in the place of `ClientSession._request`."""
    if (aiohttp := module_or_none("aiohttp")) is not None:
        yield patch(aiohttp.ClientSession, "_request", _request)


def _request(real: Any) -> Any:
    async def request(session: Any, method: str, str_or_url: Any, **options: Any) -> Any:
        options = await _readable_again(options)
        wire = _incoming(session, method, str_or_url, options)
        if (seen := taped(wire)) is None:
            return await real(session, method, str_or_url, **options)
        tape, wire = seen
        if (recorded := tape.answer(wire)) is not None:
            response = await _replayed(session, wire, recorded, tape.clock, options)
            return await _with_status(session, response, options)
        recording = tape.record(wire)
        plain = {**dict(_pairs(options.get("headers"))), "Accept-Encoding": "identity"}
        live = options | {"headers": plain, "raise_for_status": False}
        with recording.noting(_failures()), sending():
            response = await real(session, method, str_or_url, **live)
        recording.head(response.status, response.reason or "", list(_pairs(response.headers)))
        response.content = _reader()(_teed(response.content, recording))
        return await _with_status(session, response, options)

    return request


async def _readable_again(options: dict[str, Any]) -> dict[str, Any]:
    """Return options whose data is still there once it has been read: no form, no file, no generator."""
    data = options.get("data")
    if data is None or isinstance(data, bytes | str):
        return options
    payload = _payload(data)
    given = dict(_pairs(options.get("headers")))
    has_type = any(name.lower() == "content-type" for name in given)
    media_type = {} if has_type else {"Content-Type": payload.headers.get("Content-Type", OCTETS)}
    return options | {"data": await payload.as_bytes(), "headers": given | media_type}


def _payload(data: Any) -> Any:
    aiohttp = module_or_none("aiohttp")
    if isinstance(data, Mapping | list | tuple):
        data = aiohttp.FormData(data)
    if isinstance(data, aiohttp.FormData):
        data = data()
    return data if isinstance(data, aiohttp.Payload) else aiohttp.payload.get_payload(data)


def _incoming(session: Any, method: str, str_or_url: Any, options: Mapping[str, Any]) -> IncomingRequest:
    url = session._build_url(str_or_url)
    if options.get("params"):
        url = url.extend_query(options["params"])
    headers = {**dict(_pairs(session.headers)), **dict(_pairs(options.get("headers")))}
    named = {name.lower(): value for name, value in headers.items()}
    if (json := options.get("json")) is None:
        body = options.get("data") or b""
    else:
        body, named = session._json_serialize(json), {"content-type": "application/json"} | named
    return IncomingRequest(
        method=method.upper(),
        url=str(url),
        headers=named,
        body=body.encode() if isinstance(body, str) else body,
    )


def _pairs(headers: Any) -> Iterator[tuple[str, str]]:
    """Yield headers as plain text: aiohttp's names are a str of their own."""
    pairs = headers.items() if hasattr(headers, "items") else headers or ()
    return ((str(name), str(value)) for name, value in pairs)


# Responses ----------------------------------------------------------------------------------------------


async def _replayed(
    session: Any,
    wire: IncomingRequest,
    recorded: ScheduledResponse,
    clock: Clock,
    options: Mapping[str, Any],
) -> Any:
    sent_ns = clock.now_ns()
    on_gap = _guard(_patience_s(session, options), clock, wire)
    error_of = partial(_error_of, wire=wire)
    await adeliver_head(recorded, clock, sent_ns=sent_ns, on_gap=on_gap, error_of=error_of)
    response = _response(session, wire, recorded)
    response.content = _reader()(adeliver(recorded, clock, sent_ns=sent_ns, on_gap=on_gap, error_of=error_of))
    return response


def _guard(patience_s: float, clock: Clock, wire: IncomingRequest) -> OnGap:
    async def on_gap(wait_s: float) -> None:
        if wait_s > patience_s:
            await clock.asleep(patience_s)
            raise _error_of(TransportFailure(kind="read_timeout"), wire)

    return on_gap


async def _with_status(session: Any, response: Any, options: Mapping[str, Any]) -> Any:
    """Return a response, or raise for its status, as the caller or the session wishes."""
    wish = options.get("raise_for_status")
    wish = session._raise_for_status if wish is None else wish
    if callable(wish):
        await wish(response)
    elif wish:
        response.raise_for_status()
    return response


def _limits(session: Any, options: Mapping[str, Any]) -> Any:
    timeout = options.get("timeout")
    return timeout if hasattr(timeout, "sock_read") else session.timeout


def _patience_s(session: Any, options: Mapping[str, Any]) -> float:
    limits = _limits(session, options)
    given = (limit for limit in (limits.sock_read, limits.total) if limit is not None)
    return float(min(given, default=math.inf))


def _response(session: Any, wire: IncomingRequest, recorded: ScheduledResponse) -> Any:
    aiohttp, multidict, yarl = map(module_or_none, ("aiohttp", "multidict", "yarl"))
    url = yarl.URL(wire.url)
    headers = multidict.CIMultiDictProxy(multidict.CIMultiDict(wire.headers))
    response = aiohttp.ClientResponse(
        wire.method,
        url,
        writer=None,
        continue100=None,
        timer=None,
        request_info=aiohttp.RequestInfo(url, wire.method, headers, url),
        traces=[],
        loop=asyncio.get_running_loop(),
        session=session,
        stream_writer=SimpleNamespace(output_size=len(wire.body)),
    )
    response.status, response.reason = recorded.status, recorded.reason
    response._headers = multidict.CIMultiDictProxy(multidict.CIMultiDict(recorded.headers))
    response._raw_headers = tuple((name.encode(), value.encode()) for name, value in recorded.headers)
    return response


async def _teed(real: Any, recording: Recording) -> AsyncIterator[bytes]:
    while True:
        with recording.noting(_failures()):
            data: bytes = await real.readany()
        if not data:
            recording.complete()
            return
        yield recording.block(data)


@cache
def _reader() -> Callable[[AsyncIterator[bytes]], Any]:
    """Return aiohttp's own reader, made to ask for its blocks where it would wait to be given some."""
    aiohttp = module_or_none("aiohttp")

    class PulledReader(aiohttp.StreamReader):  # type: ignore[misc,name-defined]
        def __init__(self, blocks: AsyncIterator[bytes]) -> None:
            loop = asyncio.get_running_loop()
            super().__init__(_Unhurried(), BUFFER_BYTES, loop=loop)
            self._blocks = blocks

        async def _wait(self, func_name: str) -> None:
            block = await anext(self._blocks, None)
            if block is None:
                self.feed_eof()
            else:
                self.feed_data(block)

    return PulledReader


class _Unhurried:
    """The protocol of a reader that no socket feeds: nothing to pause, nothing to resume."""

    connected = True
    _reading_paused = False

    def pause_reading(self, **_: Any) -> None:
        """There is no socket."""

    def resume_reading(self, **_: Any) -> None:
        """There is no socket."""


# Failures -----------------------------------------------------------------------------------------------


@cache
def _failures() -> Mapping[type[Exception], FailureKind]:
    aiohttp = module_or_none("aiohttp")
    return {
        aiohttp.ClientConnectorError: "refused",
        aiohttp.ServerTimeoutError: "read_timeout",
        TimeoutError: "read_timeout",
        aiohttp.ServerDisconnectedError: "disconnect",
        aiohttp.ClientPayloadError: "disconnect",
        aiohttp.ClientOSError: "reset",
    }


def _error_of(failure: TransportFailure, wire: IncomingRequest) -> Exception:
    """Return what aiohttp would raise."""
    aiohttp = module_or_none("aiohttp")
    error: Exception
    match failure.kind:
        case "refused":
            url = urlsplit(wire.url)
            key = SimpleNamespace(host=url.hostname, port=url.port, is_ssl=url.scheme == "https", ssl=True)
            error = aiohttp.ClientConnectorError(
                key, ConnectionRefusedError(ECONNREFUSED, "Connection refused")
            )
        case "read_timeout":
            error = aiohttp.SocketTimeoutError("Timeout on reading data from socket")
        case "reset":
            error = aiohttp.ClientOSError(ECONNRESET, "Connection reset by peer")
        case "disconnect" if failure.has_head:
            error = aiohttp.ClientPayloadError("Response payload is not completed")
        case _:
            error = aiohttp.ServerDisconnectedError()
    return error
