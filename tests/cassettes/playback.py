"""The recordings of real servers, sent over a socket once more: the same blocks, the same times, no wait.

The times are those of a virtual clock. The server moves it on to the next block only when whoever records
on it has noted the last one, so that a recording made of it holds every time and every block as they were.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Semaphore

from local_server import PATIENCE_S, Answer, Asked, echo

from tapeline.cassettes.interaction import RecordedResponse
from tapeline.cassettes.storage.fileformat import load
from tapeline.clock import VirtualClock, ns
from tapeline.latency.pacing import RecordedTimes
from tapeline.providers.codec import Codec
from tapeline.providers.eventstream import EventStreamDecoder, encode_event
from tapeline.providers.paths import codec_for

CASSETTES = Path(__file__).parents[2] / "cassettes"
SCENARIOS = {"plain": "capital", "stream": "tape-measure"}
CALLS = 2
"""How many recordings of a scenario are played: two are enough to mix them up."""


@cache
def recordings(wire: str, mode: str) -> tuple[RecordedResponse, ...]:
    """Return what a real server answered in a wire format, to calls of one mode: plain or stream."""
    if wire == "anthropic-bedrock":
        return tuple(_invoked(response, mode) for response in recordings("anthropic", mode))
    file = load(CASSETTES / SCENARIOS[mode] / f"{wire}.yaml")
    return tuple(interaction.response for interaction in file[:CALLS])


class SteppedClock(VirtualClock):
    """A virtual clock that is moved on only once it was read."""

    def __init__(self) -> None:
        super().__init__()
        self._readings = Semaphore(0)

    def now_ns(self) -> int:
        now_ns = super().now_ns()
        self._readings.release()
        return now_ns

    def wait_for_reading(self) -> None:
        """Wait until somebody has read the clock since this was last waited for."""
        assert self._readings.acquire(timeout=PATIENCE_S), "nobody noted what was sent"

    def move_by(self, duration_s: float) -> None:
        """Move on, once the time until now was noted."""
        self.wait_for_reading()
        self.advance_ns(ns(duration_s))


class Playback:
    """Answers each request with the next recording. Whoever asks must record on the same clock."""

    def __init__(self, responses: Sequence[RecordedResponse], clock: SteppedClock) -> None:
        self._responses = iter(responses)
        self._clock = clock

    def __call__(self, _: Asked) -> Answer:
        response = next(self._responses)
        assert response.times is not None
        self._clock.move_by(response.times.head_s)
        return Answer(
            blocks=self._timed(response.blocks(), response.times),
            status=response.status,
            media_type=dict(response.headers)["content-type"],
        )

    def _timed(self, blocks: Sequence[bytes], times: RecordedTimes) -> Iterator[bytes]:
        before_s = 0.0
        for block, (_, at_s) in zip(blocks, times.blocks, strict=True):
            self._clock.move_by(at_s - before_s)
            yield block
            before_s = at_s
        self._clock.wait_for_reading()


# Anthropic's models on Bedrock --------------------------------------------------------------------------


def _invoked(response: RecordedResponse, mode: str) -> RecordedResponse:
    """Return an answer of Anthropic as Bedrock wraps it: each event of a stream in a frame of its own."""
    if mode == "plain":
        return response
    assert response.times is not None
    blocks = [framed(block) for block in response.blocks()]
    ends_s = [at_s for _, at_s in response.times.blocks]
    sizes = tuple((len(block), at_s) for block, at_s in zip(blocks, ends_s, strict=True))
    return replace(
        response,
        headers=(("content-type", "application/vnd.amazon.eventstream"),),
        body=b"".join(blocks),
        times=replace(response.times, blocks=sizes),
    )


def framed(events: bytes) -> bytes:
    """Return whole events as the frames they come in."""
    lines = (line.removeprefix(b"data: ") for line in events.splitlines() if line.startswith(b"data: "))
    payloads = (json.dumps({"bytes": base64.b64encode(line).decode()}).encode() for line in lines)
    return b"".join(encode_event("chunk", payload) for payload in payloads)


def unframed(block: bytes) -> bytes:
    """Return the events in whole frames."""
    payloads = (json.loads(frame.payload) for frame in EventStreamDecoder().feed(block))
    events = (json.loads(base64.b64decode(payload["bytes"])) for payload in payloads)
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events
    )


def echo_everywhere(asked: Asked) -> Answer:
    """Echo, also to those who invoke Anthropic's models on Bedrock."""
    action = asked.path.rpartition("/")[2]
    if not action.startswith("invoke"):
        return echo(asked)
    is_stream = action == "invoke-with-response-stream"
    body = json.dumps(json.loads(asked.body) | {"model": "m", "stream": is_stream}).encode()
    answer = echo(replace(asked, path="/v1/messages", body=body))
    if not is_stream:
        return answer
    media_type = "application/vnd.amazon.eventstream"
    return Answer(blocks=[framed(block) for block in answer.blocks], media_type=media_type)


# What the blocks say ------------------------------------------------------------------------------------

PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "anthropic-bedrock": "/v1/messages",
    "bedrock": "/converse",
    "ollama": "/api/chat",
}


@cache
def codec_of(wire: str) -> Codec:
    """Return our codec of a wire format."""
    codec = codec_for(PATHS[wire])
    assert codec is not None
    return codec


def decoding(wire: str, mode: str) -> Callable[[bytes], str]:
    """Return what reads the blocks of one answer, one after the other."""
    codec = codec_of(wire)
    if mode == "plain":
        return lambda body: codec.decode_response(body).text
    decoder = codec.stream_decoder()
    unwrapped = unframed if wire == "anthropic-bedrock" else bytes
    return lambda block: "".join(chunk.text for chunk in decoder.feed(unwrapped(block)))
