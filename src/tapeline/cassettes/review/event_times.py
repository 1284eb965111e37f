"""When each event of a recorded stream was complete: an event may be cut over several blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tapeline.cassettes.interaction import RecordedResponse
from tapeline.cassettes.review.contents import Content, ContentKind, Event, plain_body
from tapeline.errors import LLMError
from tapeline.providers.eventstream import EventStreamDecoder
from tapeline.providers.ndjson import LineSplitter
from tapeline.providers.sse import SSEDecoder


class TimedEvent(NamedTuple):
    """An event, and the seconds from the head until all of it had come; None where that is not known."""

    at_s: float | None
    event: Event


class _Decoder(Protocol):
    def feed(self, block: bytes, /) -> Sequence[object]: ...


_DECODERS: dict[ContentKind, type[_Decoder]] = {
    "sse": SSEDecoder,
    "ndjson": LineSplitter,
    "eventstream": EventStreamDecoder,
}


def timed_events(response: RecordedResponse, content: Content) -> list[TimedEvent]:
    """Return the events of a response with their times. content: what the response holds."""
    known = _times(response, content.kind)
    unknown = [None] * (len(content.events) - len(known))
    return [TimedEvent(at_s, event) for at_s, event in zip([*known, *unknown], content.events, strict=False)]


def _times(response: RecordedResponse, kind: ContentKind) -> list[float]:
    """Return the time of each event, as far as they can be told: not in a body that came compressed."""
    times: list[float] = []
    if response.times is None or kind not in _DECODERS or plain_body(response) != response.body:
        return times
    decoder = _DECODERS[kind]()
    try:
        for block, (_, at_s) in zip(response.blocks(), response.times.blocks, strict=True):
            times += [at_s] * len(decoder.feed(block))
    except LLMError:
        pass  # no stream from here on: what came before has its time
    return times
