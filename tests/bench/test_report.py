"""The report is one honest file: no outside request, no script, names only as text, the same bytes again."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from bench_runs import any_cells, call, failed_call, run_of, small_run
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.bench.report import render
from tapeline.bench.results import Cell, Results
from tapeline.errors import ErrorCode

VOID = {"br", "meta", "wbr"}
URL_ATTRIBUTES = {
    "action",
    "background",
    "data",
    "formaction",
    "href",
    "poster",
    "src",
    "srcset",
    "xlink:href",
}

PLAIN_NAMES = ("model-a", "model-b", "model-c")
HOSTILE_NAMES = (
    "</title></style><script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "\x1b[2J' onload='x\u202e{{ 7*7 }}",
)
SHOWN_NAMES = (*HOSTILE_NAMES[:2], r"\x1b[2J' onload='x\u202e{{ 7*7 }}")


class Page(HTMLParser):
    """What a browser would build of the text: elements, their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def shape(self) -> list[tuple[str, list[str]]]:
        """Elements and attribute names, without line-break hints, of which longer names hold more."""
        return [(tag, sorted(attributes)) for tag, attributes in self.elements if tag != "wbr"]

    @property
    def urls(self) -> list[str]:
        return [
            value or ""
            for _, attributes in self.elements
            for name, value in attributes.items()
            if name in URL_ATTRIBUTES
        ]


def hostile_run() -> Results:
    run = small_run(models=HOSTILE_NAMES, scenario=HOSTILE_NAMES[1])
    return run.model_copy(update={"command": HOSTILE_NAMES[2], "load_shape": HOSTILE_NAMES[0]})


def test_every_element_is_closed() -> None:
    assert Page(render(small_run())).open == []


@settings(max_examples=20)
@given(st.lists(any_cells(), max_size=3))
def test_every_valid_file_can_be_shown(cells: list[Cell]) -> None:
    results = run_of().model_copy(update={"cells": tuple(cells)})

    assert Page(render(results)).open == []


def test_hostile_names_add_no_element_and_no_attribute() -> None:
    plain = Page(render(small_run(models=PLAIN_NAMES, scenario="scenario")))

    hostile = Page(render(hostile_run()))

    assert hostile.shape == plain.shape
    assert hostile.urls == plain.urls


@pytest.mark.parametrize("name", SHOWN_NAMES)
def test_hostile_names_are_read_as_they_are(name: str) -> None:
    assert name in Page(render(hostile_run())).text


def test_no_control_or_bidi_character_reaches_the_page() -> None:
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", render(hostile_run()))


def test_the_page_asks_nobody_for_anything() -> None:
    html = render(small_run())

    page = Page(html)
    assert all(url.startswith("#") for url in page.urls)
    assert not {tag for tag, _ in page.elements} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
    }
    assert not re.search(r"https?://|url\(|@import", html)


def test_the_page_holds_no_inline_style_or_handler() -> None:
    names = {name for _, attributes in Page(render(small_run())).elements for name in attributes}

    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_the_security_policy_allows_this_style_sheet_only() -> None:
    html = render(small_run())

    (style,) = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [
        attributes["content"]
        for _, attributes in Page(html).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_links_lead_to_sections() -> None:
    html = render(small_run())

    page = Page(html)
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {url.removeprefix("#") for url in page.urls} <= ids


SAME_BYTES = """
import sys
from pathlib import Path
from tapeline.bench.report import render
from tapeline.bench.results import Cell, Results
results = Results.load(sys.argv[1])
sys.stdout.buffer.write((results.to_json() + render(results)).encode())
"""


def test_the_same_results_give_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    results = small_run()
    path = tmp_path / "results.json"
    path.write_text(results.to_json())

    # Another hash seed: an order taken from a set or a hash would show.
    other = subprocess.run(
        [sys.executable, "-c", SAME_BYTES, str(path)],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        check=True,
    )

    assert other.stdout.decode() == results.to_json() + render(results)


def test_the_head_says_what_was_run() -> None:
    text = Page(render(small_run())).text

    for fact in (
        "3 models, 1 scenario, 2 paces",
        "26 calls, measured in virtual time",
        "virtual clock, seed 7",
        "closed loop, 2 calls at a time",
        "tapeline 0.1.0",
        "tapeline bench scenarios",
        "byte for byte the same",
    ):
        assert fact in text


def test_a_real_clock_is_not_called_exact() -> None:
    text = Page(render(run_of(call(), clock="real"))).text

    assert "measured in real time: small differences may be noise" in text
    assert "byte for byte" not in text


@pytest.mark.parametrize("term", ["TTFT", "ITL", "TPOT", "E2E", "Tokens/s", "Rate", "Errors", "Cost", "Pace"])
def test_every_figure_is_defined(term: str) -> None:
    assert f"<dt>{term}" in render(small_run())


def test_errors_are_counted_by_code() -> None:
    results = run_of(
        call(0),
        failed_call(1),
        failed_call(2, code=ErrorCode.TIMEOUT),
        call(3, error_code=ErrorCode.CONTENT_FILTERED, finish_reason="content_filter"),
    )

    html = render(results).replace("\u00a0", " ")
    (section,) = re.findall('<section id="errors">.*?</section>', html, re.DOTALL)

    (row,) = re.findall("<tbody>.*?</tbody>", section, re.DOTALL)
    assert re.findall("<td[^>]*>(.*?)</td>", row, re.DOTALL) == [
        "capital",
        "recorded",
        "4",
        '<span class="bad">2</span>',
        "50",
        "rate_limit 1, timeout 1",
        "content_filtered 1",
        "content_filter 1, stop 1",
    ]


def test_the_worst_comes_first() -> None:
    results = run_of(call(0, model="cut", finish_reason="length"), failed_call(0, model="broken"))

    (section,) = re.findall('<section id="errors">.*?</section>', render(results), re.DOTALL)

    assert section.index("broken") < section.index("cut</span>")


def test_a_run_without_errors_says_so() -> None:
    assert "No call failed, and no answer was cut." in Page(render(run_of(call()))).text


def test_a_run_without_calls_says_so() -> None:
    assert "Nothing was measured" in Page(render(run_of())).text


def test_a_run_in_which_no_time_passed_has_no_charts() -> None:
    page = Page(render(run_of(call(total_s=0.0, ttft_s=0.0, chunk_at_s=(0.0,)))))

    assert "Nothing to draw" in page.text
    assert not [attributes for _, attributes in page.elements if attributes.get("class") == "chart"]
