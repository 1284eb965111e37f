"""Small benchmark runs to sum up, show and draw: made by hand, so that every figure can be checked by eye."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tapeline.bench.records import CallRecord
from tapeline.bench.results import Cell, Distribution, Results, Stream, summarise
from tapeline.errors import ErrorCode
from tapeline.types import Usage


def call(index: int = 0, **changes: Any) -> CallRecord:
    """One good call: first token after 0.2 s, five chunks and five tokens, done after 1 s."""
    facts: dict[str, Any] = {
        "scenario": "capital",
        "model": "openai:gpt",
        "pace": "recorded",
        "index": index,
        "started_s": float(index),
        "total_s": 1.0,
        "ttft_s": 0.2,
        "chunk_at_s": (0.2, 0.4, 0.6, 0.8, 1.0),
        "usage": Usage(input_tokens=10, output_tokens=5),
        "cost_usd": Decimal("0.001"),
        "finish_reason": "stop",
        "http_calls": 1,
        "request_bytes": 100,
    }
    return CallRecord(**(facts | changes))


def failed_call(index: int = 0, code: ErrorCode = ErrorCode.RATE_LIMIT, **changes: Any) -> CallRecord:
    """One call that failed against expectation, unbilled."""
    nothing: dict[str, Any] = {
        "ttft_s": None,
        "chunk_at_s": (),
        "usage": Usage(),
        "cost_usd": None,
        "finish_reason": None,
        "error_code": code,
        "is_error": True,
    }
    return call(index, **(nothing | changes))


def run_of(*records: CallRecord, **changes: Any) -> Results:
    facts: dict[str, Any] = {"tapeline_version": "0.1.0", "clock": "virtual", "seed": 7}
    return Results(**(facts | changes), cells=tuple(summarise(records)))


def small_run(
    *, models: tuple[str, str, str] = ("fast", "slow", "local"), scenario: str = "capital"
) -> Results:
    """Three models, two paces: `fast` wins all but cost, `slow` fails once, `local` has no price."""
    fast, slow, local = models
    records = []
    for pace, factor in (("recorded", 1.0), ("hosted", 10.0)):
        for index in range(4):
            spread = factor * (1 + index / 10)
            where: dict[str, Any] = {"scenario": scenario, "pace": pace}
            records += [
                _spread(call(index, **where, model=fast), spread),
                _spread(call(index, **where, model=slow, cost_usd=Decimal("0.0004")), 3 * spread),
                _spread(call(index, **where, model=local, cost_usd=None), 2 * spread),
            ]
        records.append(failed_call(4, **where, model=slow))
    return run_of(*records, load_shape="closed loop, 2 calls at a time", command="tapeline bench scenarios")


def _spread(record: CallRecord, factor: float) -> CallRecord:
    return replace(
        record,
        total_s=record.total_s * factor,
        ttft_s=record.ttft_s and record.ttft_s * factor,
        chunk_at_s=tuple(at_s * factor for at_s in record.chunk_at_s),
    )


_seconds = st.one_of(st.floats(0, 1e15), st.floats(0, 10))


@st.composite
def _distributions(draw: st.DrawFn) -> Distribution:
    """Any figures a file may hold, in any order: a hostile one is not sorted."""
    names = ("mean", "min", "p50", "p95", "p99", "max")
    return Distribution(count=draw(st.integers(1, 10**15)), **{name: draw(_seconds) for name in names})


@st.composite
def any_cells(draw: st.DrawFn) -> Cell:
    """A cell as a valid file may hold it, sensible or not."""
    samples = st.lists(_seconds, max_size=20).map(tuple)
    stream = st.builds(Stream, chunks=st.integers(0, 10**15), total_s=_seconds, chunk_at_s=samples)
    facts = {
        "model": draw(st.text(min_size=1, max_size=50)),
        "ttft_s": draw(st.none() | _distributions()),
        "total_s": draw(st.none() | _distributions()),
        "ttft_samples_s": draw(samples),
        "total_samples_s": draw(samples),
        "stream": draw(st.none() | stream),
    }
    return run_of(call()).cells[0].model_copy(update=facts)
