"""A server in a process of its own that sends one stream again and again, a packet for each block.

In another process, because what it costs must not count. It knows just enough HTTP for a benchmark.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

PACE_S = 0.0002
"""Between two packets: enough for the client to read each one by itself, as it would from a model."""


class Server:
    """Listens on 127.0.0.1 until it is closed."""

    def __init__(self, blocks: list[bytes], media_type: str) -> None:
        # This file as a program: asv's own processes cannot be forked, nor spawned from.
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        json.dump(
            {"blocks": [block.hex() for block in blocks], "media_type": media_type}, self._process.stdin
        )
        self._process.stdin.close()
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}/v1"

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _serve() -> None:
    told = json.load(sys.stdin)
    blocks, media_type = [bytes.fromhex(block) for block in told["blocks"]], told["media_type"]
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        # Each in a thread: clients keep a connection open that they do not need just now.
        threading.Thread(target=_answer, args=(connection, blocks, media_type), daemon=True).start()


def _answer(connection: socket.socket, blocks: list[bytes], media_type: str) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, suppress(ConnectionError):  # a client may leave early
        for _ in _requests(connection):
            _send(connection, blocks, media_type)


def _requests(connection: socket.socket) -> Iterator[bytes]:
    """Yield the requests of a connection, until the client has no more."""
    waiting = b""
    while received := connection.recv(65536):
        waiting += received
        head, end, body = waiting.partition(b"\r\n\r\n")
        announced = re.search(rb"(?i)content-length: (\d+)", head)
        if end and announced and len(body) >= int(announced[1]):
            yield waiting
            waiting = b""


def _send(connection: socket.socket, blocks: list[bytes], media_type: str) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    connection.sendall(head.encode())
    for block in blocks:
        time.sleep(PACE_S)
        connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))
    connection.sendall(b"0\r\n\r\n")


if __name__ == "__main__":
    _serve()
