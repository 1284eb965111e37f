"""The form of a file: what vcrpy reads, and beside it what only tapeline reads."""

from __future__ import annotations

from typing import Any

import pytest
from recordings import interaction, request, response, timed

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.storage.vcr_form import (
    bodies_aside,
    interaction_of,
    readable_item,
    request_dict,
    response_dict,
)
from tapeline.latency.pacing import TransportFailure
from tapeline.providers.eventstream import encode_event

EVENT_STREAM = [("content-type", "application/vnd.amazon.eventstream")]
JSON = {"content-type": "application/json; charset=utf-8"}
PICTURE = b"\xff" * 70_000


def written_response(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = readable_item(interaction(answer=answer))["response"]
    return found


def reread(before: Interaction) -> Interaction:
    item = readable_item(before)
    return interaction_of(item["request"], item["response"])


# Bodies -------------------------------------------------------------------------------------------------


def test_bodies_are_readable_and_come_back() -> None:
    """The response says how both were written: a request must have no keys of its own."""
    before = interaction(
        request(b'{"n":1}', headers=JSON), response(b'{"n": 1}\n', headers=list(JSON.items()))
    )

    item = readable_item(before)

    assert item["request"]["body"] == item["response"]["body"]["string"] == '{\n  "n": 1\n}'
    assert item["request"].keys() == {"method", "uri", "body", "headers"}
    assert item["response"]["style"] == {"request": "compact", "response": "spaced-line"}
    assert reread(before) == before


def test_the_plain_form_holds_bodies_as_they_were() -> None:
    before = interaction(request(b'{"n":1}', headers=JSON))

    assert request_dict(before)["body"] == b'{"n":1}'
    assert response_dict(before)["body"] == {"string": b"yes"}
    assert interaction_of(request_dict(before), response_dict(before)) == before
    assert "style" not in response_dict(before)


def test_blocks_are_those_of_the_bytes_that_came() -> None:
    headers = [("Content-Type", "text/event-stream")]
    before = interaction(answer=timed((b"data: 1\r\n\r\n", 0.1), (b"data: 2\r\n\r\n", 0.2), headers=headers))

    assert written_response(before.response)["timing"]["chunks"] == "11+100 11+200"
    assert written_response(before.response)["body"]["string"] == "data: 1\n\ndata: 2\n\n"
    assert reread(before) == before


def test_a_body_with_a_stated_length_keeps_it() -> None:
    """Other readers would hand out more bytes than the header says."""
    answer = response(b'{"n":1}', headers=[*JSON.items(), ("Content-Length", "7")])

    assert written_response(answer)["body"] == {"string": '{"n":1}'}


def test_frames_stand_beside_the_bytes() -> None:
    """The bytes are what is replayed."""
    body = encode_event("messageStart", b'{"role":"assistant"}')
    before = interaction(answer=response(body, headers=EVENT_STREAM))

    assert written_response(before.response)["body"] == {
        "string": body,
        "frames": 'messageStart {"role":"assistant"}\n',
    }
    assert reread(before) == before


def test_large_binary_bodies_stand_aside() -> None:
    before = interaction(request(PICTURE), response(PICTURE, headers=[("content-type", "image/png")]))

    item = readable_item(before)

    assert bodies_aside(before) == [PICTURE, PICTURE]
    assert item["request"]["body"] == item["response"]["body"]["string"]
    assert item["request"]["body"].startswith("(70000 bytes in the side file ")
    assert item["response"]["side"]["request"] == item["response"]["side"]["response"]
    with pytest.raises(ValueError, match="side files"):
        interaction_of(item["request"], item["response"])


STAYING = {
    "an event stream": EVENT_STREAM,
    "packed text": [("content-type", "application/json"), ("content-encoding", "gzip")],
}


@pytest.mark.parametrize("headers", STAYING.values(), ids=STAYING.keys())
def test_what_other_readers_have_to_replay_stays(headers: list[tuple[str, str]]) -> None:
    answer = response(PICTURE, headers=headers)

    assert bodies_aside(interaction(answer=answer)) == []
    assert written_response(answer)["body"] == {"string": PICTURE}


# Failures -----------------------------------------------------------------------------------------------


def test_a_failure_after_the_head_says_after_how_many_bytes() -> None:
    failure = TransportFailure(kind="reset", at_s=0.061, has_head=True)
    before = interaction(answer=timed((b"data: 1\n\n", 0.012), head_s=0.04, failure=failure))

    assert written_response(before.response)["error"] == {"kind": "reset", "after_bytes": 9, "at_ms": 61}
    assert reread(before) == before


def test_a_failure_before_the_head_gives_others_a_status_to_replay() -> None:
    failure = TransportFailure(kind="read_timeout", at_s=2.5)
    before = interaction(answer=response(status=0, reason="", failure=failure))

    written = written_response(before.response)

    assert written["status"] == {"code": 599, "message": "no response: read_timeout"}
    assert written["error"] == {"kind": "read_timeout", "at_ms": 2500}
    assert reread(before) == before


def by_hand(answer: Any, **error: Any) -> Any:
    before = interaction(answer=answer)
    return interaction_of(request_dict(before), response_dict(before) | {"error": error}).response


def test_a_failure_written_by_hand_cuts_the_body() -> None:
    whole = timed((b"one", 0.1), (b"two", 0.2), (b"three", 0.3), head_s=0.05)

    cut = by_hand(whole, kind="disconnect", after_bytes=5)

    failure = TransportFailure(kind="disconnect", at_s=pytest.approx(0.25), has_head=True)
    assert cut == timed((b"one", 0.1), (b"tw", 0.2), head_s=0.05, failure=failure)
    assert reread(interaction(answer=cut)).response == cut


def test_a_failure_written_by_hand_may_leave_nothing() -> None:
    refused = by_hand(response(b"yes"), kind="refused")
    reset = by_hand(timed((b"yes", 0.1), head_s=0.05), kind="reset", after_bytes=0)

    assert refused == response(status=0, reason="", failure=TransportFailure(kind="refused"))
    assert reset.body == b""
    assert reset.failure == TransportFailure(kind="reset", at_s=0.05, has_head=True)


# What is not of the form --------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown failure": ({"error": {"kind": "boredom"}}, "error kind 'boredom' is none of refused, reset"),
    "a failure without a kind": ({"error": {"after_bytes": 1}}, "kind"),
    "a failure after the end": (
        {"error": {"kind": "reset", "after_bytes": 4}},
        "is 4, and the body has 3 bytes",
    ),
    "a failure before the start": ({"error": {"kind": "reset", "after_bytes": -1}}, "is -1"),
    "a failure in no time": ({"error": {"kind": "reset", "at_ms": -1}}, "-1 ms is no time"),
    "a failure that is a text": ({"error": "reset"}, "str where dict is wanted"),
    "a style that is a text": ({"style": "compact"}, "str where dict is wanted"),
    "an unknown style": ({"style": {"response": "loose"}}, "unknown style 'loose'"),
    "a style the text is not of": ({"style": {"response": "compact"}}, "the body is no longer JSON"),
    "a side file that is a text": ({"side": "talk.bin"}, "str where dict is wanted"),
}


@pytest.mark.parametrize(("change", "problem"), WRONG.values(), ids=WRONG.keys())
def test_what_is_not_of_the_form_says_why(change: dict[str, Any], problem: str) -> None:
    before = interaction(answer=response(b"yes"))

    with pytest.raises((ValueError, TypeError, KeyError), match=problem):
        interaction_of(request_dict(before), response_dict(before) | change)
