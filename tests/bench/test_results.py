"""Records become cells, cells a file; the same records always give the same bytes."""

from __future__ import annotations

import json
import random
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bench_runs import call, failed_call, run_of, small_run
from hypothesis import given
from hypothesis import strategies as st

from tapeline.bench import results as results_module
from tapeline.bench.results import (
    SAMPLES_LIMIT,
    STREAM_POINTS_LIMIT,
    Cell,
    Distribution,
    Results,
    Stream,
    summarise,
)
from tapeline.errors import ConfigError, ErrorCode
from tapeline.types import Usage


def test_summarise_gives_every_figure_of_a_cell() -> None:
    """Three good calls (one of them an expected error) and one bad, all figures worked out by hand."""
    records = [
        call(0, started_s=0.5),
        call(
            1, total_s=2.0, ttft_s=0.5, chunk_at_s=(0.5, 2.0), usage=Usage(input_tokens=10, output_tokens=4)
        ),
        call(
            2,
            total_s=0.5,
            ttft_s=None,
            chunk_at_s=(),
            usage=Usage(input_tokens=7, cached_input_tokens=3),
            cost_usd=None,
            finish_reason=None,
            error_code=ErrorCode.CONTENT_FILTERED,
        ),
        failed_call(3, started_s=4.0, total_s=0.5, http_calls=3, request_bytes=300),
    ]

    cells = summarise(records)

    assert cells == [
        Cell(
            scenario="capital",
            model="openai:gpt",
            pace="recorded",
            requests=4,
            errors=1,
            error_codes={"rate_limit": 1},
            expected_error_codes={"content_filtered": 1},
            finish_reasons={"stop": 2},
            ttft_s=Distribution(count=2, mean=0.35, min=0.2, p50=0.2, p95=0.5, p99=0.5, max=0.5),
            itl_s=Distribution(count=5, mean=0.46, min=0.2, p50=0.2, p95=1.5, p99=1.5, max=1.5),
            tpot_s=Distribution(count=2, mean=0.35, min=0.2, p50=0.2, p95=0.5, p99=0.5, max=0.5),
            total_s=Distribution(count=3, mean=1.166666667, min=0.5, p50=1.0, p95=2.0, p99=2.0, max=2.0),
            output_tokens_per_s=Distribution(count=2, mean=3.5, min=2.0, p50=2.0, p95=5.0, p99=5.0, max=5.0),
            makespan_s=4.0,
            requests_per_s=0.75,
            tokens_per_s=2.25,
            input_tokens=27,
            output_tokens=9,
            cached_input_tokens=3,
            cost_usd=Decimal("0.002"),
            cost_note=None,
            http_calls=6,
            request_bytes=600,
            ttft_samples_s=(0.2, 0.5),
            total_samples_s=(0.5, 1.0, 2.0),
            stream=Stream(chunks=5, total_s=1.0, chunk_at_s=(0.2, 0.4, 0.6, 0.8, 1.0)),
        )
    ]


def test_cells_come_in_order_of_first_appearance() -> None:
    records = [call(0, model="b"), call(0, model="a"), call(1, model="b"), call(0, model="b", pace="hosted")]

    cells = summarise(records)

    assert [(cell.model, cell.pace, cell.requests) for cell in cells] == [
        ("b", "recorded", 2),
        ("a", "recorded", 1),
        ("b", "hosted", 1),
    ]


COSTS: dict[str, tuple[list[Any], Decimal | None, str | None]] = {
    "all known": ([call(0), call(1)], Decimal("0.002"), None),
    "none known": ([call(0, cost_usd=None)], None, "no price known"),
    "some known": (
        [call(0), call(1, cost_usd=None)],
        Decimal("0.001"),
        "no price known for 1 of 2 requests",
    ),
    "a failed call is not billed": ([call(0), failed_call(1)], Decimal("0.001"), None),
    "all failed": ([failed_call(0)], None, None),
}


@pytest.mark.parametrize(("records", "cost_usd", "note"), COSTS.values(), ids=COSTS.keys())
def test_cost_says_when_it_is_not_all(records: list[Any], cost_usd: Decimal | None, note: str | None) -> None:
    (cell,) = summarise(records)

    assert (cell.cost_usd, cell.cost_note) == (cost_usd, note)


def test_a_cell_without_good_calls_has_no_latency_and_names_its_errors() -> None:
    (cell,) = summarise([failed_call(0), failed_call(1, error_code=None), failed_call(2)])

    assert cell.error_codes == {"rate_limit": 2, "unclassified": 1}
    assert (cell.ttft_s, cell.itl_s, cell.total_s, cell.stream) == (None, None, None, None)
    assert (cell.requests_per_s, cell.tokens_per_s, cell.output_tokens) == (0.0, None, None)


def test_samples_and_streams_are_thinned_evenly() -> None:
    """A million calls and chunks must not make a file of a million lines."""
    chunk_at_s = tuple(float(chunk) for chunk in range(1_000))
    records = [call(index, total_s=1_000.0 + index, chunk_at_s=chunk_at_s) for index in range(1_000)]

    (cell,) = summarise(records)

    assert cell.stream is not None
    assert (len(cell.total_samples_s), len(cell.stream.chunk_at_s)) == (SAMPLES_LIMIT, STREAM_POINTS_LIMIT)
    assert (cell.total_samples_s[0], cell.total_samples_s[-1]) == (1_000.0, 1_999.0)
    assert (cell.stream.chunks, cell.stream.chunk_at_s[-1]) == (1_000, 999.0)


def test_the_typical_stream_is_that_of_the_median_call() -> None:
    records = [
        call(index, total_s=total_s, chunk_at_s=(total_s,)) for index, total_s in enumerate((3.0, 1.0, 2.0))
    ]

    (cell,) = summarise(records)

    assert cell.stream == Stream(chunks=1, total_s=2.0, chunk_at_s=(2.0,))


@given(st.randoms(use_true_random=False))
def test_the_order_of_calls_within_a_cell_does_not_matter(shuffler: random.Random) -> None:
    """On a real clock calls end in any order."""
    records = [
        call(index, total_s=1 + 0.1 * (index % 3), ttft_s=0.01 * index, chunk_at_s=(0.01 * index, 1.0))
        for index in range(8)
    ]
    shuffled = records.copy()
    shuffler.shuffle(shuffled)

    assert run_of(*shuffled).to_json() == run_of(*records).to_json()


# The file -------------------------------------------------------------------------------------


def test_a_file_reads_back_as_what_was_written(tmp_path: Path) -> None:
    results = small_run()
    path = tmp_path / "results.json"
    path.write_text(results.to_json())

    loaded = Results.load(path)

    assert loaded == results
    assert loaded.to_json() == results.to_json()


def test_the_file_is_sorted_ascii_and_ends_in_a_newline() -> None:
    text = run_of(call(cost_usd=Decimal("1E-7"), model="模型\x1b")).to_json()

    value = json.loads(text)
    assert text == json.dumps(value, indent=2, sort_keys=True) + "\n"
    assert text.isascii()
    assert value["cells"][0]["cost_usd"] == "0.0000001"


def test_the_file_holds_nanoseconds_not_rounding_errors() -> None:
    text = run_of(call(total_s=0.1 + 0.2)).to_json()

    assert "0.30000000000000004" not in text
    assert '"p50": 0.3,' in text


def changed(**changes: Any) -> bytes:
    return json.dumps(json.loads(small_run().to_json()) | changes).encode()


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a tapeline results file"),
    "not JSON": (b"\x89PNG", "not a tapeline results file"),
    "not an object": (b"[]", "not a tapeline results file"),
    "deep nesting": (b"[" * 100_000, "not a tapeline results file"),
    "something else": (b'{"name": "x"}', "schema_version"),
    "a later version": (changed(schema_version=2), "schema version 2; this tapeline reads version 1"),
    "an unknown field": (changed(colour="red"), "colour"),
    "a hostile field": (changed(**{"\x1b[2J": 1}), r"\x1b[2J"),
    "a missing field": (b'{"schema_version": 1}', "tapeline_version"),
    "a wrong clock": (changed(clock="sundial"), "clock"),
    "not a number": (
        small_run().to_json().replace('"makespan_s": ', '"makespan_s": NaN, "x": ').encode(),
        "makespan_s",
    ),
    "endless": (
        re.sub('"makespan_s": [^,]+', '"makespan_s": 1e999', small_run().to_json()).encode(),
        "makespan_s",
    ),
    "before its start": (
        re.sub('"makespan_s": [^,]+', '"makespan_s": -1', small_run().to_json()).encode(),
        "makespan_s",
    ),
    "a price to fill the memory": (
        re.sub('"cost_usd": "[^"]+"', '"cost_usd": "1E+99999999"', small_run().to_json()).encode(),
        "cost_usd",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_refused_by_name(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        Results.load(path)

    assert caught.value.code is ErrorCode.INVALID_CONFIG
    assert str(path) in caught.value.message
    assert message in caught.value.message
    assert caught.value.message.isprintable()


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json: cannot read the results file: No such file"):
        Results.load(tmp_path / "none.json")


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_module, "FILE_BYTES_LIMIT", 100)
    path = tmp_path / "results.json"
    path.write_text(small_run().to_json())

    with pytest.raises(ConfigError, match="larger than 100 bytes"):
        Results.load(path)
