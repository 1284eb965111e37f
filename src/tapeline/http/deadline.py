"""An absolute end of a call, kept on the socket itself.

A read timeout bounds the wait for one read only: a server that sends a byte now and then can hold a call
for ever. So a call may carry a `Deadline`, as the extension "deadline" of its request, and what waits for
its bytes waits no longer than that. On asyncio the event loop does this; here it is done for threads.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2

from tapeline.clock import NS_PER_S, Clock, ns

EXTENSION = "deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A moment on a clock, in its nanoseconds."""

    clock: Clock
    at_ns: int

    @classmethod
    def after(cls, duration_s: float, clock: Clock) -> Deadline:
        return cls(clock=clock, at_ns=clock.now_ns() + ns(duration_s))

    def left_s(self) -> float:
        """Seconds to go; 0 once it has passed."""
        return max(0, self.at_ns - self.clock.now_ns()) / NS_PER_S

    def timeout_s(self) -> float:
        """Seconds to go, as the timeout of a socket, which 0 would make a non-blocking one."""
        return max(self.left_s(), 1e-3)


class DeadlineTransport(httpx2.HTTPTransport):
    """The transport of httpx2, for blocking calls, that minds the deadline of a request."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # httpcore2 takes a backend as an argument, but httpx2 builds the pool and passes none on.
        self._pool._network_backend = _Backend(self._pool._network_backend)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        deadline = request.extensions.get(EXTENSION)
        if deadline is None:
            return super().handle_request(request)
        with _in_force(deadline):
            response = super().handle_request(request)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Body(response.stream, deadline)
        return response


class _Body(httpx2.SyncByteStream):
    """A response body, each block of which is read before the deadline."""

    def __init__(self, stream: httpx2.SyncByteStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        blocks = iter(self._stream)
        while True:
            with _in_force(self._deadline):
                block = next(blocks, None)
            if block is None:
                return
            yield block

    def close(self) -> None:
        self._stream.close()


# On the socket --------------------------------------------------------------------------------------

_current = threading.local()


@contextmanager
def _in_force(deadline: Deadline) -> Iterator[None]:
    _current.deadline = deadline
    try:
        yield
    finally:
        _current.deadline = None


def _bounded(timeout_s: float | None) -> float | None:
    deadline: Deadline | None = getattr(_current, "deadline", None)
    if deadline is None:
        return timeout_s
    return deadline.timeout_s() if timeout_s is None else min(deadline.timeout_s(), timeout_s)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, backend: httpcore2.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore2.NetworkStream:
        return _Stream(self._backend.connect_tcp(host, port, _bounded(timeout), *args, **options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore2.NetworkStream:
        return _Stream(self._backend.connect_unix_socket(path, _bounded(timeout), *args, **options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _bounded(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _bounded(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _bounded(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
