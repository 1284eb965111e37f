"""A gateway: clients of one wire format in front, a model of any provider behind.

`Gateway(model)` answers OpenAI, Anthropic, Bedrock and Ollama requests, plain and streamed, as each
vendor would. Bound to the loopback address; it has no authentication and must not face a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, islice
from threading import Thread
from types import TracebackType
from typing import Self

from msgspec import structs

from tapeline.client import ProviderModel
from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.bedrock import BedrockCodec
from tapeline.providers.codec import Codec
from tapeline.providers.errors import status_of_code
from tapeline.providers.paths import codec_for
from tapeline.types import ChatRequest, HttpRequest

BODY_BYTES_LIMIT = 64 * 1024 * 1024


def _is_loopback(host: str) -> bool:
    """Whether a Host header names this machine, with or without a port."""
    return re.fullmatch(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", host) is not None


class Gateway:
    """Serves `model` while used as a context manager. port 0: any free one; `url` tells which."""

    def __init__(self, model: ProviderModel, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = ThreadingHTTPServer((host, port), partial(_Handler, model))
        self._server.daemon_threads = True
        self._thread = Thread(target=self.serve_forever, daemon=True, name="tapeline-gateway")

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def serve_forever(self) -> None:
        """Serve in this thread until interrupted or shut down."""
        self._server.serve_forever(poll_interval=0.05)  # how soon it hears that it should stop, in seconds

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request. Standard library, because a gateway on loopback needs no more than this."""

    protocol_version = "HTTP/1.1"
    server_version = "tapeline-gateway"
    sys_version = ""

    def __init__(self, model: ProviderModel, *args: object) -> None:
        self._model = model
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: request lines may hold what nobody wants in a log."""

    def do_GET(self) -> None:
        """Answer that the gateway is up; it has no pages."""
        if self.path == "/health":
            self._send(200, "application/json", b'{"status":"ok"}')
        else:
            self.send_error(404)

    def handle(self) -> None:
        """Serve a connection; a client that goes away is no error."""
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        # `send_error` also closes the connection: the body stays unread.
        codec = codec_for(self.path)
        if codec is None:
            self.send_error(404)
            return
        if (status := self._refusal()) is not None:
            self.send_error(status)
            return
        body = self.rfile.read(self._body_bytes() or 0)
        try:
            http = HttpRequest(method="POST", path=self.path, headers={}, body=body)
            self._answer(codec, self._decoded(codec, http))
        except LLMError as error:
            self._send_error(codec, error)

    def _refusal(self) -> int | None:
        """Return the status to refuse a request with, by its head alone, or None.

        A page in a browser must not reach the model: a foreign name that leads to this machine is another
        Host, and a form is another content type. No answer carries a CORS header.
        """
        if not _is_loopback(self.headers.get("host", "")):
            return 403
        if "transfer-encoding" in self.headers and "content-length" in self.headers:
            return 400  # which of the two holds is where smuggled requests hide
        if self.headers.get_content_type() != "application/json":
            return 415
        size = self._body_bytes()
        if size is None:
            return 411
        return 413 if size > BODY_BYTES_LIMIT else None

    def _body_bytes(self) -> int | None:
        """Return the announced size of the body; None for none, as of chunked bodies, which no SDK sends."""
        announced = self.headers.get("content-length", "")
        return int(announced) if re.fullmatch(r"[0-9]{1,18}", announced) else None

    def _decoded(self, codec: Codec, http: HttpRequest) -> ChatRequest:
        try:
            request = codec.decode_request(http)
            if not request.messages:
                raise ValueError("it has no messages")
            return request
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LLMError(
                f"not a {codec.provider} request: {type(error).__name__}: {error}",
                code=ErrorCode.INVALID_REQUEST,
            ) from error

    def _answer(self, codec: Codec, request: ChatRequest) -> None:
        # The model behind has its own name; the one the client asked for is the one it hears of.
        asked = replace(request, model=self._model.name)
        if request.is_stream:
            self._stream(codec, asked, request.model)
        else:
            reply = replace(self._model.answer(asked), model=request.model)
            self._send(200, "application/json", codec.encode_response(reply))

    def _stream(self, codec: Codec, request: ChatRequest, name: str) -> None:
        with self._model.answer_stream(request) as stream:
            first = list(islice(stream, 1))  # an error before it still gets its own status
            chunks = (structs.replace(chunk, model=name) for chunk in chain(first, stream))
            self.send_response(200)
            self.send_header("content-type", codec.stream_media_type)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self._send_rest(codec.encode_stream(chunks, model=name))

    def _send_rest(self, blocks: Iterator[bytes]) -> None:
        try:
            for block in blocks:
                self._send_chunk(block)
        except LLMError:
            self.close_connection = True  # cut the stream: the client must not take it for whole
            return
        self.wfile.write(b"0\r\n\r\n")

    def _send_chunk(self, block: bytes) -> None:
        if block:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
            self.wfile.flush()

    def _send(self, status: int, media_type: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _send_error(self, codec: Codec, error: LLMError) -> None:
        status = status_of_code(error.code)
        headers = {"x_amzn_errortype": codec.error_type(error)} if isinstance(codec, BedrockCodec) else {}
        self._send(status, "application/json", codec.encode_error(error), **headers)
