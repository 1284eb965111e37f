"""What the body of a recorded response holds: its media type, its bytes without encoding, its events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from tapeline.cassettes.interaction import RecordedResponse
from tapeline.cassettes.unpacking import plain
from tapeline.errors import LLMError
from tapeline.latency import framing
from tapeline.providers.eventstream import EventStreamDecoder
from tapeline.providers.ndjson import LineSplitter
from tapeline.providers.sse import SSEDecoder
from tapeline.types import Json

ContentKind = Literal["json", "sse", "ndjson", "eventstream", "text"]

STREAMS: dict[str, ContentKind] = {
    framing.SSE: "sse",
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    framing.FRAMES: "eventstream",
}
"""Media type of a stream -> how it is framed."""


_MARK = re.compile(r"\[\w{1,32}\]")


class Event(NamedTuple):
    """A piece of a body: its type and what it says.

    type: by the name of the event or frame, or else by its JSON, or "[DONE]"; "" for bodies and lines.
    value: JSON, or a text where it is none.
    """

    type: str
    value: Json


class Content(NamedTuple):
    """A body as a value. events: of a stream; the one value of a JSON body; nothing for an empty one.

    is_whole: whether it was read to its end; a stream may break off inside an event.
    """

    kind: ContentKind
    events: tuple[Event, ...]
    is_whole: bool = True


def header(response: RecordedResponse, name: str) -> str:
    """Return the value of a header, or "" without one."""
    return next((value for known, value in response.headers if known.lower() == name), "")


def media_type(response: RecordedResponse) -> str:
    """Return the content type in lower case, without its parameters."""
    return framing.media_type(header(response, "content-type"))


def plain_body(response: RecordedResponse) -> bytes:
    """Return a body as it reads, its content encoding undone if that can be."""
    return plain(response.body, response.headers)


def content_of(response: RecordedResponse) -> Content:
    """Read a body as its media type says. One that is not what it says is text."""
    body = plain_body(response)
    kind = STREAMS.get(media_type(response))
    if kind is None:
        value = _json(body)
        return Content("text" if isinstance(value, str) else "json", (Event("", value),) if body else ())
    events: list[Event] = []
    try:
        events.extend(_EVENTS[kind](body))
    except LLMError:
        return Content(kind, tuple(events), is_whole=False)
    return Content(kind, tuple(events))


def _json(data: bytes) -> Json:
    """Return the JSON of some bytes, or their text. A JSON string on its own is read as text as well."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace")


def _sse_events(body: bytes) -> Iterator[Event]:
    decoder = SSEDecoder()
    for event in (*decoder.feed(body), *decoder.finish()):
        value = _json(event.data)
        yield Event(event.type or _type_within(value), value)


def _type_within(value: Json) -> str:
    """Return the type of an event that has no name: OpenAI's chunks say what `object` they are."""
    if isinstance(value, dict):
        named = value.get("type") or value.get("object")
        return named if isinstance(named, str) else ""
    return value if isinstance(value, str) and _MARK.fullmatch(value) else ""


def _lines(body: bytes) -> Iterator[Event]:
    splitter = LineSplitter()
    for line in (*splitter.feed(body), *splitter.finish()):
        yield Event("", _json(line))


def _frames(body: bytes) -> Iterator[Event]:
    decoder = EventStreamDecoder()
    for frame in decoder.feed(body):
        yield Event(frame.type, _json(frame.payload))
    decoder.finish()


_EVENTS = {"sse": _sse_events, "ndjson": _lines, "eventstream": _frames}
