"""The transports of httpx and httpx2, which differ in their module only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

from tapeline.cassettes.interception.active import sending, taped
from tapeline.cassettes.interception.patching import Patch, module_or_none, patch
from tapeline.cassettes.recording import Recording
from tapeline.cassettes.tape import Tape
from tapeline.http.transport import aplay, incoming, play
from tapeline.latency.pacing import FailureKind, IncomingRequest


def patches() -> Iterator[Patch]:
    """Put ours in the place of both transports, of httpx and of httpx2."""
    for module in filter(None, map(module_or_none, ("httpx2", "httpx"))):
        yield patch(module.HTTPTransport, "handle_request", _blocking(module))
        yield patch(module.AsyncHTTPTransport, "handle_async_request", _asyncio(module))


def _blocking(module: Any) -> Callable[[Any], Any]:
    def wrap(real: Any) -> Any:
        def handle_request(transport: Any, request: Any) -> Any:
            if (seen := taped(incoming(request, request.read()))) is None:
                return real(transport, request)
            return send(*seen, request, partial(real, transport), module)

        return handle_request

    return wrap


def send(tape: Tape, wire: IncomingRequest, request: Any, real: Callable[[Any], Any], module: Any) -> Any:
    """Answer a request from a tape, or send it by `real` and record what comes. wire: as the tape sees it."""
    if (recorded := tape.answer(wire)) is not None:
        return play(request, recorded, tape.clock, module)
    recording = _begin(tape, wire, request)
    with recording.noting(_failures(module)), sending():
        response = real(request)
    recording.head(response.status_code, response.reason_phrase, response.headers.multi_items())
    response.stream = _blocking_tee(module)(response.stream, recording)
    return response


def _asyncio(module: Any) -> Callable[[Any], Any]:
    def wrap(real: Any) -> Any:
        async def handle_async_request(transport: Any, request: Any) -> Any:
            if (seen := taped(incoming(request, await request.aread()))) is None:
                return await real(transport, request)
            return await asend(*seen, request, partial(real, transport), module)

        return handle_async_request

    return wrap


async def asend(
    tape: Tape, wire: IncomingRequest, request: Any, real: Callable[[Any], Awaitable[Any]], module: Any
) -> Any:
    """`send` for asyncio."""
    if (recorded := tape.answer(wire)) is not None:
        return await aplay(request, recorded, tape.clock, module)
    recording = _begin(tape, wire, request)
    with recording.noting(_failures(module)), sending():
        response = await real(request)
    recording.head(response.status_code, response.reason_phrase, response.headers.multi_items())
    response.stream = _async_tee(module)(response.stream, recording)
    return response


def _begin(tape: Tape, wire: IncomingRequest, request: Any) -> Recording:
    """Start a recording of a body without compression: it is readable, and comes as the server cut it."""
    if "accept-encoding" not in request.headers.get("authorization", ""):  # signed by AnthropicBedrock
        request.headers["accept-encoding"] = "identity"
    return tape.record(wire)


@cache
def _failures(module: Any) -> Mapping[type[Exception], FailureKind]:
    return {
        module.ConnectError: "refused",
        module.ConnectTimeout: "refused",
        module.ReadError: "reset",
        module.RemoteProtocolError: "disconnect",
        module.ReadTimeout: "read_timeout",
    }


@cache
def _blocking_tee(module: Any) -> type:
    """The body is read once, however often it is iterated: SDKs drain what they have left unread."""

    class RecordedStream(module.SyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any, recording: Recording) -> None:
            self._stream = stream
            self._blocks = iter(stream)
            self._recording = recording

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            with self._recording.noting(_failures(module)):
                return self._recording.block(next(self._blocks))

        def close(self) -> None:
            self._stream.close()

    return RecordedStream


@cache
def _async_tee(module: Any) -> type:
    class RecordedStream(module.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any, recording: Recording) -> None:
            self._stream = stream
            self._blocks = aiter(stream)
            self._recording = recording

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            with self._recording.noting(_failures(module)):
                return self._recording.block(await anext(self._blocks))

        async def aclose(self) -> None:
            await self._stream.aclose()

    return RecordedStream
