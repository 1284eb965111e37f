"""urllib3's connection pool, which requests and boto3 are built on.

`urlopen` is asked once per try, whoever asks. What it returns here reads its body block by block, from a
tape or from the real response, so that streams pass through and keep their times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from errno import ECONNRESET
from functools import cache
from io import IOBase
from typing import Any, NoReturn

from tapeline.cassettes.interception.active import sending, taped
from tapeline.cassettes.interception.patching import Patch, module_or_none, patch
from tapeline.cassettes.recording import Recording
from tapeline.clock import Clock
from tapeline.errors import CassetteError
from tapeline.latency.pacing import (
    FailureKind,
    IncomingRequest,
    ScheduledResponse,
    TransportFailure,
    deliver,
    deliver_head,
)

READ_BYTES = 65536
DEFAULT_PORTS = {"http": 80, "https": 443}


def patches() -> Iterator[Patch]:
    """Put ours in the place of `HTTPConnectionPool.urlopen`, which the pools for HTTPS and of AWS inherit."""
    if module_or_none("urllib3") is not None:
        pool = module_or_none("urllib3.connectionpool")
        yield patch(pool.HTTPConnectionPool, "urlopen", _urlopen)
    session = module_or_none("botocore.httpsession")
    yield patch(session.URLLib3Session, "send", _unwrapping)


def _unwrapping(real: Any) -> Any:
    """botocore wraps what it does not know into an error that it would try again; a miss is none."""

    def send(session: Any, request: Any) -> Any:
        try:
            return real(session, request)
        except module_or_none("botocore.exceptions").HTTPClientError as error:
            cause = error.kwargs.get("error")
            if isinstance(cause, CassetteError):
                raise cause from None
            raise

    return send


def _urlopen(real: Any) -> Any:
    def urlopen(
        pool: Any, method: str, url: str, body: Any = None, headers: Any = None, *args: Any, **options: Any
    ) -> Any:
        body = _readable_again(body)
        wire = _incoming(pool, method, url, body, pool.headers if headers is None else headers)
        if (seen := taped(wire)) is None:
            return real(pool, method, url, body, headers, *args, **options)
        tape, wire = seen
        if (recorded := tape.answer(wire)) is not None:
            return _replayed(pool, method, url, recorded, tape.clock, options)
        recording = tape.record(wire)
        live = options | {"preload_content": False}
        with recording.noting(_failures()), sending():
            response = real(pool, method, url, body, _plain(pool, headers), *args, **live)
        recording.head(response.status, response.reason or "", list(response.headers.items()))
        return _recorded(url, response, recording, options)

    return urlopen


def _incoming(pool: Any, method: str, url: str, body: Any, headers: Any) -> IncomingRequest:
    port = "" if pool.port in (None, DEFAULT_PORTS.get(pool.scheme)) else f":{pool.port}"
    origin = "" if "://" in url else f"{pool.scheme}://{pool.host}{port}"  # a proxy is given the whole URL
    return IncomingRequest(
        method=method,
        url=origin + url,
        headers={_text(name).lower(): _text(value) for name, value in headers.items()},
        body=_body_bytes(body),
    )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _readable_again(body: Any) -> Any:
    """Return a body that is still there once it has been read: not a file at its end, nor a generator."""
    if body is None or isinstance(body, bytes | str):
        return body
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    if hasattr(body, "read"):
        return body if hasattr(body, "seek") else body.read()
    return b"".join(_body_bytes(part) for part in body)


def _body_bytes(body: Any) -> bytes:
    if hasattr(body, "read"):
        start = body.tell()
        data = body.read()
        body.seek(start)
        return _body_bytes(data)
    return body.encode() if isinstance(body, str) else body or b""


def _plain(pool: Any, headers: Any) -> Any:
    """Ask for a body without compression, unless the wish for it is signed or is nobody's."""
    kept = dict(pool.headers if headers is None else headers)
    names = {_text(name).lower(): name for name in kept}
    signed = _text(kept.get(names.get("authorization"), ""))
    if "accept-encoding" in names and "accept-encoding" not in signed:
        kept[names["accept-encoding"]] = "identity"
    return kept


# Responses ----------------------------------------------------------------------------------------------


def _replayed(
    pool: Any,
    method: str,
    url: str,
    response: ScheduledResponse,
    clock: Clock,
    options: Mapping[str, Any],
) -> Any:
    sent_ns = clock.now_ns()
    patience_s = _read_timeout_s(pool, options)

    def error_of(failure: TransportFailure) -> Exception:
        error = _error_of(failure.kind, pool, url)
        return error if failure.has_head else _give_up(error, pool, method, url, options)

    def guard(*, has_head: bool) -> Callable[[float], None]:
        def on_gap(wait_s: float) -> None:
            if wait_s > patience_s:
                clock.sleep(patience_s)
                raise error_of(TransportFailure(kind="read_timeout", has_head=has_head))

        return on_gap

    deliver_head(response, clock, sent_ns=sent_ns, on_gap=guard(has_head=False), error_of=error_of)
    blocks = deliver(response, clock, sent_ns=sent_ns, on_gap=guard(has_head=True), error_of=error_of)
    return _response(_PulledBody(blocks), url, response.status, response.reason, response.headers, options)


def _read_timeout_s(pool: Any, options: Mapping[str, Any]) -> float:
    timeout = options.get("timeout", pool.timeout)
    limit = getattr(timeout, "read_timeout", timeout)
    return float(limit) if isinstance(limit, int | float) else float("inf")


def _recorded(url: str, real: Any, recording: Recording, options: Mapping[str, Any]) -> Any:
    def blocks() -> Iterator[bytes]:
        # read1 returns what has arrived; a plain read would wait for all it was asked for
        while True:
            with recording.noting(_failures()):
                data: bytes = real.read1(READ_BYTES, decode_content=False)
            if not data:
                recording.complete()
                return
            yield recording.block(data)

    body = _PulledBody(blocks(), on_close=real.close, on_release=real.release_conn)
    response = _response(body, url, real.status, real.reason, real.headers.items(), options)
    response._original_response = real._original_response  # where requests looks for cookies
    return response


class _PulledBody(IOBase):
    """A body of blocks that are asked for one by one: a file as urllib3 reads it."""

    def __init__(
        self,
        blocks: Iterator[bytes],
        *,
        on_close: Callable[[], None] = lambda: None,
        on_release: Callable[[], None] = lambda: None,
    ) -> None:
        self._blocks = blocks
        self._left = b""
        self._on_close = on_close
        self.release = on_release

    def read(self, amt: int | None = None) -> bytes:
        pieces = [self._left]
        size = len(self._left)
        while (amt is None or size < amt) and (block := next(self._blocks, None)) is not None:
            pieces.append(block)
            size += len(block)
        return self._handed_out(b"".join(pieces), amt)

    def read1(self, amt: int | None = None) -> bytes:
        """Return what is there, or the next block."""
        return self._handed_out(self._left or next(self._blocks, b""), amt)

    def _handed_out(self, data: bytes, amt: int | None) -> bytes:
        size = len(data) if amt is None else amt
        self._left = data[size:]
        if not data:
            self.close()
        return data[:size]

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._blocks.close()  # type: ignore[attr-defined]
            self._on_close()


def _response(
    body: _PulledBody, url: str, status: int, reason: str | None, headers: Any, options: Mapping[str, Any]
) -> Any:
    kept = module_or_none("urllib3").HTTPHeaderDict()
    for name, value in headers:
        if name.lower() not in ("transfer-encoding", "content-length"):  # of the real body, not of this one
            kept.add(name, value)
    return _pulled_response()(
        body=body,
        headers=kept,
        status=status,
        reason=reason,
        request_url=url,
        preload_content=options.get("preload_content", True),
        decode_content=options.get("decode_content", True),
    )


@cache
def _pulled_response() -> Any:
    class PulledResponse(module_or_none("urllib3").HTTPResponse):  # type: ignore[misc]
        """A response whose `stream` hands out blocks when they come, and not when there are enough."""

        def stream(self, amt: int | None = READ_BYTES, decode_content: bool | None = None) -> Iterator[bytes]:
            while data := self.read1(amt, decode_content=decode_content):
                yield data

        def release_conn(self) -> None:
            self._fp.release()

    return PulledResponse


# Failures -----------------------------------------------------------------------------------------------


@cache
def _failures() -> Mapping[type[Exception], FailureKind]:
    errors = module_or_none("urllib3.exceptions")
    return {
        errors.NewConnectionError: "refused",
        errors.ConnectTimeoutError: "refused",
        errors.MaxRetryError: "refused",
        errors.ReadTimeoutError: "read_timeout",
        errors.ProtocolError: "disconnect",
    }


def _error_of(kind: FailureKind, pool: Any, url: str) -> Exception:
    """Return what urllib3 would raise, before it counts its tries."""
    errors = module_or_none("urllib3.exceptions")
    error: Exception
    match kind:
        case "refused":
            error = errors.NewConnectionError(pool, "Failed to establish a new connection: refused")
        case "read_timeout":
            error = errors.ReadTimeoutError(pool, url, "Read timed out.")
        case "reset":
            cause = ConnectionResetError(ECONNRESET, "Connection reset by peer")
            error = errors.ProtocolError(f"Connection broken: {cause!r}", cause)
        case "disconnect":
            error = errors.ProtocolError("Connection broken: it was closed before the end of the response")
    return error


def _give_up(error: Exception, pool: Any, method: str, url: str, options: Mapping[str, Any]) -> NoReturn:
    """Raise as urllib3 does once it has used up its tries: the recording knows only how they ended."""
    retry = module_or_none("urllib3").Retry
    tries = retry.from_int(
        options.get("retries"), redirect=options.get("redirect", True), default=pool.retries
    )
    while True:
        tries = tries.increment(method, url, error=error, _pool=pool)
