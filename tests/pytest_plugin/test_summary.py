"""The summary at the end of a run, added up over workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from inner_pytest import BARE, Inner, recording

from tapeline.cassettes.review.spending import Meter, Totals
from tapeline.cassettes.storage.fileformat import save
from tapeline.cassettes.tape import Tape
from tapeline.latency.pacing import Immediate
from tapeline.pytest_plugin.findings import Finding, TapedTest
from tapeline.pytest_plugin.settings import TapeSettings
from tapeline.pytest_plugin.summary import Tally

pytest_plugins = ["pytester"]

SETTINGS = TapeSettings(
    path=None,
    record_mode="none",
    pace=Immediate(),
    ignore=(),
    faults=None,
    unplayed="fail",
    drift="warn",
    max_age_s=None,
    on_expiry="warn",
)


def test_a_run_without_tapes_says_nothing(inner: Inner) -> None:
    result = inner.run("    def test_it(): ...")

    result.assert_outcomes(passed=1)
    assert "= tapes =" not in result.stdout.str()


@pytest.mark.slow
def test_workers_are_added_up(inner: Inner) -> None:
    """What each xdist worker counted arrives in the one summary."""
    cassettes = {f"test_{letter}": [recording(), recording("more")] for letter in "abc"}
    inner.run(
        "".join(f"\n    @pytest.mark.tape\n    def test_{letter}(): ask()\n" for letter in "abc"), **cassettes
    )

    result = inner.pytester.runpytest_inprocess(*BARE, "-n2", "--unplayed=warn")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["*tapes*", "*interaction 2*", "3 played, 3 unplayed", "replays saved 3 calls*"]
    )


def test_a_tally_travels_as_json() -> None:
    tally = Tally(
        played=3,
        recorded=1,
        found=Counter(drifted=2),
        warnings=["drifted"],
        saved=Totals(calls=3, input_tokens=5, output_tokens=7, cost_usd=Decimal("0.25")),
    )

    arrived = Tally.from_json(tally.to_json())
    arrived.merge(tally)

    assert list(arrived.lines()) == [
        "6 played, 2 recorded, 4 drifted",
        "replays saved 6 calls, 24 tokens, 0.50 USD",
    ]
    assert arrived.warnings == ["drifted", "drifted"]


def test_findings_of_one_kind_are_added_up() -> None:
    taped = TapedTest(tape=Tape(source="t"), settings=SETTINGS, is_expired=False)
    findings = [Finding(kind="changed", severity="warn", count=1, text=text) for text in ("one", "two")]
    tally = Tally()

    tally.add(taped, findings, Meter())

    assert tally.found == Counter(changed=2)


def test_tapes_of_scenarios_are_counted_too(inner: Inner) -> None:
    """Played, saved, and what drifted outside the match."""
    (inner.pytester.path / "scenarios").mkdir()
    (inner.pytester.path / "scenarios" / "greeting.yaml").write_text(
        "{name: greeting, prompt: hi, options: {seed: 2}, match: {ignore: [$.seed]}, "
        "targets: [{model: 'openai:m', base_url: 'http://127.0.0.1:1/v1'}]}"
    )
    item = recording()
    body = item.request.body.replace(b'"model"', b'"seed": 1, "model"')
    cassette = inner.pytester.path / "cassettes" / "greeting" / "openai.yaml"
    save(cassette, [replace(item, request=replace(item.request, body=body))])

    result = inner.again("--snapshot-update", "--drift=fail")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*interaction 1: $.seed: 1 -> 2", "1 played, 1 drifted", "replays saved 1 call*"]
    )
