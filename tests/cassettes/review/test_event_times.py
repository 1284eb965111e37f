"""Times of events: an event has come when its last byte has."""

from __future__ import annotations

import gzip

import pytest
from recordings import response, timed

from tapeline.cassettes.interaction import RecordedResponse
from tapeline.cassettes.review.contents import content_of
from tapeline.cassettes.review.event_times import timed_events
from tapeline.providers.eventstream import encode_frame

SSE = [("content-type", "text/event-stream")]
LINES = [("content-type", "application/x-ndjson")]
FRAMES = [("content-type", "application/vnd.amazon.eventstream")]
PACKED = gzip.compress(b"\n\ndata: 1\n\n", compresslevel=0)  # which leaves it readable
FRAME = encode_frame({":message-type": "event", ":event-type": "some"}, b"{}")


def times_of(answer: RecordedResponse) -> list[float | None]:
    return [at_s for at_s, _ in timed_events(answer, content_of(answer))]


STREAMS = {
    "events": (timed((b"data: 1\n\n", 0.1), (b"data: 2\n\ndata: 3\n\n", 0.2), headers=SSE), [0.1, 0.2, 0.2]),
    "an event over two blocks": (timed((b"data: ", 0.1), (b"1\n\n", 0.2), headers=SSE), [0.2]),
    "lines": (timed((b"1\n2", 0.1), (b"\n", 0.3), headers=LINES), [0.1, 0.3]),
    "frames": (timed((FRAME[:9], 0.1), (FRAME[9:] + FRAME, 0.2), headers=FRAMES), [0.2, 0.2]),
    "an end without a line end": (timed((b"1\n2", 0.1), headers=LINES), [0.1, None]),
    "a break inside": (timed((FRAME, 0.1), (b"x" * 20, 0.2), headers=FRAMES), [0.1]),
    "no times": (response(b"data: 1\n\n", headers=SSE), [None]),
    "a plain body": (timed((b"{}", 0.1), headers=[("content-type", "application/json")]), [None]),
    "compressed": (
        timed(
            (gzip.compress(b"\n\ndata: 1\n\n", compresslevel=0), 0.1),
            headers=[*SSE, ("content-encoding", "gzip")],
        ),
        [None],
    ),
}


@pytest.mark.parametrize(("answer", "times_s"), STREAMS.values(), ids=STREAMS.keys())
def test_an_event_has_the_time_of_its_last_byte(
    answer: RecordedResponse, times_s: list[float | None]
) -> None:
    assert times_of(answer) == times_s
