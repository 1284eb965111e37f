"""What is done to a response: which bytes still come, in which blocks, and when."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tapeline.latency.distortion import (
    cut_after_bytes,
    cut_after_events,
    dripped,
    duplicated,
    garbled,
    rechunked,
    split,
)
from tapeline.latency.pacing import DueBlock, ScheduledResponse, TransportFailure
from tapeline.providers.eventstream import EventStreamDecoder, encode_event

SSE, FRAMES = "text/event-stream", "application/vnd.amazon.eventstream"

Blocks = list[tuple[float, bytes]]

ONE, TWO, THREE = b"data: {1}\n\n", "data: {é}\n\n".encode(), b"data: [DONE]\n\n"
STREAM: Blocks = [(0.5, ONE), (1.0, TWO + THREE[:4]), (2.0, THREE[4:])]


def response(
    blocks: Blocks, content_type: str = SSE, failure: TransportFailure | None = None
) -> ScheduledResponse:
    return ScheduledResponse(
        status=200,
        reason="OK",
        headers=(("Content-Type", content_type),),
        head_due_s=0.25,
        blocks=[DueBlock(*block) for block in blocks],
        failure=failure,
    )


def cut(at_s: float, kind: str = "reset") -> TransportFailure:
    return TransportFailure(kind=kind, at_s=at_s, has_head=True)  # type: ignore[arg-type]


Distortion = Callable[[ScheduledResponse], ScheduledResponse]

CHANGES: dict[str, tuple[Distortion, Blocks, TransportFailure | None]] = {
    "cut before the body": (lambda r: cut_after_bytes(r, 0, "reset"), [], cut(0.25)),
    "cut within a block": (
        lambda r: cut_after_bytes(r, 13, "disconnect"),
        [(0.5, ONE), (1.0, b"da")],
        cut(1.0, "disconnect"),
    ),
    "cut between blocks": (lambda r: cut_after_bytes(r, 11, "reset"), [(0.5, ONE)], cut(0.5)),
    "cut after all bytes": (lambda r: cut_after_bytes(r, 999, "reset"), STREAM, cut(2.0)),
    "cut after silence": (
        lambda r: cut_after_bytes(r, 11, "read_timeout", silence_s=30.0),
        [(0.5, ONE)],
        cut(30.5, "read_timeout"),
    ),
    "cut before the events": (lambda r: cut_after_events(r, 0, "reset"), [], cut(0.25)),
    "cut after an event": (lambda r: cut_after_events(r, 2, "reset"), [(0.5, ONE), (1.0, TWO)], cut(1.0)),
    "cut after all events": (lambda r: cut_after_events(r, 9, "reset"), STREAM, cut(2.0)),
    "cut after an event and silence": (
        lambda r: cut_after_events(r, 1, "reset", silence_s=1.5),
        [(0.5, ONE)],
        cut(2.0),
    ),
    "merged": (lambda r: rechunked(r, 0), [(2.0, ONE + TWO + THREE)], None),
    "rechunked": (
        lambda r: rechunked(r, 12),
        [(1.0, ONE + b"d"), (1.0, TWO[1:] + b"d"), (2.0, THREE[1:13]), (2.0, THREE[13:])],
        None,
    ),
    "rechunked in more than there is": (lambda r: rechunked(r, 99), [(2.0, ONE + TWO + THREE)], None),
    "split": (
        lambda r: split(r, 1),
        [(0.5, ONE[:5]), (0.5, ONE[5:]), *STREAM[1:]],
        None,
    ),
    "split inside a character": (
        lambda r: split(r, 2),
        [(0.5, ONE), (1.0, b"data: {\xc3"), (1.0, b"\xa9}\n\n" + THREE[:4]), (2.0, THREE[4:])],
        None,
    ),
    "split the last": (
        lambda r: split(r, 9),
        [*STREAM[:2], (2.0, THREE[4:7]), (2.0, THREE[7:])],
        None,
    ),
    "duplicated": (lambda r: duplicated(r, 1), [(0.5, ONE), (0.5, ONE), *STREAM[1:]], None),
    "duplicated within a block": (
        lambda r: duplicated(r, 2),
        [(0.5, ONE), (1.0, TWO), (1.0, TWO), (1.0, THREE[:4]), (2.0, THREE[4:])],
        None,
    ),
    "duplicated the last": (lambda r: duplicated(r, 9), [*STREAM, (2.0, THREE)], None),
    "garbled": (lambda r: garbled(r, 1), [(0.5, b"data: {1 \n\n"), *STREAM[1:]], None),
    "garbled the last that has JSON": (
        lambda r: garbled(r, 9),
        [(0.5, ONE), (1.0, "data: {é \n\n".encode() + THREE[:4]), (2.0, THREE[4:])],
        None,
    ),
}


@pytest.mark.parametrize(("change", "blocks", "failure"), CHANGES.values(), ids=CHANGES.keys())
def test_a_stream_that_is_changed(
    change: Distortion, blocks: Blocks, failure: TransportFailure | None
) -> None:
    """Its bytes are due when they were; status, headers and head are what they were."""
    assert change(response(STREAM)) == response(blocks, failure=failure)


def test_a_drip_is_never_early() -> None:
    """Blocks are some time apart, and none comes before its bytes did."""
    changed = dripped(response([(0.5, b"abcde"), (9.0, b"fg")]), 2, 1.0)

    assert changed == response([(0.5, b"ab"), (1.5, b"cd"), (9.0, b"ef"), (10.0, b"g")])


NOTHING: dict[str, Distortion] = {
    "rechunked": lambda r: rechunked(r, 1),
    "merged": lambda r: rechunked(r, 0),
    "dripped": lambda r: dripped(r, 1, 1.0),
    "split": lambda r: split(r, 1),
    "duplicated": lambda r: duplicated(r, 1),
    "garbled": lambda r: garbled(r, 1),
}


@pytest.mark.parametrize("change", NOTHING.values(), ids=NOTHING.keys())
def test_a_response_without_a_body_cannot_be_bent(change: Distortion) -> None:
    assert change(response([])) == response([])


@pytest.mark.parametrize("change", [cut_after_bytes, cut_after_events])
def test_a_connection_that_failed_before_the_head_cannot_fail_later(
    change: Callable[..., ScheduledResponse],
) -> None:
    refused = response([], failure=TransportFailure(kind="refused"))

    assert change(refused, 3, "reset") == refused


def test_an_earlier_cut_is_in_place_of_a_later_one() -> None:
    broken = response(STREAM, failure=cut(7.0, "disconnect"))

    assert cut_after_events(broken, 1, "reset") == response([(0.5, ONE)], failure=cut(0.5))


def test_a_plain_body_is_one_event() -> None:
    """Its JSON no longer closes, and it is as long as it was."""
    body = b'{"a": {"b": 1}}\n'

    changed = garbled(response([(0.5, body)], "application/json"), 1)

    assert changed == response([(0.5, b'{"a": {"b": 1} \n')], "application/json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(changed.blocks[0].data)


def test_a_plain_body_is_not_duplicated() -> None:
    """That would be no answer."""
    plain = response([(0.5, b"{}")], "application/json")

    assert duplicated(plain, 1) == plain


def test_a_body_without_json_is_not_garbled() -> None:
    assert garbled(response([(0.5, b"ok")], "text/plain"), 1) == response([(0.5, b"ok")], "text/plain")


def test_a_garbled_frame_is_a_good_frame() -> None:
    """With the checksum of what it holds."""
    first, second = encode_event("delta", b'{"a":1}'), encode_event("delta", b'{"b":{}}')

    changed = garbled(response([(0.5, first + second)], FRAMES), 2)

    frames = EventStreamDecoder().feed(changed.blocks[0].data)
    assert [frame.payload for frame in frames] == [b'{"a":1}', b'{"b":{} ']


@pytest.mark.parametrize("event", [1, 2])
def test_a_split_frame_is_whole_again(event: int) -> None:
    frame = encode_event("delta", '{"a":"né"}'.encode())

    changed = split(response([(0.5, frame), (1.0, frame)], FRAMES), event)

    assert len(changed.blocks) == 3
    assert b"".join(block.data for block in changed.blocks) == frame * 2
