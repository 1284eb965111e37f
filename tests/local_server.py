"""A real server on loopback, for what only a socket can show: pass-through, cuts, leaks.

It never waits for time: where it must hold something back, a test gives it a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self

from tapeline.providers.paths import codec_for
from tapeline.types import Chunk, HttpRequest, Reply, Usage, assistant

PATIENCE_S = 10
"""How long a held-back block waits for its test. Reached only where a test fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as the server got it. Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server says. More than one block: sent as a stream, one write each."""

    blocks: Iterable[bytes]
    status: int = 200
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False


class LocalServer:
    """Answers while used as a context manager, and keeps what it was asked."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.asked: list[Asked] = []
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self, answer))
        self._thread = Thread(target=partial(self._server.serve_forever, poll_interval=0.01), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with 5, as it comes, many clients at once wait a second for their turn


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: LocalServer, answer: Callable[[Asked], Answer], *args: Any) -> None:
        self._local = server
        self._answer = answer
        super().__init__(*args)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(method=self.command, path=self.path, headers=headers, body=body)
        self._local.asked.append(asked)
        answer = self._answer(asked)
        self.send_response(answer.status)
        self.send_header("content-type", answer.media_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        blocks = answer.blocks
        if isinstance(blocks, list) and len(blocks) == 1:
            self.send_header("content-length", str(len(blocks[0])))
            self.end_headers()
            self.wfile.write(blocks[0])
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for block in blocks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        self.close_connection = answer.is_cut
        if not answer.is_cut:
            self.wfile.write(b"0\r\n\r\n")


# Answers ------------------------------------------------------------------------------------------------


def echo(asked: Asked) -> Answer:
    """Answer in the wire format of the path: "you said", then the words of the last message."""
    codec = codec_for(asked.path)
    assert codec is not None, asked.path
    request = codec.decode_request(
        HttpRequest(method=asked.method, path=asked.path, headers=asked.headers, body=asked.body)
    )
    text = f"you said {request.messages[-1].text}"
    usage = Usage(input_tokens=3, output_tokens=5)
    if not request.is_stream:
        reply = Reply(
            message=assistant(text), finish_reason="stop", usage=usage, model=request.model, id="answer-1"
        )
        return Answer(blocks=[codec.encode_response(reply)])
    chunks = [Chunk(id="answer-1", text=f"{word} ") for word in text.split()]
    chunks[-1].text = chunks[-1].text.rstrip()
    chunks.append(Chunk(id="answer-1", finish_reason="stop", usage=usage))
    return Answer(
        blocks=list(codec.encode_stream(chunks, model=request.model)), media_type=codec.stream_media_type
    )


class Gate:
    """Holds a stream back after its first blocks, until the client says it has seen one of them."""

    def __init__(self, *, before: int = 1) -> None:
        self._before = before
        self._seen = Event()
        self.was_passed = False

    def seen(self) -> None:
        """Called by the client when something has come."""
        self._seen.set()

    def __call__(self, asked: Asked) -> Answer:
        answer = echo(asked)
        return Answer(blocks=self._held_back(list(answer.blocks)), media_type=answer.media_type)

    def _held_back(self, blocks: list[bytes]) -> Iterator[bytes]:
        yield from blocks[: self._before]
        self.was_passed = self._seen.wait(PATIENCE_S)
        yield from blocks[self._before :]
