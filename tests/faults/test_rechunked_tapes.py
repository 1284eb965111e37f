"""Every recorded answer, cut anew: what a model makes of it does not depend on the blocks it comes in.

Through tape, transport and client. External recordings are cut anew in tests/providers, by the codecs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from wires import FACES, WIRES, Face, Server, Wire

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.storage.fileformat import load
from tapeline.cassettes.tape import Tape
from tapeline.clock import VirtualClock
from tapeline.errors import LLMError
from tapeline.latency.distortion import rechunked
from tapeline.latency.pacing import DueBlock, IncomingRequest, ScheduledResponse
from tapeline.types import HttpRequest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CASSETTES = sorted([*ROOT.glob("cassettes/*/*.yaml"), *ROOT.glob("tests/testing/cassettes/*.yaml")])


def in_random_blocks(response: ScheduledResponse) -> ScheduledResponse:
    """Cut in one place of ten, the same ones each time."""
    body, random = b"".join(block.data for block in response.blocks), Random(7)
    ends = [end for end in range(1, len(body)) if random.random() < 0.1]
    return replace(
        response, blocks=[DueBlock(0.0, body[slice(*span)]) for span in pairwise([0, *ends, len(body)])]
    )


WAYS: dict[str, Callable[[ScheduledResponse], ScheduledResponse]] = {
    "byte by byte": lambda response: rechunked(response, 1),
    "by sevens": lambda response: rechunked(response, 7),
    "at random": in_random_blocks,
    "merged": lambda response: rechunked(response, 0),
}


class TapeServer(Server):
    """Answers each call with a recording, the way it is told."""

    def __init__(self) -> None:
        super().__init__(VirtualClock())
        self.way: Callable[[ScheduledResponse], ScheduledResponse] = lambda response: response

    def insert(self, interaction: Interaction) -> None:
        self._tape = Tape(source="", interactions=[interaction], is_looping=True)
        self._recorded = interaction.request

    def _answer(self, request: IncomingRequest) -> ScheduledResponse:
        return self.way(self._tape(self._recorded))


def once_each(interactions: list[Interaction]) -> Iterator[Interaction]:
    """Leave out what was recorded again for the same request."""
    yield from {(i.request.url, i.request.body): i for i in interactions}.values()


def is_stream(wire: Wire, request: IncomingRequest) -> bool:
    http = HttpRequest(method=request.method, path=request.url, headers=request.headers, body=request.body)
    return wire.codec.decode_request(http).is_stream


def made_of(face: Face, model: Any, clock: VirtualClock, *, is_stream: bool) -> Any:
    """The reply with its bytes, and the text of a stream; or the error, and what had come before it."""
    chunks: list[Any] = []
    try:
        if is_stream:
            reply = face.read_into(chunks, model, clock, "Hello")
        else:
            reply = face.generate(model, clock, "Hello")
    except LLMError as error:
        return error.code, error.message, error.partial and error.partial.message
    return reply, "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_answer_is_the_same_in_any_blocks(path: Path) -> None:
    """Reply, usage, bytes and all; errors too."""
    face, wire, server = FACES["blocking"], WIRES[path.stem], TapeServer()
    model = face.model(server, wire, max_retries=0)
    differing = []

    for number, interaction in enumerate(once_each(load(path))):
        server.insert(interaction)
        streams = is_stream(wire, interaction.request)
        server.way = lambda response: response
        recorded = made_of(face, model, server.clock, is_stream=streams)
        for name, server.way in WAYS.items():
            if made_of(face, model, server.clock, is_stream=streams) != recorded:
                differing.append((number, name))

    assert differing == []


def test_there_is_something_to_cut() -> None:
    """Streams of each framing are among the recordings."""
    types = {
        dict(interaction.response.headers).get("content-type", "").partition(";")[0]
        for path in CASSETTES
        for interaction in load(path)
    }

    assert types >= {"text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream"}
