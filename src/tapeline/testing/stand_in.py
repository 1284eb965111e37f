"""A server that speaks a provider's own format, through the server side of its codec, on virtual time.

It stands in where a real one cannot be asked to fail, to be slow, or to be watched. It is an httpx2
transport: what a model sends over it goes the model's whole way, headers and all, but for the socket.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import httpx2

from tapeline.client import ProviderModel
from tapeline.clock import NS_PER_S, VirtualClock
from tapeline.errors import LLMError
from tapeline.latency.pacing import DueBlock, IncomingRequest, ScheduledResponse
from tapeline.providers.assembly import chunks_of
from tapeline.providers.codec import Codec
from tapeline.providers.errors import status_of_code
from tapeline.testing.watched import WatchedTransport
from tapeline.types import ChatRequest, Chunk, HttpRequest, Reply, Text, Usage, assistant

T = TypeVar("T")

HEAD_S = 0.25
GAP_S = 0.125
"""How long an answer is in coming, and then each of its words."""

USAGE = Usage(input_tokens=12, output_tokens=5)

Answer: TypeAlias = str | Reply | ScheduledResponse | Exception
"""What is answered: text, a whole reply, an LLMError as this provider says it, a response as it is, or any
other exception, which is raised in place of a response, as a broken connection would be."""

Line: TypeAlias = Answer | Callable[[ChatRequest], Answer]

Build: TypeAlias = Callable[..., ProviderModel]
"""(http_client=, clock=, other settings) -> a model."""


class StandIn(WatchedTransport):
    """Gives its answers in turn, the last one for ever, and keeps what it was asked."""

    def __init__(self, build: Build, codec: Codec, *answers: Line) -> None:
        self.clock = VirtualClock()
        super().__init__(self._respond, self.clock)
        self.codec = codec
        self.incoming: list[IncomingRequest] = []
        self._build = build
        self._answers = answers

    # The models that talk to it -----------------------------------------------------------------------

    def model(self, **settings: Any) -> ProviderModel:
        """Return a model whose blocking face talks to this server."""
        return self._build(http_client=httpx2.Client(transport=self), clock=self.clock, **settings)

    def async_model(self, **settings: Any) -> ProviderModel:
        """Return a model whose asyncio face does."""
        return self._build(http_client=httpx2.AsyncClient(transport=self), clock=self.clock, **settings)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the clock of this server."""
        return self.clock.run(main)

    @property
    def now_s(self) -> float:
        return self.clock.now_ns() / NS_PER_S

    @property
    def asked(self) -> list[ChatRequest]:
        """The requests, as decoded, in the order in which they came."""
        return [decoded(self.codec, incoming) for incoming in self.incoming]

    # As a handler -------------------------------------------------------------------------------------

    def _respond(self, incoming: IncomingRequest) -> ScheduledResponse:
        line = self._answers[min(len(self.incoming), len(self._answers) - 1)]
        self.incoming.append(incoming)
        request = decoded(self.codec, incoming)
        answer = line if isinstance(line, (str, Reply, ScheduledResponse, Exception)) else line(request)
        return self._response(request, answer)

    def _response(self, request: ChatRequest, answer: Answer) -> ScheduledResponse:
        if isinstance(answer, LLMError):
            return failure(self.codec, answer)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, ScheduledResponse) else response_to(self.codec, request, answer)


# Bytes in the provider's format -------------------------------------------------------------------------


def decoded(codec: Codec, incoming: IncomingRequest) -> ChatRequest:
    """Return what a request on the wire asks."""
    return codec.decode_request(
        HttpRequest(method=incoming.method, path=incoming.url, headers=incoming.headers, body=incoming.body)
    )


def response_to(codec: Codec, request: ChatRequest, answer: str | Reply) -> ScheduledResponse:
    """Return the response that says this, plain or streamed as it was asked for."""
    reply = reply_of(answer, model=request.model)
    if not request.is_stream:
        return plain(codec.encode_response(reply), head_s=HEAD_S)
    return streamed(codec, stream_blocks(codec, reply), head_s=HEAD_S, gap_s=GAP_S)


def reply_of(answer: str | Reply, *, model: str) -> Reply:
    if isinstance(answer, Reply):
        return answer
    return Reply(message=assistant(answer), finish_reason="stop", usage=USAGE, model=model, id="answer-1")


def stream_blocks(codec: Codec, reply: Reply) -> list[bytes]:
    """Return a reply as the events of a stream, its text word by word."""
    return list(codec.encode_stream(_word_by_word(reply), model=reply.model or ""))


def _word_by_word(reply: Reply) -> Iterator[Chunk]:
    *content, end = chunks_of(reply)
    texts = [part.text for part in reply.message.content if isinstance(part, Text)]
    for chunk in content:
        if chunk.text and chunk.text in texts:
            for word in chunk.text.replace(" ", " \0").split("\0"):
                yield Chunk(text=word, id=reply.id, model=reply.model)
        else:
            yield chunk
    yield end


def plain(
    body: bytes,
    *,
    status: int = 200,
    head_s: float = 0.0,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> ScheduledResponse:
    """Return a response in one block."""
    return ScheduledResponse(
        status=status,
        reason="",
        headers=(("content-type", media_type), *(headers or {}).items()),
        head_due_s=head_s,
        blocks=(DueBlock(head_s, body),),
    )


def streamed(
    codec: Codec, blocks: Sequence[bytes], *, head_s: float = 0.0, gap_s: float = 0.0
) -> ScheduledResponse:
    """Return a response whose blocks are `gap_s` apart, the first one with the head."""
    return ScheduledResponse(
        status=200,
        reason="",
        headers=(("content-type", codec.stream_media_type),),
        head_due_s=head_s,
        blocks=tuple(DueBlock(head_s + number * gap_s, block) for number, block in enumerate(blocks)),
    )


def failure(
    codec: Codec, error: LLMError, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> ScheduledResponse:
    """Return the response with which this provider says an LLMError. status: another than is usual."""
    body = codec.encode_error(error)
    return plain(body, status=status or status_of_code(error.code), headers=headers)
