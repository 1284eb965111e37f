"""What a codec is: one provider's wire format as pure functions of bytes, in both directions.

Towards the provider: `encode_request`, `decode_response`, `stream_decoder`, `decode_error`.
Towards a client (the server and the simulator): `decode_request`, `encode_response`, `encode_stream`.
`decode(encode(x)) == x` for all that a format can say. Nothing here sends, waits or reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from tapeline.errors import ErrorCode, LLMError
from tapeline.types import ChatRequest, Chunk, HttpRequest, Json, Reply, ToolCall

E = TypeVar("E")
W = TypeVar("W")


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


# What all codecs share --------------------------------------------------------------------------


class Delivery:
    """Lets the chunks before an error go first: the error is raised by the next call.

    Without it a block that holds "Hello" and then an error would lose the "Hello", and what a caller
    gets would depend on how the network happened to cut the body.
    """

    def __init__(self) -> None:
        self._error: LLMError | None = None

    def collect(self, decode: Callable[[E], Chunk | None], events: Iterable[E]) -> list[Chunk]:
        """Return the chunks of `events`, up to the first that cannot be decoded."""
        self.raise_held()
        chunks: list[Chunk] = []
        try:
            for event in events:
                if (chunk := decode(event)) is not None:
                    chunks.append(chunk)
        except LLMError as error:
            if not chunks:
                raise
            self._error = error
        return chunks

    def raise_held(self) -> None:
        if self._error is not None:
            raise self._error


def decode_tail(decode: Callable[[E], Chunk | None], events: Iterable[E]) -> list[Chunk]:
    """Decode what the end of the body left unfinished: if it is cut, the stream closed too early."""
    try:
        return [chunk for event in events if (chunk := decode(event)) is not None]
    except LLMError as error:
        if error.code is not ErrorCode.MALFORMED_RESPONSE:
            raise
        raise closed("inside an event") from error


def parse(body: bytes, decoder: msgspec.json.Decoder[W]) -> W:
    """Decode JSON into a wire struct, or raise LLMError with code malformed_response or empty_response."""
    if not body.strip():
        raise empty("an empty body")
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"{error}: {preview(body)}") from error


def malformed(what: str) -> LLMError:
    return LLMError(f"cannot decode the provider's answer: {what}", code=ErrorCode.MALFORMED_RESPONSE)


def empty(what: str) -> LLMError:
    return LLMError(f"the provider answered without content: {what}", code=ErrorCode.EMPTY_RESPONSE)


def no_events(foreign: bytes) -> LLMError:
    """The error of a streamed body without one event. foreign: what stood there instead, such as HTML."""
    return malformed(f"no events but {preview(foreign)}") if foreign else empty("no events")


def closed(what: str) -> LLMError:
    return LLMError(f"the stream ended before the answer did: {what}", code=ErrorCode.STREAM_CLOSED)


def preview(body: bytes, limit: int = 80) -> str:
    """Return the start of a body for a message."""
    return ascii(body[:limit].decode("utf-8", "replace")) + ("..." if len(body) > limit else "")


def dumps(value: Json) -> bytes:
    return msgspec.json.encode(value)


_ANY = msgspec.json.Decoder()
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def raw_object(call: ToolCall) -> msgspec.Raw:
    """Return a call's arguments for the formats that want an object: the model's own text, once checked."""
    text = call.raw_arguments.encode() or b"{}"
    try:
        _OBJECT.decode(text)
    except msgspec.DecodeError as error:
        raise LLMError(
            f"the arguments of {call.name} are not a JSON object, and this provider takes nothing else: "
            f"{preview(text)}. Leave that call out of the messages, or mend it.",
            code=ErrorCode.TOOL_CALL_ERROR,
        ) from error
    return msgspec.Raw(text)


def text_of_object(raw: msgspec.Raw) -> str:
    """Return the arguments a format sends as an object, as the model wrote them; "{}" if there are none."""
    try:
        text = bytes(raw).decode()  # msgspec has not looked inside the strings of a Raw
    except UnicodeDecodeError as error:
        raise malformed(f"{error}: {preview(bytes(raw))}") from error
    return "{}" if text == "null" else text


def error_object(body: bytes) -> dict[str, Json]:
    """Return the error an error body holds, in whatever shape gateways put it; {} if there is none."""
    try:
        value = _ANY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"message": preview(body)} if body else {}
    error = (value.get("error") or value) if isinstance(value, dict) else value
    return error if isinstance(error, dict) else {"message": str(error)}


def without_none(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that were set: an absent field and a null one are not the same to an API."""
    return {name: value for name, value in fields.items() if value is not None}


CODE_OF_STATUS: Mapping[int, ErrorCode] = {
    401: ErrorCode.AUTHENTICATION_ERROR,
    402: ErrorCode.QUOTA_EXCEEDED,
    403: ErrorCode.AUTHORIZATION_ERROR,
    404: ErrorCode.NOT_FOUND,
    408: ErrorCode.TIMEOUT,
    413: ErrorCode.REQUEST_TOO_LARGE,
    429: ErrorCode.RATE_LIMIT,
    503: ErrorCode.OVERLOADED,
    504: ErrorCode.TIMEOUT,
    529: ErrorCode.OVERLOADED,
}


def code_of_status(status: int) -> ErrorCode:
    """Return the code of an HTTP status, where the body does not say it better."""
    if status in CODE_OF_STATUS:
        return CODE_OF_STATUS[status]
    if status < 400:
        return ErrorCode.INVALID_RESPONSE
    return ErrorCode.INVALID_REQUEST if status < 500 else ErrorCode.INTERNAL_ERROR


def http_error(
    status: int,
    headers: Mapping[str, str],
    *,
    message: str,
    code: ErrorCode | None,
    provider_code: str | None = None,
) -> LLMError:
    """Build the error of a response with status >= 400. `headers` has lower-case names."""
    return LLMError(
        message or f"HTTP {status}",
        code=code or code_of_status(status),
        status=status,
        provider_code=provider_code,
        request_id=headers.get("x-request-id")
        or headers.get("request-id")
        or headers.get("x-amzn-requestid"),
        retry_after_s=retry_after_s(headers),
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read `retry-after-ms` or `retry-after` (seconds). None if absent, negative or not a number."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            value = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        if 0 <= value < float("inf"):
            return value
    return None
