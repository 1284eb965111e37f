"""The tables: buckets as the conventions advise them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from exported import Exported

from tapeline.telemetry import batch_started, call_span, tool_span
from tapeline.telemetry.conventions import LATEST, V1_41, Edition
from tapeline.types import ChatRequest, Reply, Timing, Usage, assistant

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
)  # fmt: skip
REQUEST = ChatRequest(model="m", messages=(), is_stream=True)
REPLY = Reply(
    message=assistant("Paris."),
    finish_reason="stop",
    usage=Usage(input_tokens=12, output_tokens=5),
    timing=Timing(total_s=0.75, ttft_s=0.25),
)


@pytest.mark.parametrize("wish", ["", "gen_ai_latest_experimental"], ids=["v1.41", "latest"])
def test_buckets_span_what_calls_take(wish: str, exporting: Callable[..., Exported]) -> None:
    """10 ms to 82 s, and one token to 67 million, in every histogram of calls."""
    exported = exporting({"OTEL_SEMCONV_STABILITY_OPT_IN": wish, "TAPELINE_TELEMETRY_CHUNKS": "1"})

    with call_span(REQUEST, provider="openai", base_url="") as record:
        record.waited(0.5)
        record.chunk(0.25)
        record.chunk(0.5)
        record.finished(REPLY)
    with tool_span(name="get_weather", call_id="c1"):
        pass
    batch_started(3)

    bounds = {
        name: points[0].explicit_bounds
        for name, points in exported.points.items()
        if hasattr(points[0], "explicit_bounds")
    }
    assert bounds.pop("tapeline.batch.size") == (
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        128,
        256,
        512,
        1024,
        2048,
        4096,
        8192,
    )
    for name, found in bounds.items():
        assert found == pytest.approx(TOKENS if "token" in name else SECONDS), name
    assert len(bounds) == (6 if wish == "" else 7)


@pytest.mark.parametrize("edition", [V1_41, LATEST], ids=["v1.41", "latest"])
def test_every_count_of_usage_is_one(edition: Edition) -> None:
    """A wrong name would only show as telemetry that fails."""
    assert all(hasattr(Usage(), metric.count) for metric in edition.token_metrics)
