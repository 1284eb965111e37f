"""Charts stay within their frame, keep text as text, and put each mark where its value is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from bench_runs import any_cells, call, failed_call, small_run
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.bench import charts
from tapeline.bench.results import Cell, Stream, summarise

DRAWINGS: dict[str, Callable[..., str]] = {
    "TTFT strips": lambda cells, slots: charts.latency_strips(cells, metric=charts.TTFT, slots=slots),
    "E2E strips": lambda cells, slots: charts.latency_strips(cells, metric=charts.E2E, slots=slots),
    "TTFT curves": lambda cells, slots: charts.ttft_curves(cells, slots=slots),
    "stream timeline": lambda cells, slots: charts.stream_timeline(cells, slots=slots),
}
every_drawing = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS.keys())


def drawn(draw: Callable[..., str], cells: Sequence[Cell]) -> ET.Element:
    return ET.fromstring(draw(cells, {cell.model: slot for slot, cell in enumerate(cells)}))


def recorded_cells(**names: Any) -> list[Cell]:
    return [cell for cell in small_run(**names).cells if cell.pace == "recorded"]


def found(svg: ET.Element, kind: str) -> list[ET.Element]:
    return [element for element in svg.iter() if kind in element.get("class", "").split()]


def numbers(element: ET.Element, *names: str) -> list[float]:
    return [float(element.attrib[name]) for name in names]


# Where marks are ------------------------------------------------------------------------------


def test_strip_marks_stand_at_their_values() -> None:
    """The axis runs from 6 to 474 and ends 2 % after the largest value: 0.4 s is at 6 + 468 / 1.02."""
    records = [call(index, ttft_s=ttft_s) for index, ttft_s in enumerate((0.1, 0.2, 0.3, 0.4))]

    svg = drawn(DRAWINGS["TTFT strips"], summarise(records))

    (disc,), (mark,), (ring,), (rug,) = (found(svg, kind) for kind in ("disc", "mark", "ring", "rug"))
    assert numbers(disc, "cx") == [235.4]
    assert numbers(mark, "x1", "x2") == [464.8, 464.8]
    assert numbers(ring, "cx") == [464.8]
    assert re.findall(r"M([\d.]+),", rug.attrib["d"]) == ["120.7", "235.4", "350.1", "464.8"]
    assert [text.text for text in found(svg, "figure")] == ["200 / 400 / 400 ms"]


def test_curves_step_up_by_one_call_each() -> None:
    records = [call(index, ttft_s=ttft_s) for index, ttft_s in enumerate((0.1, 0.2, 0.3, 0.4))]

    svg = drawn(DRAWINGS["TTFT curves"], summarise(records))

    (line,) = found(svg, "line")
    assert re.findall(r"V([\d.]+)", line.attrib["d"]) == ["176.5", "127", "77.5", "28"]


def test_curves_of_thinned_samples_still_end_at_all_calls() -> None:
    (cell,) = summarise(call(index, ttft_s=0.001 * index) for index in range(1_000))

    (line,) = found(drawn(DRAWINGS["TTFT curves"], [cell]), "line")

    assert line.attrib["d"].endswith("V28")


def test_the_timeline_counts_chunks_also_where_the_file_keeps_few() -> None:
    (cell,) = recorded_cells()[:1]
    thinned = cell.model_copy(update={"stream": Stream(chunks=101, total_s=1.0, chunk_at_s=(0.1, 0.5, 1.0))})

    (line,) = found(drawn(DRAWINGS["stream timeline"], [thinned]), "line")

    heights = [float(height) for height in re.findall(r"V([\d.]+)", line.attrib["d"])]
    assert heights == [224.0, 126.0, 28.0]


def test_axes_say_what_and_in_which_unit() -> None:
    """Milliseconds up to ten seconds, as in the figures beside the strips."""
    cells = recorded_cells()

    titles = {
        name: [text.text for text in found(drawn(draw, cells), "axis-title")]
        for name, draw in DRAWINGS.items()
    }

    assert titles == {
        "TTFT strips": ["TTFT, ms"],
        "E2E strips": ["E2E, ms"],
        "TTFT curves": ["time since the call started, ms", "calls, %"],
        "stream timeline": ["time since the call started, ms", "chunks"],
    }


TICKS = {
    "seconds shown as milliseconds": (0.83, ["0", "200", "400", "600", "800"]),
    "seconds": (23.0, ["0", "5", "10", "15", "20"]),
    "microseconds": (0.0000045, ["0", "0.001", "0.002", "0.003", "0.004"]),
}


@pytest.mark.parametrize(("total_s", "labels"), TICKS.values(), ids=TICKS.keys())
def test_ticks_are_round_numbers(total_s: float, labels: list[str]) -> None:
    cells = summarise([call(total_s=total_s, ttft_s=None, chunk_at_s=())])

    svg = drawn(DRAWINGS["E2E strips"], cells)

    assert [text.text for text in found(svg, "tick")] == labels


# Nothing to draw ------------------------------------------------------------------------------


@every_drawing
@pytest.mark.parametrize("cells", [[], summarise([failed_call()])], ids=["no cells", "only failures"])
def test_without_data_there_is_no_chart(draw: Callable[..., str], cells: list[Cell]) -> None:
    assert draw(cells, {"openai:gpt": 0}) == ""


@every_drawing
def test_where_no_time_passed_there_is_no_chart(draw: Callable[..., str]) -> None:
    """A replay without pace, on the virtual clock."""
    cells = summarise([call(total_s=0.0, ttft_s=0.0, chunk_at_s=(0.0, 0.0))])

    assert draw(cells, {"openai:gpt": 0}) == ""


def test_a_curve_needs_calls_that_differ() -> None:
    assert charts.ttft_curves(summarise([call(0), call(1)]), slots={"openai:gpt": 0}) == ""


# For every run --------------------------------------------------------------------------------


@every_drawing
@settings(max_examples=40)
@given(st.lists(any_cells(), min_size=1, max_size=5))
def test_every_coordinate_is_within_the_view_box(draw: Callable[..., str], cells: list[Cell]) -> None:
    text = draw(cells, {cell.model: slot for slot, cell in enumerate(cells)})

    for x, y in coordinates(text):
        assert 0 <= x <= 480
        assert 0 <= y <= view_height(text)


def view_height(text: str) -> float:
    match = re.search(r'viewBox="0 0 480 ([\d.]+)"', text)
    return float(match[1]) if match else 0.0


def coordinates(text: str) -> list[tuple[float, float]]:
    """Every point of every shape, circles with their radius; `nan` and `inf` fail to parse."""
    points: list[tuple[float, float]] = []
    for element in ET.fromstring(text).iter() if text else ():
        if element.tag == "line":
            points += [(x, y) for x, y in (numbers(element, "x1", "y1"), numbers(element, "x2", "y2"))]
        elif element.tag == "text":
            points.append((numbers(element, "x")[0], numbers(element, "y")[0]))
        elif element.tag == "circle":
            x, y, radius = numbers(element, "cx", "cy", "r")
            points += [(x - radius, y - radius), (x + radius, y + radius)]
        elif element.tag == "path":
            points += path_points(element.attrib["d"])
    return points


def path_points(path: str) -> list[tuple[float, float]]:
    assert re.fullmatch(r"(M[\d.]+,[\d.]+|[HV][\d.]+)*", path)
    points: list[tuple[float, float]] = []
    for command, first, second in re.findall(r"([MHV])([\d.]+)(?:,([\d.]+))?", path):
        x, y = points[-1] if points else (0.0, 0.0)
        moved = {"M": (first, second), "H": (first, y), "V": (x, first)}[command]
        points.append((float(moved[0]), float(moved[1])))
    return points


@every_drawing
def test_names_are_text_and_nothing_else(draw: Callable[..., str]) -> None:
    hostile = ('"><script>alert(1)</script>', "a\u202eb\x1b[0m", "http://evil.example/x")
    cells = recorded_cells(models=hostile)

    svg = drawn(draw, cells)

    assert {element.tag for element in svg.iter()} <= {"svg", "title", "g", "line", "text", "path", "circle"}
    titles = " ".join(element.text or "" for element in svg.iter("title"))
    assert '"><script>alert(1)</script>' in titles
    assert r"a\u202eb\x1b[0m" in titles


@every_drawing
def test_a_chart_has_a_name_for_those_who_do_not_see_it(draw: Callable[..., str]) -> None:
    svg = drawn(draw, recorded_cells())

    assert svg.attrib["role"] == "img"
    assert svg[0].tag == "title"
    assert svg[0].text == svg.attrib["aria-label"]


@every_drawing
def test_a_chart_brings_no_style_of_its_own(draw: Callable[..., str]) -> None:
    """The page's security policy would refuse it, and dark mode could not change it."""
    used = {name for element in drawn(draw, recorded_cells()).iter() for name in element.attrib}

    assert not used & {"style", "fill", "stroke", "href", "font-family"}


def test_long_names_are_cut_to_their_place_and_kept_in_the_title() -> None:
    name = "bedrock:arn:aws:bedrock:eu-central-1:123456789012:inference-profile/x"
    wide = "模" * 30

    svg = drawn(DRAWINGS["TTFT strips"], summarise([call(model=name), call(model=wide)]))

    assert [text.text for text in found(svg, "name")] == [name[:37] + "…", wide[:18] + "…"]
    assert name in (svg.findall("g/title")[0].text or "")


def test_models_beyond_the_colours_differ_by_dashes() -> None:
    looks = [found(ET.fromstring(charts.swatch(slot)), "line")[0].attrib["class"] for slot in range(12)]

    assert len(set(looks)) == 12


@pytest.mark.parametrize(("share", "width"), [(0.0, "0"), (0.256, "25.6"), (1.0, "100"), (7.0, "100")])
def test_a_bar_is_as_long_as_its_share(share: float, width: str) -> None:
    (rect,) = ET.fromstring(charts.bar(share, slot=0))

    assert rect.attrib["width"] == width
