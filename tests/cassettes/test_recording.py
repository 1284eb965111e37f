"""What is written down of a live call: its times, its source, and how it ended."""

from __future__ import annotations

from contextlib import suppress

import pytest
from recordings import chat, request, timed

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.recording import Failures, Recording
from tapeline.clock import VirtualClock
from tapeline.latency.pacing import TransportFailure

FAILURES: Failures = {ConnectionRefusedError: "refused", ConnectionResetError: "reset"}


def begun(clock: VirtualClock | None = None) -> Recording:
    return Recording(request(chat("a")), clock or VirtualClock(), {})


def written(recording: Recording) -> RecordedResponse:
    interaction = recording.interaction()
    assert interaction is not None
    return interaction.response


def test_times_are_those_of_the_clock_it_is_given() -> None:
    clock = VirtualClock()
    recording = Recording(request(chat("a"), headers={"user-agent": "me"}), clock, {"upstream": "a test"})
    clock.sleep(0.25)
    recording.head(200, "OK", [("content-type", "text/plain")])
    clock.sleep(0.5)
    recording.block(b"one")
    clock.sleep(0.125)
    recording.block(b"")
    recording.block(b"two")
    recording.complete()

    response = written(recording)
    facts = dict(response.meta)
    assert facts.pop("recorded_at").endswith("+00:00")
    assert facts.pop("recorder").startswith("tapeline ")
    assert facts == {"sdk": "me", "upstream": "a test"}
    assert response == timed(
        (b"one", 0.5),
        (b"two", 0.625),
        head_s=0.25,
        headers=[("content-type", "text/plain")],
        meta=response.meta,
    )


def test_a_call_without_a_response_is_not_written() -> None:
    assert begun().interaction() is None


def test_a_call_that_was_not_read_to_its_end_is_marked() -> None:
    recording = begun()
    recording.head(200, "OK", [])
    recording.block(b"half")

    response = written(recording)
    assert response.is_cut
    assert response.body == b"half"


@pytest.mark.parametrize(
    ("blocks", "is_cut"),
    [
        ([b"data: {}\n\n", b"data: [DONE]\n\n"], False),
        ([b"data: {}\n\nda", b"ta: [DONE", b"]\n", b"\n"], False),
        ([b"data: {}\n\ndata: [DO"], True),
        ([b'data: {"content": "data: [DONE]', b'"'], True),
    ],
)
def test_a_stream_that_has_said_its_last_event_is_whole(blocks: list[bytes], is_cut: bool) -> None:
    """Also if the client closes it there, as OpenAI's blocking SDK does; and it is told of once."""
    whole: list[Interaction] = []
    recording = Recording(request(chat("a")), VirtualClock(), {}, whole.append)
    recording.head(200, "OK", [])

    for block in blocks:
        recording.block(block)

    assert written(recording).is_cut == is_cut
    assert len(whole) == (not is_cut)


def test_the_end_of_a_broken_body_is_not_its_end() -> None:
    """An iterator that broke stops when it is asked once more, as SDKs do to drain it."""
    recording = begun()
    recording.head(200, "OK", [])

    for end in (ConnectionError(), StopIteration()):
        with suppress(type(end)), recording.noting({}):
            raise end

    response = written(recording)
    assert response.is_cut


def test_a_failure_is_noted_with_its_time() -> None:
    """What the client's error means: before the head, or after what had come by then."""
    clock = VirtualClock()
    early, late = begun(clock), begun(clock)
    clock.sleep(0.5)
    late.head(200, "OK", [])
    late.block(b"half")
    clock.sleep(1)

    for recording, error in ((early, ConnectionRefusedError()), (late, ConnectionResetError())):
        with pytest.raises(ConnectionError), recording.noting(FAILURES):
            raise error

    assert [written(recording).failure for recording in (early, late)] == [
        TransportFailure(kind="refused", at_s=1.5),
        TransportFailure(kind="reset", at_s=1.5, has_head=True),
    ]
    assert not written(late).is_cut
    assert written(late).body == b"half"


def test_an_error_that_is_no_failure_of_the_connection_is_not_noted() -> None:
    """A call that was cancelled before its response came is not written."""
    recording = begun()

    with pytest.raises(KeyboardInterrupt), recording.noting(FAILURES):
        raise KeyboardInterrupt

    assert recording.interaction() is None
