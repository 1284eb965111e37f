"""What follows from one call's times and tokens."""

from __future__ import annotations

from typing import Any

import pytest
from bench_runs import call

from tapeline.bench.records import CallRecord
from tapeline.types import Usage

SPEEDS: dict[str, tuple[dict[str, Any], float | None, float | None]] = {
    "five tokens, four of them in 0.8 s": ({}, 0.2, 5.0),
    "one token: no time between tokens": ({"usage": Usage(output_tokens=1)}, None, 1.0),
    "tokens unknown": ({"usage": Usage()}, None, None),
    "not streamed": ({"ttft_s": None, "chunk_at_s": ()}, None, 5.0),
    "no time at all": ({"total_s": 0.0, "ttft_s": 0.0}, 0.0, None),
}


@pytest.mark.parametrize(("changes", "tpot_s", "tokens_per_s"), SPEEDS.values(), ids=SPEEDS.keys())
def test_speed_follows_from_tokens_and_time(
    changes: dict[str, Any], tpot_s: float | None, tokens_per_s: float | None
) -> None:
    record = call(**changes)

    assert (record.tpot_s, record.output_tokens_per_s) == (tpot_s, tokens_per_s)


@pytest.mark.parametrize(
    ("record", "gaps_s"),
    [
        (call(chunk_at_s=(0.25, 0.5, 1.0)), (0.25, 0.5)),
        (call(chunk_at_s=(0.25,)), ()),
        (call(chunk_at_s=()), ()),
    ],
)
def test_inter_token_latency_is_the_gap_between_chunks(record: CallRecord, gaps_s: tuple[float, ...]) -> None:
    assert record.itl_s == gaps_s
