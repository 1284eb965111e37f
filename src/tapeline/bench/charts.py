"""Charts as inline SVG: how latencies spread, and how an answer streams in.

Pure functions from cells to SVG text, written through ElementTree, which escapes whatever it is given.
No script, no font and no colour of its own: classes ("s0", "grid", "label") that report.html.jinja
styles for light, dark and print. Lengths are viewBox units, 480 across: about one CSS pixel on a desk.
Why by hand: plotly pages weigh 4.9 MB and hold outside references, these four charts 20 KB (benchmarks.md).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from xml.etree import ElementTree as ET

from tapeline.bench.quantities import Scale, counted, duration_scale
from tapeline.bench.results import Cell, Distribution
from tapeline.bench.untrusted import visible

WIDTH = 480
COLOURS = 6  # that stay apart under protanopia, deuteranopia and tritanopia; then dashes tell models apart
NAME_COLUMNS = 38  # what fits left of the figures of a strip
_ROW_HEIGHT = 46
_STRIP_LEFT, _STRIP_RIGHT = 6, WIDTH - 6
_PLOT_LEFT, _PLOT_RIGHT, _PLOT_TOP, _PLOT_BOTTOM = 44, WIDTH - 12, 28, 226
_AXIS_HEIGHT = 42
_HEADROOM = 1.02  # room after the last mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A duration with a distribution and samples in every cell."""

    name: str
    long_name: str
    distribution: Callable[[Cell], Distribution | None]
    samples_s: Callable[[Cell], Sequence[float]]


TTFT = Metric(
    name="TTFT",
    long_name="Time to first token",
    distribution=lambda cell: cell.ttft_s,
    samples_s=lambda cell: cell.ttft_samples_s,
)
E2E = Metric(
    name="E2E",
    long_name="Whole answer",
    distribution=lambda cell: cell.total_s,
    samples_s=lambda cell: cell.total_samples_s,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Maps 0..largest to start..end in viewBox units; what lies beyond stays on the edge."""

    largest: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = min(max(value / self.largest, 0.0), 1.0)
        return self.start + share * (self.end - self.start)


# The charts -----------------------------------------------------------------------------------


def latency_strips(cells: Sequence[Cell], *, metric: Metric, slots: Mapping[str, int]) -> str:
    """Return a strip per model: every sample a tick; p50 a disc, p95 a bar, p99 a ring.

    slots: a number for each model, which gives it its colour all over the report.
    "" without data, and where no time passed (a replay without pace on the virtual clock).
    """
    drawn = [(cell, figures) for cell in cells if (figures := metric.distribution(cell)) is not None]
    largest_s = max((max((figures.p99, *metric.samples_s(cell))) for cell, figures in drawn), default=0)
    if largest_s == 0:
        return ""
    axis = Axis(largest=largest_s * _HEADROOM, start=_STRIP_LEFT, end=_STRIP_RIGHT)
    scale = duration_scale(value for _, figures in drawn for value in (figures.p50, figures.p95, figures.p99))
    bottom = len(drawn) * _ROW_HEIGHT
    svg = _svg(bottom + _AXIS_HEIGHT, f"{metric.long_name} per model: every call, p50, p95 and p99")
    _time_axis(svg, axis, top=0, bottom=bottom, title=metric.name, scale=scale)
    for row, (cell, figures) in enumerate(drawn):
        strip = ET.SubElement(svg, "g", {"class": _slot_class(slots[cell.model])})
        _strip(strip, cell, figures, metric.samples_s(cell), axis=axis, scale=scale, top=row * _ROW_HEIGHT)
    return _text_of(svg)


def ttft_curves(cells: Sequence[Cell], *, slots: Mapping[str, int]) -> str:
    """Return the share of calls with a first token by a given time, a line per model.

    "" without data, and where each model took the same time in all its calls: upright lines tell nothing.
    """
    drawn = [cell for cell in cells if cell.ttft_samples_s]
    if all(min(cell.ttft_samples_s) == max(cell.ttft_samples_s) for cell in drawn):
        return ""
    y = Axis(largest=100, start=_PLOT_BOTTOM, end=_PLOT_TOP)
    svg = _svg(
        _PLOT_BOTTOM + _AXIS_HEIGHT, "Share of calls whose first token has arrived, over time, per model"
    )
    x = _plot_time_axis(svg, largest_s=max(max(cell.ttft_samples_s) for cell in drawn))
    _plot_value_axis(svg, y, ticks=(0, 25, 50, 75, 100), title="calls, %")
    for cell in drawn:
        calls = cell.ttft_s.count if cell.ttft_s else len(cell.ttft_samples_s)
        shares = [100 * rank / calls for rank in _ranks(len(cell.ttft_samples_s), of=calls)]
        points = zip(cell.ttft_samples_s, shares, strict=True)
        _steps(svg, points, x=x, y=y, name=cell.model, slot=slots[cell.model])
    return _text_of(svg)


def stream_timeline(cells: Sequence[Cell], *, slots: Mapping[str, int]) -> str:
    """Return the chunks of the typical call received by a given time, a line per model.

    "" without data, and where no time passed.
    """
    drawn = [(cell, cell.stream) for cell in cells if cell.stream is not None and cell.stream.chunk_at_s]
    largest_s = max((max(stream.chunk_at_s) for _, stream in drawn), default=0)
    if largest_s == 0:
        return ""
    most_chunks = max(stream.chunks for _, stream in drawn)
    y = Axis(largest=max(1, most_chunks), start=_PLOT_BOTTOM, end=_PLOT_TOP)
    svg = _svg(
        _PLOT_BOTTOM + _AXIS_HEIGHT, "Content chunks received over time in the typical call, per model"
    )
    x = _plot_time_axis(svg, largest_s=largest_s)
    _plot_value_axis(svg, y, ticks=_ticks(y.largest, at_most=4, smallest_step=1), title="chunks")
    for cell, stream in drawn:
        points = zip(stream.chunk_at_s, _ranks(len(stream.chunk_at_s), of=stream.chunks), strict=True)
        _steps(svg, points, x=x, y=y, name=cell.model, slot=slots[cell.model])
    return _text_of(svg)


def swatch(slot: int) -> str:
    """Return the line that stands for a model in a legend."""
    svg = ET.Element("svg", {"class": "swatch", "viewBox": "0 0 22 10", "aria-hidden": "true"})
    line = {"class": f"line {_slot_class(slot)}", "x1": "1", "x2": "21", "y1": "5", "y2": "5"}
    ET.SubElement(svg, "line", line)
    return _text_of(svg)


def bar(share: float, *, slot: int) -> str:
    """Return a thin bar as long as `share` (0 to 1) of its place."""
    svg = ET.Element(
        "svg", {"class": "bar", "viewBox": "0 0 100 4", "preserveAspectRatio": "none", "aria-hidden": "true"}
    )
    width = _number(100 * min(max(share, 0.0), 1.0))
    fill = {"class": f"fill {_slot_class(slot)}", "x": "0", "y": "0", "width": width, "height": "4"}
    ET.SubElement(svg, "rect", fill)
    return _text_of(svg)


# Marks ----------------------------------------------------------------------------------------


def _strip(
    strip: ET.Element,
    cell: Cell,
    figures: Distribution,
    samples_s: Sequence[float],
    *,
    axis: Axis,
    scale: Scale,
    top: float,
) -> None:
    p50, p95, p99 = (scale.text(value) for value in (figures.p50, figures.p95, figures.p99))
    calls = counted(figures.count, "call")
    summary = f"{visible(cell.model)}: p50 {p50}, p95 {p95}, p99 {p99} {scale.unit}, {calls}"
    ET.SubElement(strip, "title").text = summary
    _label(strip, 0, top + 14, _fitted(cell.model), kind="name")
    _label(strip, WIDTH, top + 14, f"{p50} / {p95} / {p99} {scale.unit}", kind="figure", anchor="end")
    y = top + 30
    for start_s, end_s, kind in ((figures.min, figures.p99, "range"), (figures.p50, figures.p95, "middle")):
        _line(strip, axis.at(start_s), y, axis.at(end_s), y, kind=kind)
    ticks = "".join(f"M{_number(axis.at(value))},{_number(y - 6)}V{_number(y + 6)}" for value in samples_s)
    ET.SubElement(strip, "path", {"class": "rug", "d": ticks})
    ET.SubElement(strip, "circle", {"class": "disc", **_circle(axis.at(figures.p50), y, radius=5)})
    _line(strip, axis.at(figures.p95), y - 8, axis.at(figures.p95), y + 8, kind="mark")
    ET.SubElement(strip, "circle", {"class": "ring", **_circle(axis.at(figures.p99), y, radius=4)})


def _steps(
    svg: ET.Element, points: Iterable[tuple[float, float]], *, x: Axis, y: Axis, name: str, slot: int
) -> None:
    """Draw a staircase from the ground up through (when, how much)."""
    path = ""
    for when, amount in points:
        path += f"H{_number(x.at(when))}" if path else f"M{_number(x.at(when))},{_number(y.start)}"
        path += f"V{_number(y.at(amount))}"
    line = ET.SubElement(svg, "path", {"class": f"line {_slot_class(slot)}", "d": path})
    ET.SubElement(line, "title").text = visible(name)


def _ranks(kept: int, *, of: int) -> list[int]:
    """Return which of `of` ordered things each kept one was; the results file keeps them evenly spaced."""
    if kept == 1:
        return [of]
    return [1 + place * (of - 1) // (kept - 1) for place in range(kept)]


# Axes -----------------------------------------------------------------------------------------


def _plot_time_axis(svg: ET.Element, *, largest_s: float) -> Axis:
    axis = Axis(largest=largest_s * _HEADROOM, start=_PLOT_LEFT, end=_PLOT_RIGHT)
    title, scale = "time since the call started", duration_scale([largest_s])
    _time_axis(svg, axis, top=_PLOT_TOP, bottom=_PLOT_BOTTOM, title=title, scale=scale)
    return axis


def _time_axis(svg: ET.Element, axis: Axis, *, top: float, bottom: float, title: str, scale: Scale) -> None:
    _line(svg, axis.start, bottom, axis.end, bottom, kind="axis")
    for tick in _ticks(axis.largest, at_most=5):
        at = axis.at(tick)
        _line(svg, at, top, at, bottom + 4, kind="grid")
        _label(svg, at, bottom + 17, _tick_text(tick * scale.factor), kind="tick", anchor=_anchor(at))
    middle = (axis.start + axis.end) / 2
    _label(svg, middle, bottom + 35, f"{title}, {scale.unit}", kind="axis-title", anchor="middle")


def _plot_value_axis(svg: ET.Element, axis: Axis, *, ticks: Sequence[float], title: str) -> None:
    _label(svg, 0, 12, title, kind="axis-title")
    for tick in ticks:
        at = axis.at(tick)
        _line(svg, _PLOT_LEFT, at, _PLOT_RIGHT, at, kind="grid")
        _label(svg, _PLOT_LEFT - 7, at + 4, _tick_text(tick), kind="tick", anchor="end")


def _ticks(largest: float, *, at_most: int, smallest_step: float = 0.0) -> list[float]:
    """Return 0 and its multiples of 1, 2 or 5 times a power of ten up to `largest`, `at_most` + 1 of them."""
    step = next(step for step in _steps_up() if step >= smallest_step and step * at_most >= largest)
    return [place * step for place in range(int(largest / step * (1 + 1e-9)) + 1)]


def _steps_up() -> Iterable[float]:
    # Parsed, not computed: 10.0 ** -7 depends on the C library in its last bit.
    return (float(f"{digit}e{exponent}") for exponent in count(-12) for digit in (1, 2, 5))


def _tick_text(value: float) -> str:
    return f"{value:.6g}" if value < 1e6 else f"{value:.1e}"


def _anchor(at: float) -> str:
    """Labels at the edges lean inwards."""
    if at < _PLOT_LEFT / 2:
        return "start"
    return "end" if at > WIDTH - 20 else "middle"


# SVG ------------------------------------------------------------------------------------------


def _svg(height: float, title: str) -> ET.Element:
    size = {"viewBox": f"0 0 {WIDTH} {_number(height)}", "role": "img", "aria-label": title, "class": "chart"}
    svg = ET.Element("svg", size)
    ET.SubElement(svg, "title").text = title
    return svg


def _line(parent: ET.Element, x1: float, y1: float, x2: float, y2: float, *, kind: str) -> None:
    ends = {"x1": _number(x1), "y1": _number(y1), "x2": _number(x2), "y2": _number(y2)}
    ET.SubElement(parent, "line", {"class": kind, **ends})


def _label(parent: ET.Element, x: float, y: float, text: str, *, kind: str, anchor: str = "start") -> None:
    place = {"x": _number(x), "y": _number(y), "text-anchor": anchor}
    ET.SubElement(parent, "text", {"class": kind, **place}).text = text


def _circle(x: float, y: float, *, radius: float) -> dict[str, str]:
    return {"cx": _number(x), "cy": _number(y), "r": _number(radius)}


def _slot_class(slot: int) -> str:
    return f"s{slot % COLOURS} d{min(slot // 4, 2)}"


def _fitted(name: str) -> str:
    """Cut a name to its place; the title of the strip holds it whole."""
    columns = 0
    for place, character in enumerate(text := visible(name)):
        columns += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if columns > NAME_COLUMNS:
            return f"{text[: place - 1]}\u2026"
    return text


def _number(value: float) -> str:
    """A tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0")


def _text_of(svg: ET.Element) -> str:
    return ET.tostring(svg, encoding="unicode", method="html")
