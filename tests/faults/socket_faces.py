"""Both faces of a model over a real socket and in real time, each call told in one `Outcome`.

The faces in tests/wires.py do the same in memory and in virtual time: prefer those.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any

import tapeline
from tapeline.errors import LLMError
from tapeline.types import Chunk, Reply

QUESTION = "Say hello."


@dataclass(slots=True)
class Outcome:
    """How one call ended. chunks: what a stream had yielded by then."""

    chunks: list[Chunk] = field(default_factory=list)
    reply: Reply | None = None
    error: LLMError | None = None
    elapsed_s: float = 0.0

    @property
    def streamed_text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def partial_text(self) -> str:
        return self.error.partial.text if self.error and self.error.partial else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is to be called. leaves_early: at the first chunk that holds text."""

    name: str
    is_stream: bool = False
    leaves_early: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


def blocking(call: Call) -> Outcome:
    """Call with the blocking face."""
    return _timed(call, _blocking)


def on_asyncio(call: Call) -> Outcome:
    """Call with the asyncio face, on an event loop of its own."""
    return _timed(call, lambda *given: asyncio.run(_asyncio(*given)))


FACES = {"blocking": blocking, "asyncio": on_asyncio}


def _timed(call: Call, answer: Callable[[Call, list[Chunk]], Reply]) -> Outcome:
    outcome = Outcome()
    start_s = time.perf_counter()
    try:
        outcome.reply = answer(call, outcome.chunks)
    except LLMError as error:
        outcome.error = error
    outcome.elapsed_s = time.perf_counter() - start_s
    return outcome


def _blocking(call: Call, seen: list[Chunk]) -> Reply:
    with closing(tapeline.chat_model(call.name, **call.settings)) as model:
        if not call.is_stream:
            return model.generate(QUESTION)
        with model.stream(QUESTION) as stream:
            for chunk in stream:
                seen.append(chunk)
                if call.leaves_early and chunk.text:
                    break
        return stream.reply


async def _asyncio(call: Call, seen: list[Chunk]) -> Reply:
    async with aclosing(tapeline.chat_model(call.name, **call.settings)) as model:
        if not call.is_stream:
            return await model.agenerate(QUESTION)
        async with model.astream(QUESTION) as stream:
            async for chunk in stream:
                seen.append(chunk)
                if call.leaves_early and chunk.text:
                    break
        return stream.reply
