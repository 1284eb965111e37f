"""The bundled scenarios in virtual time: exact figures, the same on every machine.

Scenarios and cassettes are those of the commit under test; which of them are shown is read from the
working tree, as asv numbers parameters and would mix up series if the list changed from commit to commit.
All cells are computed once per commit, in `setup_cache`: 3 calls each, 2 at a time, seed 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks import adapter, kinds

REQUESTS = 3
CONCURRENCY = 2
PACES = ["recorded", "hosted"]

_ROOT = Path(__file__).resolve().parent.parent
_CASSETTES = sorted(_ROOT.glob("cassettes/*/*.yaml"))
SCENARIOS = sorted({path.parent.name for path in _CASSETTES})
TARGETS = sorted({path.stem for path in _CASSETTES})
STREAMED = sorted(
    path.stem for path in _ROOT.glob("scenarios/*.yaml") if "\nstream: true" in path.read_text("utf-8")
)

Figures = Mapping[str, Any]
CellKey = tuple[str, str, str]
"""Scenario, target, pace."""


def setup_cache() -> dict[CellKey, Figures | str]:
    """Run every scenario of the commit, once for all benchmarks of this file."""
    return all_cells()  # short, because asv reads and hashes this source for each parameter


def all_cells() -> dict[CellKey, Figures | str]:
    """Return the figures of every cell, or the text of the error that a cell ended with."""
    try:
        adapter.part("run_benchmark")
        files = adapter.scenario_files()
        adapter.spare_the_sdks(("openai", "anthropic"))
    except NotImplementedError:
        return {}
    return {
        (file.scenario.name, target.id, pace): cell(file, target, pace)
        for file in files
        for target in file.scenario.targets
        for pace in PACES
    }


def cell(file: Any, target: Any, pace: str) -> Figures | str:
    """Return the figures of one cell; a call that did not end as the scenario wants is an error."""
    try:
        figures = adapter.run_cell(file, target, pace=pace, requests=REQUESTS, concurrency=CONCURRENCY)
    except Exception as error:  # whatever it is, it must not take the other cells with it
        return f"{type(error).__name__}: {error}"
    return f"calls failed: {figures['error_codes']}" if figures["errors"] else figures


def _measured(cells: Mapping[CellKey, Figures | str], key: CellKey) -> Figures:
    if key not in cells:
        raise NotImplementedError(f"this commit has no cell {'/'.join(key)}")
    figures = cells[key]
    if isinstance(figures, str):
        raise RuntimeError(figures)
    return figures


class _Cell:
    """One scenario, against one target, at one pace."""

    param_names = ("scenario", "target", "pace")
    version = "1"

    def setup(self, cells: Mapping[CellKey, Figures | str], *key: str) -> None:
        self.figures = _measured(cells, key)


class FirstToken(_Cell):
    """How long the caller waits for a streamed answer to begin."""

    params = (STREAMED, TARGETS, PACES)

    @kinds.exact("seconds")
    def track_ttft_p95(self, *_: Any) -> float:
        """p95 (nearest rank of 3 calls) from the call to the first token."""
        return _p95_s(self.figures["ttft_s"])


class WholeAnswer(_Cell):
    """How long the caller waits for all of it."""

    params = (SCENARIOS, TARGETS, PACES)

    @kinds.exact("seconds")
    def track_e2e_p95(self, *_: Any) -> float:
        """p95 (nearest rank of 3 calls) from the call to the whole answer."""
        return _p95_s(self.figures["total_s"])


class Traffic:
    """What 3 calls send, get and cost; the pace makes no difference to it."""

    params = (SCENARIOS, TARGETS)
    param_names = ("scenario", "target")
    version = "1"

    def setup(self, cells: Mapping[CellKey, Figures | str], scenario: str, target: str) -> None:
        self.figures = _measured(cells, (scenario, target, PACES[0]))

    @kinds.exact("req")
    def track_http_calls(self, *_: Any) -> int:
        """HTTP requests of 3 calls: more than 3 are retries."""
        return int(self.figures["http_calls"])

    @kinds.exact("bytes")
    def track_request_bytes(self, *_: Any) -> int:
        """Bytes of the request bodies of 3 calls."""
        return int(self.figures["request_bytes"])

    @kinds.exact("tok")
    def track_output_tokens(self, *_: Any) -> float:
        """Output tokens of 3 calls, as the provider counted them; a gap where it did not."""
        return _or_gap(self.figures["output_tokens"])

    @kinds.exact("u$")
    def track_cost(self, *_: Any) -> float:
        """Millionths of a dollar for 3 calls, at the price list asv.conf.json pins; a gap without a price."""
        cost_usd = self.figures["cost_usd"]
        return _or_gap(None if cost_usd is None else float(Decimal(cost_usd) * 1_000_000))


def _p95_s(distribution: Figures | None) -> float:
    """Return the p95 in whole microseconds, as seconds: what asv and its pages print best."""
    return _or_gap(None if distribution is None else round(distribution["p95"], 6))


def _or_gap(value: float | None) -> float:
    """Return nan, asv's word for a gap, where there is no figure."""
    return math.nan if value is None else value
