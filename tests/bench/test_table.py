"""The comparison fits its terminal, keeps to one unit per column and points out the best."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from bench_runs import call, failed_call, run_of, small_run
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tapeline.bench.results import Results
from tapeline.bench.table import COLUMNS, Figure, compare, comparison_table

PLAIN_100 = """
               calls TTFT       ITL       E2E           tok/s err    cost
                      p50  p95  p50  p95  p50  p95  p99   p50
                       ms   ms   ms   ms    s    s    s         %     USD
 ────────────────────────────────────────────────────────────────────────
 pace recorded
 capital
   fast            4  220  260  220  260  1.1  1.3  1.3  4.17   0 0.00400
   slow            5  660  780  660  780  3.3  3.9  3.9  1.39  20 0.00160
   local           4  440  520  440  520  2.2  2.6  2.6  2.08   0       -
 pace hosted
 capital
   fast            4 2200 2600 2200 2600 11.0 13.0 13.0  0.42   0 0.00400
   slow            5 6600 7800 6600 7800 33.0 39.0 39.0  0.14  20 0.00160
   local           4 4400 5200 4400 5200 22.0 26.0 26.0  0.21   0       -
"""


def printed(results: Results, *, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(comparison_table(results, width=width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def tones(results: Results, group: str, label: str = "") -> dict[str, str]:
    """What is pointed out in one column, by model."""
    place = next(
        place for place, column in enumerate(COLUMNS) if (column.group, column.label) == (group, label)
    )
    rows = [row for block in compare(results) for scenario in block.groups for row in scenario.rows]
    return {row.cell.model: row.figures[place].tone for row in rows}


def test_the_table_reads_like_this() -> None:
    assert stripped(printed(small_run())) == stripped(PLAIN_100)


def test_a_narrow_terminal_keeps_the_names_and_drops_two_columns() -> None:
    names = ("openai:gpt-5.4-mini", "anthropic:claude-haiku-5-5", "ollama:smollm2-135m")
    text = printed(small_run(models=names), width=80)

    assert all(f"  {name} " in text for name in names)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("p95") == 1


@given(st.text(min_size=1, max_size=60), st.integers(70, 120))
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    results = small_run(models=(name, f"{name} 2", f"{name} 3"), scenario=name)

    lines = console.render_lines(comparison_table(results, width=width), pad=False)

    assert max(sum(segment.cell_length for segment in line) for line in lines) <= width


def test_the_best_of_a_scenario_and_pace_is_pointed_out() -> None:
    results = small_run()

    assert tones(results, "TTFT", "p50") == {"fast": "best", "slow": "plain", "local": "plain"}
    assert tones(results, "tok/s", "p50") == {"fast": "best", "slow": "plain", "local": "plain"}
    assert tones(results, "cost") == {"fast": "plain", "slow": "best", "local": "plain"}
    assert tones(results, "err") == {"fast": "plain", "slow": "bad", "local": "plain"}
    assert tones(results, "calls") == {"fast": "plain", "slow": "plain", "local": "plain"}


def test_models_that_read_the_same_are_equally_good() -> None:
    """0.1 ms apart is no reason to prefer one of two that both show 200."""
    results = run_of(call(model="a", ttft_s=0.2), call(model="b", ttft_s=0.2001), call(model="c", ttft_s=0.4))

    assert tones(results, "TTFT", "p50") == {"a": "best", "b": "best", "c": "plain"}


@pytest.mark.parametrize("models", [("a",), ("a", "b")])
def test_nobody_is_best_where_all_are_the_same(models: tuple[str, ...]) -> None:
    results = run_of(*(call(model=model) for model in models))

    assert set(tones(results, "TTFT", "p50").values()) == {"plain"}


def test_part_of_a_bill_is_shown_as_unknown_and_wins_nothing() -> None:
    results = run_of(
        call(0, model="partial", cost_usd=Decimal("0.000001")),
        call(1, model="partial", cost_usd=None),
        call(0, model="dear", cost_usd=Decimal(1)),
        call(0, model="cheap", cost_usd=Decimal("0.5")),
    )

    assert tones(results, "cost") == {"partial": "plain", "dear": "plain", "cheap": "best"}
    assert next(line for line in stripped(printed(results)) if "partial" in line).endswith(" -")


def test_bars_are_shares_of_the_largest_in_the_scenario() -> None:
    results = run_of(call(model="a", ttft_s=0.1), call(model="b", ttft_s=0.4))

    (block,) = compare(results)
    (group,) = block.groups
    assert [row.figures[1] for row in group.rows] == [
        Figure(text="100", tone="best", share=0.25),
        Figure(text="400", tone="plain", share=1.0),
    ]


def test_a_cell_without_good_calls_shows_dashes() -> None:
    (block,) = compare(run_of(failed_call()))

    (row,) = block.groups[0].rows
    assert [figure.text for figure in row.figures] == ["1", *"--------", "100", "-"]


def test_hostile_names_are_shown_not_obeyed() -> None:
    """No escape sequence, no bidi override, and no rich markup."""
    names = ("\x1b[31mred", "[bold]a[/]", "abc\u202egnp.exe")
    text = printed(small_run(models=names, scenario="\x1b]8;;http://evil\x07x"))

    assert "\x1b" not in text
    assert "\u202e" not in text
    for shown in (r"\x1b[31mred", "[bold]a[/]", r"abc\u202egnp.exe", r"\x1b]8;;http://evil\x07x"):
        assert shown in text


def test_no_results_are_an_empty_table() -> None:
    assert "calls" in printed(run_of())
