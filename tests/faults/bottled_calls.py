"""Calls to providers in a bottle: each told in one `Ended`, and checked to have left no response open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import astuple, dataclass, field
from typing import Any, TypeVar, get_args

import pytest
from wires import FACES, WIRES, Face, Server, Wire, streamed, words

from tapeline.clock import VirtualClock
from tapeline.errors import ErrorCode, LLMError
from tapeline.latency.pacing import ScheduledResponse
from tapeline.policies.retry import RetryPolicy
from tapeline.types import Chunk, FinishReason, Json, Reply

QUESTION = "What is the capital of France?"
MB = 1024 * 1024
GZIP = {"content-encoding": "gzip"}
SSE, NDJSON, FRAMES = "text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream"

every_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
every_format = pytest.mark.parametrize(  # mock speaks that of openai
    "wire", [pytest.param(wire, id=name) for name, wire in WIRES.items() if name != "mock"]
)
both_faces = pytest.mark.parametrize("face", FACES.values(), ids=FACES.keys())

FINISH_REASONS = {None, *get_args(FinishReason)}

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Ended:
    """How a call ended. chunks: what a stream had yielded by then. attempts: requests the server saw."""

    chunks: list[Chunk] = field(default_factory=list)
    reply: Reply | None = None
    error: LLMError | None = None
    attempts: int = 0

    @property
    def text(self) -> str:
        return text_of(self.chunks)

    @property
    def partial_text(self) -> str:
        return self.error.partial.text if self.error and self.error.partial else ""

    @property
    def is_typed(self) -> bool:
        """Whether the reply, if there is one, holds what its types promise."""
        reply = self.reply
        return reply is None or (
            isinstance(reply.text, str)
            and reply.finish_reason in FINISH_REASONS
            and all(isinstance(tokens, int | None) for tokens in astuple(reply.usage))
        )

    @property
    def code(self) -> ErrorCode | None:
        return self.error and self.error.code

    @property
    def retryable(self) -> bool | None:
        return self.error and self.error.retryable


class Bottle:
    """A model of a provider, and what takes the place of its server: other answers for each call."""

    def __init__(self, face: Face, wire: Wire) -> None:
        self._face = face
        self._server = _Refillable(VirtualClock())
        # Without a budget for retries: the calls are many, and each stands for itself.
        self._model = face.model(self._server, wire, retry=RetryPolicy(budget=None))

    def generate(self, *answers: ScheduledResponse) -> Ended:
        """Make a plain call; the server gives these answers in turn."""
        return self._ended(answers, lambda _: self._face.generate(self._model, self._server.clock, QUESTION))

    def read(self, *answers: ScheduledResponse) -> Ended:
        """Make a streamed call."""
        return self._ended(
            answers, lambda chunks: self._face.read_into(chunks, self._model, self._server.clock, QUESTION)
        )

    def _ended(self, answers: Sequence[ScheduledResponse], call: Callable[[list[Chunk]], Reply]) -> Ended:
        self._server.refill(answers)
        ended = Ended()
        try:
            ended.reply = call(ended.chunks)
        except LLMError as error:
            ended.error = error
        ended.attempts = len(self._server.requests)
        assert self._server.open_responses == 0
        return ended


class _Refillable(Server):
    def refill(self, answers: Sequence[ScheduledResponse]) -> None:
        self._answers = tuple(answers)
        self.requests.clear()


# Bytes ------------------------------------------------------------------------------------------------


def body_of(wire: Wire) -> bytes:
    """A good plain answer."""
    return wire.codec.encode_response(wire.reply())


def events_of(wire: Wire, *text: str) -> list[bytes]:
    """The same answer, or one of another text, streamed, an event each."""
    return wire.blocks(words(wire.reply(*text)))


def in_bytes(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def packed(*blocks: bytes) -> ScheduledResponse:
    """An answer that says it is compressed."""
    return streamed(blocks, headers=GZIP)


def with_others(
    value: Json, others: Sequence[Json], put: Callable[[Json], Json] = lambda value: value
) -> Iterator[Json]:
    """All documents that differ from `value` in one place, where something else stands."""
    yield from (put(other) for other in others)
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:

        def put_below(other: Json, key: Any = key) -> Json:
            changed = copy(value)
            changed[key] = other
            return put(changed)

        yield from with_others(below, others, put_below)


def text_of(chunks: Iterable[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def text_in(wire: Wire, body: bytes) -> str:
    """The text in the first bytes of a stream."""
    return text_of(wire.codec.stream_decoder().feed(body))


def for_framing(table: Mapping[str, Mapping[str, T]]) -> list[Any]:
    """Return each wire with each case of its framing, as parameters."""
    return [
        pytest.param(wire, case, id=f"{name}-{title}")
        for name, wire in WIRES.items()
        for title, case in table[wire.codec.stream_media_type].items()
    ]
