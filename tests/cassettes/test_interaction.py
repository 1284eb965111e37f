"""Times of a recording as one short string."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import response, timed

from tapeline.cassettes.interaction import decode_times, encode_times
from tapeline.latency.pacing import RecordedTimes

pure = settings(max_examples=100)
tenths_of_ms = st.integers(0, 10**7).map(lambda tenths: tenths / 10 / 1000)


def test_times_are_one_string_of_sizes_and_milliseconds() -> None:
    times = RecordedTimes(head_s=0.0537, blocks=((176, 0.012), (176, 0.05), (3, 1.0)))

    assert encode_times(times) == {"v": 1, "head_ms": 53.7, "chunks": "176+12 176+50 3+1000"}


@pure
@given(tenths_of_ms, st.lists(st.tuples(st.integers(1, 10**6), tenths_of_ms), max_size=20))
def test_times_are_kept_to_a_tenth_of_a_millisecond(head_s: float, blocks: list[tuple[int, float]]) -> None:
    times = RecordedTimes(head_s=head_s, blocks=tuple(blocks))

    decoded = decode_times(encode_times(times), sum(size for size, _ in blocks))

    assert decoded is not None
    assert decoded.head_s == pytest.approx(head_s)
    assert [size for size, _ in decoded.blocks] == [size for size, _ in blocks]
    assert [at_s for _, at_s in decoded.blocks] == pytest.approx([at_s for _, at_s in blocks])


@pytest.mark.parametrize("chunks", ["3+1", "3+1 4+2", "", "-2+1 7+2", "0+1 5+2"])
def test_times_that_do_not_fit_the_body_are_ignored(chunks: str) -> None:
    """Somebody edited the body by hand."""
    assert decode_times({"v": 1, "head_ms": 0, "chunks": chunks}, 5) is None


@pytest.mark.parametrize(
    "value",
    [
        {"v": 2, "head_ms": 0, "chunks": "5+1"},
        {"v": 1, "chunks": "5+1"},
        {"v": 1, "head_ms": 0},
        {"v": 1, "head_ms": 0, "chunks": "5"},
        {"v": 1, "head_ms": 0, "chunks": "5+1+1"},
        {"v": 1, "head_ms": 0, "chunks": "five+1"},
        {"v": 1, "head_ms": 0, "chunks": "5+soon"},
        {"v": 1, "head_ms": 0, "chunks": "5+nan"},
        {"v": 1, "head_ms": 0, "chunks": "5+-1"},
        {"v": 1, "head_ms": "inf", "chunks": "5+1"},
        {"v": 1, "head_ms": -1, "chunks": "5+1"},
        {"v": 1, "head_ms": [], "chunks": "5+1"},
        "5+1",
    ],
    ids=str,
)
def test_what_is_no_timing_is_refused(value: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode_times(value, 5)


def test_a_body_comes_in_the_blocks_it_was_recorded_in() -> None:
    assert timed((b"one", 0.1), (b"two", 0.2)).blocks() == [b"one", b"two"]


def test_without_times_a_body_is_one_block() -> None:
    assert response(b"one", b"two").blocks() == [b"onetwo"]
