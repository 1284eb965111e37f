"""A server on loopback that says exactly the bytes it is told, and can be rude: for faults of the transport.

A script is what happens after one request: bytes are sent, functions are called with the connection. It
may be a function of the request.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock, Thread
from typing import BinaryIO, Self, TypeAlias

Step: TypeAlias = bytes | Callable[[socket.socket], None]
Script: TypeAlias = Sequence[Step]
Answer: TypeAlias = Script | Callable[[bytes], Script]

PATIENCE_S = 5
"""How long connections may take to close after their model was. Reached only where a test fails."""


# Steps ------------------------------------------------------------------------------------------------


def close(connection: socket.socket) -> None:
    """End the connection, politely."""
    connection.shutdown(socket.SHUT_RDWR)


def close_one_half(connection: socket.socket) -> None:
    """Say that no more will come, and go on listening."""
    connection.shutdown(socket.SHUT_WR)


def reset(connection: socket.socket) -> None:
    """End the connection as a crashed machine or an impatient firewall does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RD)  # as if the client had gone: the server closes, and resets so


def hang(connection: socket.socket) -> None:
    """Say nothing until the client has gone."""
    connection.recv(1)


def drip(byte: bytes, *, every_s: float) -> Callable[[socket.socket], None]:
    """Send a byte now and then until the client has gone."""

    def step(connection: socket.socket) -> None:
        while True:
            connection.sendall(byte)
            time.sleep(every_s)

    return step


# The server -------------------------------------------------------------------------------------------


class RawServer:
    """Gives its answers in turn, one a request, the last for ever. Counts connections, keeps requests.

    When its block ends every connection must have been closed by the client, or it raises.
    """

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._answers = answers
        self._lock = Lock()
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        assert error is not None or not any(thread.is_alive() for thread in self._threads), (
            "a connection was left open"
        )

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._threads.append(Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as received, suppress(OSError):
            while request := read_request(received):
                for step in self._script_for(request):
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    else:
                        step(connection)

    def _script_for(self, request: bytes) -> Script:
        with self._lock:
            self.requests.append(request)
            answer = self._answers[min(len(self.requests), len(self._answers)) - 1]
        return answer(request) if callable(answer) else answer


def read_request(received: BinaryIO) -> bytes:
    """Return the next request whole, or nothing at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (line := received.readline()):
            return b""
        head += line
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return head + received.read(int(length[1]) if length else 0)
