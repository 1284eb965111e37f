"""Checks: a truth table, read both ways, and what neither way can tell."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.scenarios.checks import (
    CHECKS,
    NEGATION,
    failed_checks,
    holds,
    judged,
    unknown_check,
    wrong_value,
)
from tapeline.scenarios.judging import CheckContext
from tapeline.scenarios.outcome import Outcome
from tapeline.types import Tool, ToolCall, Usage

PARIS = Outcome(text="Paris, of course.", finish_reason="stop", chunk_at_s=(0.1, 0.2))
JSON = Outcome(text=' {"city": "Paris"} ', finish_reason="length")
NOTHING = Outcome()
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
COUNTRY = {"type": "object", "required": ["country"]}
TIMED = Outcome(text="x", ttft_s=0.25, latency_s=1.25)
COUNTED = Outcome(usage=Usage(input_tokens=9, output_tokens=3), cost_usd=Decimal("0.0021"))


def said(text: str) -> Outcome:
    return Outcome(text=text)


def calling(name: str = "weather", arguments: str = '{"city": "Paris"}') -> Outcome:
    return Outcome(tool_calls=(ToolCall(id="1", name=name, raw_arguments=arguments),))


HERE = Path(__file__).parent
TOOLS = CheckContext(folder=HERE, tools=(Tool(name="weather", parameters=CITY), Tool(name="clock")))

TRUTH: list[tuple[str, Any, Outcome, bool]] = [
    ("equals", "Paris, of course.", PARIS, True),
    ("equals", "Paris", PARIS, False),
    ("equals", 42, said("42"), True),
    ("equals", 1.5, said("1.5"), True),
    ("equals", "", NOTHING, True),
    ("equals", {"city": "Paris"}, JSON, True),
    ("equals", {"city": "Rome"}, JSON, False),
    ("equals", ["a"], said('["a"]'), True),
    ("equals", ["a"], said("a"), False),
    ("contains", "Paris", PARIS, True),
    ("contains", "paris", PARIS, False),
    ("contains", 4, said("42"), True),
    ("icontains", "pARIS", PARIS, True),
    ("icontains", "rome", PARIS, False),
    ("contains-any", ["Rome", "Paris"], PARIS, True),
    ("contains-any", ["Rome", "paris"], PARIS, False),
    ("contains-all", ["Paris", "course"], PARIS, True),
    ("contains-all", ["Paris", "Rome"], PARIS, False),
    ("icontains-any", ["ROME", "PARIS"], PARIS, True),
    ("icontains-any", ["ROME", "OSLO"], PARIS, False),
    ("icontains-all", ["PARIS", "OF"], PARIS, True),
    ("icontains-all", ["PARIS", "ROME"], PARIS, False),
    ("starts-with", "Par", PARIS, True),
    ("starts-with", "course", PARIS, False),
    ("ends-with", "course.", PARIS, True),
    ("ends-with", "Paris", PARIS, False),
    ("regex", r"of \w+\.$", PARIS, True),
    ("regex", "^course", PARIS, False),
    ("is-json", True, JSON, True),
    ("is-json", True, PARIS, False),
    ("is-json", True, NOTHING, False),
    ("is-json", True, said("NaN"), False),
    ("is-json", True, said("[" * 100_000), False),
    ("is-json", CITY, JSON, True),
    ("is-json", COUNTRY, JSON, False),
    ("contains-json", True, said('It is {"city": "Paris"}, I think.'), True),
    ("contains-json", True, said('```json\n[{"a": 1}]\n```'), True),
    ("contains-json", True, said("as [1] says, {so} it is"), False),
    ("contains-json", True, PARIS, False),
    ("contains-json", {"type": "array"}, said("as [1] says"), True),
    ("contains-json", CITY, said('{"x": 1} and {"city": "Paris"}'), True),
    ("contains-json", COUNTRY, said('{"x": 1} and {"city": "Paris"}'), False),
    ("contains-json", CITY, said('{{{ {"city": "a"}'), True),
    ("is-valid-tool-call", True, calling(), True),
    ("is-valid-tool-call", True, calling("clock", ""), True),
    ("is-valid-tool-call", True, calling("weather", "{}"), False),
    ("is-valid-tool-call", True, calling("weather", '{"city": 3}'), False),
    ("is-valid-tool-call", True, calling("weather", "{"), False),
    ("is-valid-tool-call", True, calling("tides"), False),
    ("is-valid-tool-call", True, PARIS, False),
    ("is-valid-tool-call", "weather", calling(), True),
    ("is-valid-tool-call", "clock", calling(), False),
    ("finish-reason", "stop", PARIS, True),
    ("finish-reason", "stop", JSON, False),
    ("finish-reason", "stop", NOTHING, False),
    ("min-chunks", 2, PARIS, True),
    ("min-chunks", 3, PARIS, False),
    ("min-chunks", 1, NOTHING, False),
    ("latency", 1250, TIMED, True),
    ("latency", "1.25s", TIMED, True),
    ("latency", 1249.9, TIMED, False),
    ("ttft", "250ms", TIMED, True),
    ("ttft", 249, TIMED, False),
    ("cost", 0.0021, COUNTED, True),
    ("cost", 0.002, COUNTED, False),
    ("tokens", 12, COUNTED, True),
    ("tokens", 11, COUNTED, False),
    ("tokens", {"output": 3}, COUNTED, True),
    ("tokens", {"input": 9, "output": 2}, COUNTED, False),
    ("python", "check_functions.is_short", PARIS, True),
    ("python", "check_functions.is_short", said("x" * 100), False),
    ("python", "check_functions.is_short_because", PARIS, True),
    ("python", "check_functions.is_short_because", said("x" * 100), False),
    ("python", "check_functions.asserts_short", said("x" * 100), False),
]


@pytest.mark.parametrize(("name", "expected", "outcome", "is_so"), TRUTH)
def test_a_check_and_its_opposite_never_agree(
    name: str, expected: Any, outcome: Outcome, is_so: bool
) -> None:
    assert wrong_value(name, expected) is None
    assert holds(outcome, name, expected, TOOLS) is is_so
    assert holds(outcome, NEGATION + name, expected, TOOLS) is not is_so


def test_the_table_has_every_check_both_ways() -> None:
    assert {(name, is_so) for name, _, _, is_so in TRUTH} == {
        (name, is_so) for name in CHECKS for is_so in (True, False)
    }


UNKNOWN: list[tuple[str, Any, Outcome, str]] = [
    ("regex", "x", said("x" * 100_001), "no pattern is tried on more than"),
    ("ttft", 100, Outcome(text="x", latency_s=1.0), "nothing was streamed"),
    ("cost", 1, PARIS, "no price is known"),
    ("tokens", {"output": 3}, PARIS, "did not count output tokens"),
    ("tokens", 3, Outcome(usage=Usage(input_tokens=1)), "did not count total tokens"),
    ("python", "check_functions.fails", PARIS, "raised ZeroDivisionError"),
    ("python", "check_functions.says_perhaps", PARIS, "it returned 'perhaps'; a bool"),
]


@pytest.mark.parametrize(("name", "expected", "outcome", "why"), UNKNOWN)
def test_what_nobody_knows_fails_both_ways(name: str, expected: Any, outcome: Outcome, why: str) -> None:
    for check in (name, NEGATION + name):
        [line] = failed_checks(outcome, [(check, expected)], TOOLS)

        assert f"{check}: {expected!r} cannot be judged: " in line
        assert why in line


def test_an_unknown_check_is_an_error() -> None:
    with pytest.raises(KeyError):
        holds(PARIS, "contain", "Paris")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("contains", None),
        ("not-contains", None),
        ("contain", "unknown check 'contain'; did you mean 'contains'? Known are contains, "),
        ("not-contian", "did you mean 'not-contains'?"),
        ("zzzzz", "unknown check 'zzzzz'; known are "),
        ("javascript", "JavaScript is not run here: write the check in Python"),
        ("not-javascript", "JavaScript is not run here"),
    ],
)
def test_the_name_of_a_check_is_known_or_explained(name: str, expected: str | None) -> None:
    problem = unknown_check(name)

    assert problem is None if expected is None else expected in (problem or "")


def test_each_check_that_fails_has_a_line() -> None:
    checks = [("contains", "Paris"), ("contains", "Rome"), ("not-contains", "Paris")]

    assert failed_checks(PARIS, checks) == [
        "contains: 'Rome' does not hold for 'Paris, of course.' (stop)",
        "not-contains: 'Paris' does not hold for 'Paris, of course.' (stop)",
    ]


@pytest.mark.parametrize(
    ("name", "expected", "outcome", "why"),
    [
        ("is-json", COUNTRY, JSON, "'country' is a required property"),
        ("contains-json", True, PARIS, "there is no JSON in it"),
        ("is-valid-tool-call", True, calling("tides"), "no tool is called 'tides'"),
        ("is-valid-tool-call", "clock", calling(), "weather was called, clock was not"),
        ("latency", 1000, TIMED, "it took 1250 ms"),
        ("cost", 0.002, COUNTED, "it cost 0.0021 USD"),
        ("tokens", {"input": 1, "total": 2}, COUNTED, "9 input tokens, 12 total tokens"),
        ("python", "check_functions.is_short_because", said("x" * 100), "100 characters"),
        ("python", "check_functions.asserts_short", said("x" * 100), "too long"),
    ],
)
def test_a_check_that_fails_says_what_it_found(name: str, expected: Any, outcome: Outcome, why: str) -> None:
    [line] = failed_checks(outcome, [(name, expected)], TOOLS)

    assert line.endswith(f": {why}")


def test_a_python_check_is_told_what_was_run() -> None:
    context = CheckContext(scenario="s", case="c", target="t", variables={"city": "Paris"}, folder=HERE)

    assert judged(PARIS, "python", "check_functions.knows_its_place", context).holds


def test_the_page_on_scenarios_explains_every_check() -> None:
    page = (HERE.parents[1] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    table = page.partition("\n## Checks\n")[2].partition("\n## ")[0]

    firsts = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for first in firsts for name in re.findall("`([a-z-]+)`", first)} == CHECKS.keys()
