"""The tracer and the instruments, made at the first call and kept.

They come from the OpenTelemetry API, which hands everything on to an SDK once there is one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from threading import Lock
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from tapeline.telemetry.conventions import (
    BATCH_BUCKETS,
    SECONDS_BUCKETS,
    TOKEN_BUCKETS,
    TokenMetric,
)
from tapeline.telemetry.opt_in import OptIns, opt_ins_of
from tapeline.types import Usage

SCOPE = "tapeline"
NO_USAGE = Usage(input_tokens=0, output_tokens=0)

Attributes = Mapping[str, Any]


class Signals:
    """Everything that is measured, under the names of one edition of the conventions."""

    def __init__(self, opt_ins: OptIns) -> None:
        meter = metrics.get_meter(SCOPE)
        edition = opt_ins.edition
        self.opt_ins = opt_ins
        self.tracer = trace.get_tracer(SCOPE)
        self.duration = _seconds(meter, edition.duration, "How long calls took, all tries in.")
        self.time_to_first_chunk = _seconds(
            meter, edition.time_to_first_chunk, "From the start of a streamed call to its first content."
        )
        self.time_per_output_chunk = _seconds(
            meter, edition.time_per_output_chunk, "From one chunk of a stream to the next."
        )
        self.tokens = TokenMeters(meter, edition.token_metrics)
        self.tool_duration = _seconds(meter, "gen_ai.execute_tool.duration", "How long tools ran.")
        self.tool_calls = meter.create_counter("tapeline.tool_calls", "{call}", "Tools that were run.")
        self.active_requests = ActiveCalls()
        self.active_streams = ActiveCalls()
        meter.create_observable_up_down_counter(
            "tapeline.requests.active",
            [self.active_requests.observe],
            "{request}",
            "Calls under way, streamed ones too.",
        )
        meter.create_observable_up_down_counter(
            "tapeline.streams.active", [self.active_streams.observe], "{stream}", "Streamed calls under way."
        )
        self.retries = meter.create_counter("tapeline.retries", "{retry}", "Tries after the first.")
        self.errors = meter.create_counter("tapeline.errors", "{error}", "Calls that failed, by code.")
        self.waits = _seconds(meter, "tapeline.ratelimit.wait", "What calls waited in the rate limiter.")
        self.batch_size = meter.create_histogram(
            "tapeline.batch.size",
            "{call}",
            "Calls in a batch.",
            explicit_bucket_boundaries_advisory=BATCH_BUCKETS,
        )
        self.breaker_state = meter.create_gauge(
            "tapeline.breaker.state", description="Circuit breakers: 0 closed, 1 half open, 2 open."
        )


class ActiveCalls:
    """Counts calls under way, and is asked only when metrics are collected.

    An up-down counter of the SDK costs as much as a histogram, four times per stream: half a call's budget.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, step: int, provider: str, model: str) -> None:
        """Count `step` more, or fewer."""
        with self._lock:
            self._counts[provider, model] += step

    def observe(self, _: CallbackOptions) -> list[Observation]:
        """Return what is counted now; models with no call left are told too, as zero."""
        with self._lock:
            return [
                Observation(count, {"gen_ai.provider.name": provider, "gen_ai.request.model": model})
                for (provider, model), count in self._counts.items()
            ]


class TokenMeters:
    """Measures token counts, each wherever the edition wants it."""

    def __init__(self, meter: Meter, token_metrics: Iterable[TokenMetric]) -> None:
        self._meters = [(metric, _token_recorder(meter, metric)) for metric in token_metrics]

    def record(self, usage: Usage, attributes: Attributes) -> None:
        """Measure an answer."""
        for metric, record in self._meters:
            tokens = getattr(usage, metric.count)
            if tokens is not None:
                record(tokens, {**attributes, **metric.attributes})

    def count(self, usage: Usage, attributes: Attributes) -> None:
        """Measure a call that failed: it counts for totals, but is no sample of how large calls are."""
        for metric, record in self._meters:
            tokens = getattr(usage, metric.count)
            if metric.is_counter and tokens is not None:
                record(tokens, {**attributes, **metric.attributes})


@cache
def signals() -> Signals:
    """Return this process's signals."""
    return Signals(opt_ins_of(os.environ))


def _seconds(meter: Meter, name: str, description: str) -> Histogram:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=SECONDS_BUCKETS)


def _token_recorder(meter: Meter, metric: TokenMetric) -> Callable[[int, Attributes], None]:
    if metric.is_counter:
        return meter.create_counter(metric.name, "{token}", "Tokens that were billed.").add
    return meter.create_histogram(
        metric.name, "{token}", "Tokens of a call.", explicit_bucket_boundaries_advisory=TOKEN_BUCKETS
    ).record
