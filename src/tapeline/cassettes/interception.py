"""Catches the HTTP calls of httpx, httpx2 and boto3 and hands them to the active tape.

Three places are patched while a tape is active: the transports of httpx and of httpx2 (under the OpenAI,
Anthropic and Ollama SDKs) and botocore's session (under boto3). Live answers stream through while they
are recorded; replayed ones never touch the network.

Which tapes are active is a context variable, so that tapes in different tasks do not mix. Threads do not
inherit it: a thread without a tape of its own uses the tape that was entered last.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from threading import Lock
from typing import Any

from tapeline.cassettes.tape import Recording, Tape
from tapeline.http.transport import aplay, incoming, play
from tapeline.latency.pacing import IncomingRequest, ScheduledResponse, deliver, left_s

_own: ContextVar[tuple[Tape, ...]] = ContextVar("tapeline_tapes", default=())
"""The tapes entered in this context, the innermost last."""
_entered: list[Tape] = []
_undo: list[Callable[[], None]] = []
_lock = Lock()


@contextmanager
def intercepted(tape: Tape) -> Iterator[Tape]:
    """Send all HTTP of the clients we know through `tape`, until the block ends, however it ends."""
    with _lock:
        if not _entered:
            _install()
        _entered.append(tape)
    _own.set((*_own.get(), tape))
    try:
        yield tape
    finally:
        with _lock:
            _entered.remove(tape)
            if not _entered:
                _uninstall()
        # No token to reset: blocks may end in any order, and in another context, as async fixtures do.
        _own.set(tuple(other for other in _own.get() if other is not tape))


def active_tape() -> Tape | None:
    """Return the innermost tape of this context that is still open, or the one entered last anywhere."""
    entered = _entered[:]  # one look: other threads come and go
    own = (tape for tape in reversed(_own.get()) if tape in entered)
    return next(own, entered[-1] if entered else None)


def _install() -> None:
    for name in ("httpx2", "httpx"):
        if importlib.util.find_spec(name) is not None:
            module = importlib.import_module(name)
            _patch(module.HTTPTransport, "handle_request", _blocking_httpx(module))
            _patch(module.AsyncHTTPTransport, "handle_async_request", _async_httpx(module))
    session = importlib.import_module("botocore.httpsession")
    _patch(session.URLLib3Session, "send", _botocore)


def _uninstall() -> None:
    while _undo:
        _undo.pop()()


def _patch(owner: type, name: str, wrap: Callable[[Any], Any]) -> None:
    real = getattr(owner, name)
    setattr(owner, name, wrap(real))
    _undo.append(lambda: setattr(owner, name, real))


# httpx and httpx2 ---------------------------------------------------------------------------------------


def _blocking_httpx(module: Any) -> Callable[[Any], Any]:
    def wrap(real: Any) -> Any:
        def handle_request(transport: Any, request: Any) -> Any:
            tape = active_tape()
            if tape is None or (wire := tape.filtered(incoming(request, request.read()))) is None:
                return real(transport, request)
            if (recorded := _answer(tape, wire)) is not None:
                return play(request, recorded, tape.clock, module)
            _ask_for_plain_bodies(request)
            recording = tape.record(wire)
            response = real(transport, request)
            recording.head(response.status_code, response.reason_phrase, response.headers.multi_items())
            response.stream = _blocking_tee(module)(response.stream, recording)
            return response

        return handle_request

    return wrap


def _async_httpx(module: Any) -> Callable[[Any], Any]:
    def wrap(real: Any) -> Any:
        async def handle_async_request(transport: Any, request: Any) -> Any:
            tape = active_tape()
            if tape is None or (wire := tape.filtered(incoming(request, await request.aread()))) is None:
                return await real(transport, request)
            if (recorded := _answer(tape, wire)) is not None:
                return await aplay(request, recorded, tape.clock, module)
            _ask_for_plain_bodies(request)
            recording = tape.record(wire)
            response = await real(transport, request)
            recording.head(response.status_code, response.reason_phrase, response.headers.multi_items())
            response.stream = _async_tee(module)(response.stream, recording)
            return response

        return handle_async_request

    return wrap


def _answer(tape: Tape, request: IncomingRequest) -> ScheduledResponse | None:
    """Return the recorded response, or None if the call may go live. Raises CassetteMissError."""
    recorded = None if tape.record_mode == "all" else tape.find(request)
    if recorded is None and not tape.may_record:
        raise tape.miss(request)
    return recorded


def _ask_for_plain_bodies(request: Any) -> None:
    """Bodies without compression are readable, and come in the blocks that the server cut."""
    if "accept-encoding" not in request.headers.get("authorization", ""):  # signed by AnthropicBedrock
        request.headers["accept-encoding"] = "identity"


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
            with self._recording.reading():
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
            with self._recording.reading():
                return self._recording.block(await anext(self._blocks))

        async def aclose(self) -> None:
            await self._stream.aclose()

    return RecordedStream


# botocore -----------------------------------------------------------------------------------------------


def _botocore(real: Any) -> Any:
    def send(session: Any, request: Any) -> Any:
        tape = active_tape()
        if tape is None or (wire := tape.filtered(_aws_incoming(request))) is None:
            return real(session, request)
        if (recorded := _answer(tape, wire)) is not None:
            return _aws_replay(tape, recorded, request)
        recording = tape.record(wire)
        response = real(session, request)
        recording.head(response.status_code, "", list(response.headers.items()))
        if request.stream_output:
            response.raw = _RawTee(response.raw, recording)
        else:
            recording.block(response.content)
            recording.complete()
        return response

    return send


def _aws_incoming(request: Any) -> IncomingRequest:
    return IncomingRequest(
        method=request.method,
        url=request.url,
        headers={name.lower(): _text(value) for name, value in request.headers.items()},
        body=_body_bytes(request.body),
    )


def _aws_replay(tape: Tape, recorded: ScheduledResponse, request: Any) -> Any:
    from botocore.awsrequest import AWSResponse, HeadersDict

    sent_ns = tape.clock.now_ns()
    if (wait_s := left_s(tape.clock, sent_ns, recorded.head_due_s)) > 0:
        tape.clock.sleep(wait_s)
    blocks = deliver(recorded, tape.clock, sent_ns=sent_ns, on_gap=lambda _: None)
    headers: Any = HeadersDict(recorded.headers)
    response = AWSResponse(request.url, recorded.status, headers, _RawReplay(blocks))
    if not request.stream_output:
        response.content  # noqa: B018 - a property that reads, as botocore itself does here
    return response


class _RawTee:
    """urllib3's response, recorded while it is read."""

    def __init__(self, raw: Any, recording: Recording) -> None:
        self._raw = raw
        self._recording = recording

    def stream(self, amt: int = 65536, decode_content: bool | None = None) -> Iterator[bytes]:
        # read1 returns what has arrived; stream(amt) would wait for amt bytes
        while data := self._raw.read1(amt):
            yield self._recording.block(data)
        self._recording.complete()

    def read(self, amt: int | None = None, **options: Any) -> bytes:
        data: bytes = self._raw.read(amt, **options)
        if data:
            self._recording.block(data)
        if not data or amt is None:
            self._recording.complete()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class _RawReplay:
    """As much of urllib3's response as botocore reads, over paced blocks."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = b""

    def stream(self, amt: int = 65536, decode_content: bool | None = None) -> Iterator[bytes]:
        yield from self._blocks

    def read(self, amt: int | None = None, **options: Any) -> bytes:
        while amt is None or len(self._left) < amt:
            if (block := next(self._blocks, None)) is None:
                break
            self._left += block
        size = len(self._left) if amt is None else amt
        data, self._left = self._left[:size], self._left[size:]
        return data

    def close(self) -> None:
        self._blocks.close()  # type: ignore[attr-defined]

    def release_conn(self) -> None:
        self.close()


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _body_bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if hasattr(body, "read"):
        data: bytes = body.read()
        body.seek(0)
        return data
    return body if isinstance(body, bytes) else str(body).encode()
