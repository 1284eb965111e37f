"""The HTML report: one self-contained page that explains a results file.

Puts figures and charts into report.html.jinja and returns the text; writes no file and measures nothing.
The page holds no script, asks nobody for anything (a content security policy sees to it) and no date:
the same results give the same bytes. Milliseconds and seconds appear only here and in the terminal.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tapeline.bench import charts
from tapeline.bench.quantities import UNKNOWN, count_text, counted, percent_scale, rate_scale, usd_scale
from tapeline.bench.results import SAMPLES_LIMIT, Cell, Results
from tapeline.bench.table import COLUMNS, compare, error_share, scales_of
from tapeline.bench.untrusted import visible

_GROUP_NAMES = {"calls": "Calls", "tok/s": "Tokens/s", "err": "Errors", "cost": "Cost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """One cell of the upper head row of the comparison: a group of columns with its unit."""

    name: str
    unit: str
    columns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing and what stands above it."""

    title: str
    note: str
    svg: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceCharts:
    """How the models did in one scenario at one pace."""

    pace: str
    models: list[str]
    charts: list[Chart]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioCharts:
    """One scenario, pace by pace."""

    scenario: str
    paces: list[PaceCharts]


def render(results: Results) -> str:
    """Return the report as the text of one HTML file, to be written as UTF-8."""
    cells = results.cells
    models = _distinct(cell.model for cell in cells)
    slots = {model: slot for slot, model in enumerate(models)}
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            results=results,
            calls=sum(cell.requests for cell in cells),
            models=models,
            scenarios=_distinct(cell.scenario for cell in cells),
            paces=_distinct(cell.pace for cell in cells),
            slots=slots,
            columns=COLUMNS,
            headings=_headings(results),
            blocks=compare(results),
            sections=_sections(cells, slots),
            troubled=sorted(
                filter(_is_remarkable, cells), key=lambda cell: error_share(cell) or 0, reverse=True
            ),
            error_share=percent_scale(error_share(cell) for cell in cells),
            calls_per_s=rate_scale((cell.requests_per_s for cell in cells), unit=""),
            tokens_per_s=rate_scale((cell.tokens_per_s for cell in cells), unit=""),
            usd=usd_scale(cell.cost_usd for cell in cells),
            usd_per_thousand=usd_scale(_usd_per_thousand(cell) for cell in cells),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tapeline.bench"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        breakable=_breakable,
        bar=lambda share, slot: Markup(charts.bar(share, slot=slot)),
        counted=counted,
        counts=_counts_text,
        csp_hash=_csp_hash,
        error_share=error_share,
        number=count_text,
        swatch=lambda slot: Markup(charts.swatch(slot)),
        usd_per_thousand=_usd_per_thousand,
        visible=visible,
    )
    return environment


def _csp_hash(style: str) -> str:
    """Return what a content security policy calls this style sheet; a nonce would differ on every page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def _headings(results: Results) -> list[Heading]:
    scales = scales_of(results)
    return [
        Heading(name=_GROUP_NAMES.get(group, group), unit=scales[group].unit, columns=len(list(columns)))
        for group, columns in groupby(column.group for column in COLUMNS)
    ]


def _sections(cells: Sequence[Cell], slots: Mapping[str, int]) -> list[ScenarioCharts]:
    sections = [
        ScenarioCharts(
            scenario=scenario,
            paces=_pace_charts([cell for cell in cells if cell.scenario == scenario], slots),
        )
        for scenario in _distinct(cell.scenario for cell in cells)
    ]
    return [section for section in sections if section.paces]


def _pace_charts(cells: Sequence[Cell], slots: Mapping[str, int]) -> list[PaceCharts]:
    drawn = [
        PaceCharts(
            pace=pace,
            models=[cell.model for cell in cells if cell.pace == pace],
            charts=_charts([cell for cell in cells if cell.pace == pace], slots),
        )
        for pace in _distinct(cell.pace for cell in cells)
    ]
    return [group for group in drawn if group.charts]


def _charts(cells: Sequence[Cell], slots: Mapping[str, int]) -> list[Chart]:
    strips_note = f"Ticks are calls, at most {SAMPLES_LIMIT}. Disc p50, bar p95, ring p99."
    drawings = [
        ("Time to first token", strips_note, charts.latency_strips(cells, metric=charts.TTFT, slots=slots)),
        ("Whole answer", strips_note, charts.latency_strips(cells, metric=charts.E2E, slots=slots)),
        (
            "First token, cumulative",
            "Share of calls that had their first token by then.",
            charts.ttft_curves(cells, slots=slots),
        ),
        (
            "One answer, as it streams",
            "Content chunks received by then, in the call with the median E2E.",
            charts.stream_timeline(cells, slots=slots),
        ),
    ]
    return [Chart(title=title, note=note, svg=Markup(svg)) for title, note, svg in drawings if svg]


def _is_remarkable(cell: Cell) -> bool:
    """Whether some call failed, as expected or not, or ended other than a whole answer does."""
    odd_endings = cell.finish_reasons.keys() - {"stop", "tool_calls"}
    return bool(cell.errors or cell.expected_error_codes or odd_endings)


def _usd_per_thousand(cell: Cell) -> Decimal | None:
    """What a thousand such calls would cost, None where part of the price is unknown."""
    if cell.cost_usd is None or cell.cost_note or not cell.requests:
        return None
    return cell.cost_usd * 1000 / cell.requests


def _breakable(name: str) -> Markup:
    """Return a name that a narrow column breaks after a separator rather than anywhere."""
    return Markup("<wbr>").join(re.split(r"(?<=[:./_])", visible(name)))


def _counts_text(counts: Mapping[str, int]) -> str:
    """Return "rate_limit 3, timeout 1", each with a space that does not break."""
    return ", ".join(f"{visible(name)}\u00a0{count_text(count)}" for name, count in counts.items()) or UNKNOWN


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
