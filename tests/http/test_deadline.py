"""The deadline of a call on real sockets, where only the socket itself can keep it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import httpx2
import pytest

from tapeline.clock import SystemClock, VirtualClock
from tapeline.http.deadline import EXTENSION, Deadline, DeadlineTransport

DRIP_S = 0.01
DEADLINE_S = 0.15


def test_what_is_left_goes_down_to_nothing() -> None:
    clock = VirtualClock()
    deadline = Deadline.after(2.0, clock)

    lefts = [deadline.left_s()]
    for _ in range(2):
        clock.sleep(1.5)
        lefts.append(deadline.left_s())

    assert lefts == [2.0, 0.5, 0.0]


@pytest.fixture
def dripping() -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends what it is told to a byte at a time, for ever: its URL, and what goes first."""
    first: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            try:
                connection.sendall(b"".join(first))
                while not is_over.wait(DRIP_S):
                    connection.sendall(b"a")
            except OSError:
                return  # the client has gone, as it should

    thread = threading.Thread(target=serve)
    thread.start()
    host, port = listener.getsockname()
    yield f"http://{host}:{port}/", first
    is_over.set()
    thread.join(5.0)
    listener.close()


HEADS = {
    "in the head": b"HTTP/1.1 200 OK\r\nx-slow: ",
    "in the body": b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_a_server_that_drips_is_left_at_the_deadline(head: bytes, dripping: tuple[str, list[bytes]]) -> None:
    """Its bytes come often enough for every read timeout."""
    url, first = dripping
    first.append(head)
    clock = SystemClock()
    deadline = Deadline.after(DEADLINE_S, clock)
    extensions = {EXTENSION: deadline, "timeout": {"read": 5.0}}

    with httpx2.Client(transport=DeadlineTransport()) as client, pytest.raises(httpx2.ReadTimeout):
        client.post(url, extensions=extensions)

    assert deadline.left_s() == 0.0
    assert clock.now_ns() - deadline.at_ns < 2_000_000_000


def test_without_a_deadline_it_is_the_transport_of_httpx2(dripping: tuple[str, list[bytes]]) -> None:
    url, first = dripping
    first.append(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")

    with httpx2.Client(transport=DeadlineTransport()) as client:
        assert client.post(url, content=b"{}").text == "hi"
