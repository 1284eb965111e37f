"""The comparison of models: which figures, in which unit, and which of them is best.

`compare` gives plain text figures, for the terminal and the HTML report alike; `comparison_table`
sets them for a terminal. Nothing here measures or prints. Units stand in the head of a column and hold
for all of it. A figure is compared with those of the same scenario and pace, as it is displayed:
two models that read the same are equally good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapeline.bench.quantities import Number, Scale, duration_scale, percent_scale, rate_scale, usd_scale
from tapeline.bench.results import Cell, Results
from tapeline.bench.untrusted import visible

WIDE_COLUMNS = 96  # below this the 95th percentiles of ITL and E2E make way for the names
_STYLES = {"plain": "", "best": "bold green", "bad": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One figure of a cell. Columns of one `group` share a unit; `best` says which value to point out."""

    group: str
    label: str = ""
    value: Callable[[Cell], Number | None]
    best: Literal["lowest", "highest"] | None = None
    is_wide_only: bool = False
    has_bar: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One value as text. `share` is its part of the largest in its scenario, 0 to 1, for a bar."""

    text: str
    tone: Literal["plain", "best", "bad"] = "plain"
    share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model: its cell, and one figure for each of `COLUMNS`."""

    cell: Cell
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The models that ran one scenario at one pace."""

    scenario: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Everything that ran at one pace."""

    pace: str
    groups: tuple[Group, ...]


def error_share(cell: Cell) -> float | None:
    """Return the part of the calls that failed, 0 to 1."""
    return cell.errors / cell.requests if cell.requests else None


COLUMNS = (
    Column(group="calls", value=lambda cell: cell.requests),
    Column(
        group="TTFT",
        label="p50",
        best="lowest",
        value=lambda cell: cell.ttft_s and cell.ttft_s.p50,
        has_bar=True,
    ),
    Column(group="TTFT", label="p95", best="lowest", value=lambda cell: cell.ttft_s and cell.ttft_s.p95),
    Column(group="ITL", label="p50", best="lowest", value=lambda cell: cell.itl_s and cell.itl_s.p50),
    Column(
        group="ITL",
        label="p95",
        best="lowest",
        value=lambda cell: cell.itl_s and cell.itl_s.p95,
        is_wide_only=True,
    ),
    Column(
        group="E2E",
        label="p50",
        best="lowest",
        value=lambda cell: cell.total_s and cell.total_s.p50,
        has_bar=True,
    ),
    Column(
        group="E2E",
        label="p95",
        best="lowest",
        value=lambda cell: cell.total_s and cell.total_s.p95,
        is_wide_only=True,
    ),
    Column(group="E2E", label="p99", best="lowest", value=lambda cell: cell.total_s and cell.total_s.p99),
    Column(
        group="tok/s",
        label="p50",
        best="highest",
        value=lambda cell: cell.output_tokens_per_s and cell.output_tokens_per_s.p50,
    ),
    Column(group="err", value=error_share),
    # Part of a bill must not win a comparison: it counts as unknown here.
    Column(group="cost", best="lowest", value=lambda cell: None if cell.cost_note else cell.cost_usd),
)

_SCALES: Mapping[str, Callable[[Iterable[Number | None]], Scale]] = {
    "calls": lambda _: Scale(unit=""),
    "TTFT": duration_scale,
    "ITL": duration_scale,
    "E2E": duration_scale,
    "tok/s": lambda rates_per_s: rate_scale(rates_per_s, unit=""),
    "err": percent_scale,
    "cost": usd_scale,
}


def scales_of(results: Results) -> dict[str, Scale]:
    """Return how the figures of each column group are printed, all over these results."""
    return {
        group: scale(
            column.value(cell) for column in COLUMNS if column.group == group for cell in results.cells
        )
        for group, scale in _SCALES.items()
    }


def compare(results: Results) -> tuple[Block, ...]:
    """Return the figures by pace, scenario and model, each in order of first appearance."""
    scales = scales_of(results)
    return tuple(
        Block(pace=pace, groups=_groups([cell for cell in results.cells if cell.pace == pace], scales))
        for pace in dict.fromkeys(cell.pace for cell in results.cells)
    )


def _groups(cells: Sequence[Cell], scales: Mapping[str, Scale]) -> tuple[Group, ...]:
    return tuple(
        Group(scenario=scenario, rows=_rows([cell for cell in cells if cell.scenario == scenario], scales))
        for scenario in dict.fromkeys(cell.scenario for cell in cells)
    )


def _rows(cells: Sequence[Cell], scales: Mapping[str, Scale]) -> tuple[Row, ...]:
    columns = [_figures(column, cells, scales[column.group]) for column in COLUMNS]
    return tuple(
        Row(cell=cell, figures=tuple(figures)) for cell, *figures in zip(cells, *columns, strict=True)
    )


def _figures(column: Column, cells: Sequence[Cell], scale: Scale) -> list[Figure]:
    values = [column.value(cell) for cell in cells]
    largest = max((value for value in values if value is not None), default=0)
    best = _best_text(column, values, scale)
    return [
        Figure(
            text=scale.text(value),
            tone=_tone(column, value, is_best=scale.text(value) == best),
            share=float(value) / float(largest) if value and largest else 0.0,
        )
        for value in values
    ]


def _best_text(column: Column, values: Iterable[Number | None], scale: Scale) -> str | None:
    known = [value for value in values if value is not None]
    if column.best is None or len({scale.text(value) for value in known}) < 2:
        return None
    return scale.text(min(known) if column.best == "lowest" else max(known))


def _tone(column: Column, value: Number | None, *, is_best: bool) -> Literal["plain", "best", "bad"]:
    if column.group == "err" and value:
        return "bad"
    return "best" if is_best else "plain"


# For a terminal -------------------------------------------------------------------------------


def comparison_table(results: Results, *, width: int = 100) -> Table:
    """Return the comparison as a table that fits a terminal of `width` >= 70 columns.

    One block per pace, in it one per scenario, in it a row per model. The best value among the models
    is bold green; "-" is unknown. Without colours it is plain text.
    """
    columns = [column for column in COLUMNS if width >= WIDE_COLUMNS or not column.is_wide_only]
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, header_style="")
    table.add_column("", overflow="fold", min_width=12)
    for heading in _headings(columns, scales_of(results)):
        table.add_column(heading, justify="right", no_wrap=True)
    for block in compare(results):
        _add_block(table, block, columns)
    table.caption = _price_caption(results)
    table.caption_justify = "left"
    return table


def _price_caption(results: Results) -> Text | None:
    """Return whose list prices were taken for models that have none."""
    prices = {cell.model: cell.priced_as for cell in results.cells if cell.priced_as}
    if not prices:
        return None
    said = ", ".join(f"{model.partition(':')[0]} as {price}" for model, price in prices.items())
    return Text(visible(f"cost of all calls, at list prices: {said}"))


def _headings(columns: Sequence[Column], scales: Mapping[str, Scale]) -> list[Text]:
    return [
        Text(f"{group}\n{column.label}\n{scales[column.group].unit}")
        for column, group in zip(columns, _said_once([column.group for column in columns]), strict=True)
    ]


def _said_once(names: Sequence[str]) -> list[str]:
    return [name if place == 0 or names[place - 1] != name else "" for place, name in enumerate(names)]


def _add_block(table: Table, block: Block, columns: Sequence[Column]) -> None:
    table.add_section()
    table.add_row(Text(f"pace {visible(block.pace)}", style="bold"))
    for group in block.groups:
        table.add_row(Text(visible(group.scenario), style="cyan"))
        for row in group.rows:
            name = Padding(Text(visible(row.cell.model)), (0, 0, 0, 2))  # a folded name keeps its indent
            table.add_row(name, *_texts(row, columns))


def _texts(row: Row, columns: Sequence[Column]) -> list[Text]:
    by_column = zip(COLUMNS, row.figures, strict=True)
    return [
        Text(figure.text, style=_STYLES[figure.tone]) for column, figure in by_column if column in columns
    ]
