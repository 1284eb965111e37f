"""What a codec is: one provider's wire format as pure functions of bytes, in both directions.

Towards the provider: `encode_request`, `decode_response`, `stream_decoder`, `decode_error`.
Towards a client (the server and the simulator): `decode_request`, `encode_response`, `encode_stream`,
`encode_error`. `decode(encode(x)) == x` for all that a format can say. Nothing here sends, waits or
reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from tapeline.capabilities import Capabilities
from tapeline.errors import LLMError
from tapeline.types import ChatRequest, Chunk, HttpRequest, Reply


class StreamDecoder(Protocol):
    """Turns blocks of one streamed body into chunks; the same chunks however the body was cut."""

    def feed(self, block: bytes) -> list[Chunk]:
        """Return the chunks this block completes. Raises LLMError for what cannot be decoded.

        An error that follows chunks in the same block is raised by the next call, feed or finish.
        """
        ...

    def finish(self) -> list[Chunk]:
        """The body has ended. Raises LLMError (stream_closed, empty_response) if the answer had not."""
        ...


class Codec(Protocol):
    """One provider's wire format."""

    provider: str

    def capabilities(self, model: str) -> Capabilities:
        """Return what is known of a model; for an unknown one, what the wire format can say."""
        ...

    def encode_request(self, request: ChatRequest) -> HttpRequest: ...

    def decode_response(self, body: bytes) -> Reply: ...

    def stream_decoder(self) -> StreamDecoder: ...

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError: ...

    def decode_request(self, request: HttpRequest) -> ChatRequest: ...

    def encode_response(self, reply: Reply) -> bytes: ...

    def encode_stream(self, chunks: Iterable[Chunk], *, model: str) -> Iterator[bytes]: ...

    def encode_error(self, error: LLMError) -> bytes: ...

    @property
    def stream_media_type(self) -> str:
        """The content type of a streamed answer."""
        ...
