"""Providers in a bottle: each one's answers as bytes with due times, and both faces of a model to read them.

The bytes are those of the codecs' own encoders, which tests/providers hold against real recordings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from tapeline.client import AsyncReplyStream, ProviderModel, chat_model
from tapeline.clock import Clock, VirtualClock
from tapeline.latency.pacing import DueBlock, IncomingRequest, ScheduledResponse
from tapeline.providers.anthropic import AnthropicCodec
from tapeline.providers.assembly import chunks_of
from tapeline.providers.bedrock import BedrockCodec
from tapeline.providers.codec import Codec
from tapeline.providers.mock import MockCodec
from tapeline.providers.ollama import OllamaCodec
from tapeline.providers.openai import OpenAICodec
from tapeline.providers.openai_responses import OpenAIResponsesCodec
from tapeline.testing.watched import WatchedTransport
from tapeline.types import Chunk, Reply, Usage, assistant

HEAD_S = 0.25
GAP_S = 0.125


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One provider: its model, its codec and what its answers can tell."""

    name: str
    codec: Codec
    base_url: str
    has_model: bool = True
    has_id: bool = True

    @property
    def model(self) -> str:
        return self.name.partition(":")[2]

    def reply(self, text: str = "Paris, of course.") -> Reply:
        """The answer as its decoder gives it back."""
        return Reply(
            message=assistant(text),
            finish_reason="stop",
            usage=Usage(input_tokens=12, output_tokens=5),
            model=self.model if self.has_model else None,
            id="answer-1" if self.has_id else None,
        )

    def blocks(self, chunks: Sequence[Chunk]) -> list[bytes]:
        return list(self.codec.encode_stream(chunks, model=self.model))


WIRES = {
    "mock": Wire(name="mock:echo-1", codec=MockCodec(), base_url="http://mock.test/v1"),
    "openai": Wire(name="openai:gpt-5.4-mini", codec=OpenAICodec(), base_url="http://openai.test/v1"),
    "openai-responses": Wire(
        name="openai-responses:gpt-5.4-mini", codec=OpenAIResponsesCodec(), base_url="http://openai.test/v1"
    ),
    "anthropic": Wire(
        name="anthropic:claude-haiku-5-5", codec=AnthropicCodec(), base_url="http://anthropic.test"
    ),
    "bedrock": Wire(
        name="bedrock:us.anthropic.claude-haiku-5-5-v1:0",
        codec=BedrockCodec(),
        base_url="https://bedrock-runtime.us-east-1.amazonaws.com",
        has_model=False,
        has_id=False,
    ),
    "ollama": Wire(
        name="ollama:qwen3:0.6b", codec=OllamaCodec(), base_url="http://ollama.test:11434", has_id=False
    ),
}


def words(reply: Reply) -> list[Chunk]:
    """The answer as a stream of words."""
    *pieces, end = [Chunk(text=f"{word} ") for word in reply.text.split()] + chunks_of(reply)[-1:]
    pieces[-1].text = pieces[-1].text.rstrip()
    return [Chunk(id=end.id, model=end.model, text=piece.text) for piece in pieces] + [end]


def plain(
    body: bytes, *, status: int = 200, due_s: float = 0.0, headers: dict[str, str] | None = None
) -> ScheduledResponse:
    """A response in one block."""
    return streamed([body], status=status, head_s=due_s, gap_s=0.0, headers=headers)


def streamed(
    blocks: Sequence[bytes],
    *,
    status: int = 200,
    head_s: float = 0.0,
    gap_s: float = 0.0,
    headers: dict[str, str] | None = None,
    error: Exception | None = None,
) -> ScheduledResponse:
    """A response whose blocks are `gap_s` apart, the first with the head. error: how it breaks off."""
    due = [DueBlock(head_s + number * gap_s, block) for number, block in enumerate(blocks)]
    all_headers = {"content-type": "text/plain"} | (headers or {})
    return ScheduledResponse(
        status=status,
        reason="",
        headers=tuple(all_headers.items()),
        head_due_s=head_s,
        blocks=due if error is None else _Breaking(due, error),
    )


class _Breaking(list[DueBlock]):
    def __init__(self, blocks: Sequence[DueBlock], error: Exception) -> None:
        super().__init__(blocks)
        self._error = error

    def __iter__(self) -> Iterator[DueBlock]:
        yield from super().__iter__()
        raise self._error


class Server(WatchedTransport):
    """Gives its answers in turn, the last one for ever. Keeps what it was asked; counts open responses."""

    def __init__(self, clock: Clock, *answers: ScheduledResponse | Exception) -> None:
        super().__init__(self._answer, clock)
        self.clock = clock
        self.requests: list[IncomingRequest] = []
        self.asked_at_s: list[float] = []
        self._answers = answers

    def _answer(self, request: IncomingRequest) -> ScheduledResponse:
        answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
        self.requests.append(request)
        self.asked_at_s.append(self.clock.now_ns() / 1e9)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Face:
    """The blocking face of a model."""

    http_client: type = httpx2.Client

    def model(self, server: Server, wire: Wire = WIRES["mock"], **settings: Any) -> ProviderModel:
        given = {"base_url": wire.base_url, "api_key": "k"} | settings
        http_client = self.http_client(transport=server)
        return chat_model(wire.name, http_client=http_client, clock=server.clock, **given)

    def ask(self, verb: str, model: ProviderModel, clock: VirtualClock, *given: Any, **options: Any) -> Any:
        """Call a method of the model that both faces have, such as "batch"."""
        return getattr(model, verb)(*given, **options)

    def generate(self, model: ProviderModel, clock: VirtualClock, *prompt: Any, **options: Any) -> Reply:
        reply: Reply = self.ask("generate", model, clock, *prompt, **options)
        return reply

    def stream(
        self, model: ProviderModel, clock: VirtualClock, *prompt: Any, **options: Any
    ) -> tuple[list[Chunk], Reply]:
        chunks: list[Chunk] = []
        return chunks, self.read_into(chunks, model, clock, *prompt, **options)

    def read_into(
        self, chunks: list[Chunk], model: ProviderModel, clock: VirtualClock, *prompt: Any, **options: Any
    ) -> Reply:
        """Stream into a list that is there also when the stream breaks."""
        stream = model.stream(*prompt, **options)
        chunks.extend(stream)
        return stream.reply


class AsyncioFace(Face):
    """The asyncio face, on the virtual event loop."""

    http_client = httpx2.AsyncClient

    def ask(self, verb: str, model: ProviderModel, clock: VirtualClock, *given: Any, **options: Any) -> Any:
        return clock.run(getattr(model, f"a{verb}")(*given, **options))

    def read_into(
        self, chunks: list[Chunk], model: ProviderModel, clock: VirtualClock, *prompt: Any, **options: Any
    ) -> Reply:
        async def read(stream: AsyncReplyStream) -> Reply:
            async for chunk in stream:
                chunks.append(chunk)
            return stream.reply

        return clock.run(read(model.astream(*prompt, **options)))


FACES = {"blocking": Face(), "asyncio": AsyncioFace()}
