"""The results file: what a benchmark run measured, summed up per scenario, model and pace.

Written by tapeline, read by it and by people. It holds no date, no host name and no random id: on
the virtual clock the same run gives the same bytes on any machine. Durations are seconds rounded to
nanoseconds, rates are per second, money is USD as a decimal string.

Durations and rates describe the calls that ended as the scenario wants (an expected error did);
tokens, cost and traffic count every call, as the provider does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer

from tapeline.bench.quantities import counted
from tapeline.bench.records import CallRecord
from tapeline.bench.statistics import mean, percentile, spread_indices
from tapeline.bench.untrusted import visible
from tapeline.errors import ConfigError

T = TypeVar("T")

SCHEMA_VERSION: Final = 1
FILE_BYTES_LIMIT = 64 * 1024 * 1024
SAMPLES_LIMIT = 200  # enough for a curve 500 pixels wide
STREAM_POINTS_LIMIT = 400

# The bounds keep a damaged or hostile file from breaking the charts.
Quantity = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Money = Annotated[Decimal, Field(ge=0, max_digits=40)]
Name = Annotated[str, Field(min_length=1, max_length=500)]
Remark = Annotated[str, Field(max_length=4_000)]
Counts = dict[Name, Count]


class _Value(BaseModel):
    """A frozen value that knows all its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@final
class Distribution(_Value):
    """`count` samples in a few figures, all in the samples' unit. Percentiles are nearest-rank."""

    count: Annotated[int, Field(ge=1, le=10**15)]
    mean: Quantity
    min: Quantity
    p50: Quantity
    p95: Quantity
    p99: Quantity
    max: Quantity


class Stream(_Value):
    """How one typical streamed answer arrived: that of the call with the median E2E.

    chunks: content deltas in all. chunk_at_s: when they came, in seconds from the call's start; of a
    longer stream `STREAM_POINTS_LIMIT` of them, evenly spaced, the first and the last included.
    """

    chunks: Count
    total_s: Quantity
    chunk_at_s: tuple[Quantity, ...] = Field(max_length=STREAM_POINTS_LIMIT)


class Cell(_Value):
    """All calls of one scenario to one model at one pace.

    errors: calls that failed against expectation; error_codes says how, by `ErrorCode`, also
    "unclassified". total_s is E2E. makespan_s: from the first start to the last end, failures included.
    requests_per_s, tokens_per_s: good calls and their output tokens / makespan.
    input_tokens (cached ones included), output_tokens, cached_input_tokens: sums of what was reported.
    cost_usd: sum of the known costs; cost_note says when that is not all of it. priced_as: the model
    whose list price was taken, for models that have none.
    The samples are at most `SAMPLES_LIMIT` evenly spaced order statistics, for the charts.
    """

    scenario: Name
    model: Name
    pace: Name
    requests: Count
    errors: Count
    error_codes: Counts
    expected_error_codes: Counts
    finish_reasons: Counts
    ttft_s: Distribution | None
    itl_s: Distribution | None
    tpot_s: Distribution | None
    total_s: Distribution | None
    output_tokens_per_s: Distribution | None
    makespan_s: Quantity
    requests_per_s: Quantity | None
    tokens_per_s: Quantity | None
    input_tokens: Count | None
    output_tokens: Count | None
    cached_input_tokens: Count | None
    cost_usd: Money | None
    cost_note: Remark | None
    priced_as: Name | None = None
    http_calls: Count
    request_bytes: Count
    ttft_samples_s: tuple[Quantity, ...] = Field(max_length=SAMPLES_LIMIT)
    total_samples_s: tuple[Quantity, ...] = Field(max_length=SAMPLES_LIMIT)
    stream: Stream | None

    @field_serializer("cost_usd", when_used="json")
    def _without_exponent(self, cost_usd: Decimal | None) -> str | None:
        return None if cost_usd is None else f"{cost_usd:f}"


class Results(_Value):
    """One benchmark run.

    clock: "virtual" figures are exact, "real" ones carry the machine's noise.
    load_shape: in words ("closed loop, 4 at a time"). command: what was typed to get this
    file, without secrets. Both are for people, and None where nobody said.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    tapeline_version: Name
    clock: Literal["virtual", "real"]
    seed: Annotated[int, Field(ge=0, le=2**64)]
    load_shape: Remark | None = None
    command: Remark | None = None
    cells: tuple[Cell, ...]

    def to_json(self) -> str:
        """Return the file's text: sorted, indented, ASCII, with a newline at the end."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a results file. Raises ConfigError, naming the file, if it is not one of this version."""
        text = _read(Path(path))
        try:
            _check_version(path, _Header.model_validate_json(text).schema_version)
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ConfigError(f"{path}: not a tapeline results file: {_first_problem(error)}") from error


class _Header(BaseModel):
    schema_version: int


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_LIMIT + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the results file: {error.strerror}") from error
    if len(text) > FILE_BYTES_LIMIT:
        raise ConfigError(f"{path}: larger than {FILE_BYTES_LIMIT} bytes, so not a results file of tapeline")
    return text


def _check_version(path: str | Path, version: int) -> None:
    if version != SCHEMA_VERSION:
        raise ConfigError(
            f"{path}: results of schema version {version}; this tapeline reads version {SCHEMA_VERSION}. "
            "Run the benchmark again, or read the file with the tapeline that wrote it."
        )


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(step) for step in problem["loc"])
    return visible(f"{place}: {problem['msg']}" if place else problem["msg"])


# Summing up -----------------------------------------------------------------------------------


def summarise(records: Iterable[CallRecord]) -> list[Cell]:
    """Return one cell per (scenario, model, pace), in the order in which they first appear.

    The same records give the same cells, whatever their order within a cell.
    """
    groups: dict[tuple[str, str, str], list[CallRecord]] = {}
    for record in records:
        groups.setdefault((record.scenario, record.model, record.pace), []).append(record)
    return [_cell(sorted(group, key=lambda record: record.index)) for group in groups.values()]


def _cell(records: Sequence[CallRecord]) -> Cell:
    good = [record for record in records if not record.is_error]
    bad = [record for record in records if record.is_error]
    makespan_s = max(record.ended_s for record in records) - min(record.started_s for record in records)
    return Cell(
        scenario=records[0].scenario,
        model=records[0].model,
        pace=records[0].pace,
        requests=len(records),
        errors=len(bad),
        error_codes=_counts(record.error_code or "unclassified" for record in bad),
        expected_error_codes=_counts(record.error_code for record in good),
        finish_reasons=_counts(record.finish_reason for record in records),
        ttft_s=_distribution(_known(good, lambda record: record.ttft_s)),
        itl_s=_distribution([gap_s for record in good for gap_s in record.itl_s]),
        tpot_s=_distribution(_known(good, lambda record: record.tpot_s)),
        total_s=_distribution([record.total_s for record in good]),
        output_tokens_per_s=_distribution(_known(good, lambda record: record.output_tokens_per_s)),
        makespan_s=_rounded(makespan_s),
        requests_per_s=_rate(len(good), makespan_s),
        tokens_per_s=_rate(_sum(good, lambda record: record.usage.output_tokens), makespan_s),
        input_tokens=_sum(records, lambda record: record.usage.input_tokens),
        output_tokens=_sum(records, lambda record: record.usage.output_tokens),
        cached_input_tokens=_sum(records, lambda record: record.usage.cached_input_tokens),
        cost_usd=_cost_usd(records),
        cost_note=_cost_note(records),
        priced_as=records[0].priced_as,
        http_calls=sum(record.http_calls for record in records),
        request_bytes=sum(record.request_bytes for record in records),
        ttft_samples_s=_samples(_known(good, lambda record: record.ttft_s)),
        total_samples_s=_samples([record.total_s for record in good]),
        stream=_median_stream(good),
    )


def _distribution(samples: Sequence[float]) -> Distribution | None:
    if not samples:
        return None
    ordered = sorted(samples)
    return Distribution(
        count=len(ordered),
        mean=_rounded(mean(ordered)),
        min=_rounded(ordered[0]),
        p50=_rounded(percentile(ordered, 50)),
        p95=_rounded(percentile(ordered, 95)),
        p99=_rounded(percentile(ordered, 99)),
        max=_rounded(ordered[-1]),
    )


def _samples(samples: Sequence[float]) -> tuple[float, ...]:
    ordered = sorted(samples)
    return tuple(_rounded(ordered[index]) for index in spread_indices(len(ordered), limit=SAMPLES_LIMIT))


def _median_stream(records: Sequence[CallRecord]) -> Stream | None:
    streamed = sorted((record for record in records if record.chunk_at_s), key=lambda record: record.total_s)
    if not streamed:
        return None
    record = streamed[(len(streamed) - 1) // 2]
    kept = spread_indices(len(record.chunk_at_s), limit=STREAM_POINTS_LIMIT)
    return Stream(
        chunks=len(record.chunk_at_s),
        total_s=_rounded(record.total_s),
        chunk_at_s=tuple(_rounded(record.chunk_at_s[index]) for index in kept),
    )


def _cost_usd(records: Sequence[CallRecord]) -> Decimal | None:
    known = _known(records, lambda record: record.cost_usd)
    return sum(known, Decimal(0)) if known else None


def _cost_note(records: Sequence[CallRecord]) -> str | None:
    # A call that failed is rarely billed, so its missing price is no gap.
    unpriced = sum(record.cost_usd is None for record in records if record.error_code is None)
    if not unpriced:
        return None
    if unpriced == len(records):
        return "no price known"
    return f"no price known for {unpriced} of {counted(len(records), 'request')}"


def _counts(names: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(str(name) for name in names if name is not None).items()))


def _known(records: Sequence[CallRecord], figure: Callable[[CallRecord], T | None]) -> list[T]:
    return [value for record in records if (value := figure(record)) is not None]


def _sum(records: Sequence[CallRecord], figure: Callable[[CallRecord], int | None]) -> int | None:
    known = _known(records, figure)
    return sum(known) if known else None


def _rate(amount: int | None, duration_s: float) -> float | None:
    return None if amount is None or duration_s <= 0 else _rounded(amount / duration_s)


def _rounded(value: float) -> float:
    """To the nanosecond: what is below that is rounding error, and must not reach the file; nor must -0.0."""
    return round(value, 9) + 0.0
