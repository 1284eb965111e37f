"""The tests and fixtures that the documentation shows are run: recorded from a server, then replayed."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pytest
import yaml
from inner_pytest import ALONE
from local_server import Answer, Asked, LocalServer, echo

from tapeline import chat_model, use_cassette
from tapeline.errors import CassetteMissError
from tapeline.latency.fault_spec import BENDING, BREAKING, FaultSpec
from tapeline.latency.faults import parse_faults
from tapeline.pytest_plugin import settings

pytest_plugins = ["pytester"]

DOCS = Path(__file__).parent.parent / "docs"


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def files_of(page: str) -> dict[str, str]:
    """Return the examples of a page that are files: name -> content."""
    return dict(re.findall(r"^```python (\S+)\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL))


def table(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading, without its head."""
    below = text_of(page).partition(f"\n## {heading}\n")[2]
    [lines] = re.findall(r"((?:^\|.*\n)+)", below, re.MULTILINE)[:1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()[2:]]


def words(cell: str) -> list[str]:
    """Return what stands in code in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def speaking_of_paris(asked: Asked) -> Answer:
    return echo(replace(asked, body=asked.body.replace(b"the capital of France?", b"Paris?")))


def test_the_tests_of_the_page_record_and_replay(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the summaries are those that the page shows."""
    files = files_of("pytest.md")
    for name in files:  # one of ours may have the same
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    pytester.makepyfile(**{name.removesuffix(".py"): code for name, code in files.items()})
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-nobody")
    with LocalServer(speaking_of_paris) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        recorded = pytester.runpytest_inprocess(*ALONE, "--record-mode=once", "test_capital.py")
        pytester.runpytest_inprocess(*ALONE, "--record-mode=once").assert_outcomes(passed=4)
        asked = len(server.asked)
    replayed = pytester.runpytest_inprocess(*ALONE, "test_capital.py")
    everything = pytester.runpytest_inprocess(*ALONE)

    everything.assert_outcomes(passed=4)
    assert asked == 3
    shown = re.findall(
        r"^(?:\d+ played.*|recording took.*|replays saved.*)$", text_of("pytest.md"), re.MULTILINE
    )
    said = [line for run in (recorded, replayed) for line in run.outlines if line in shown]
    assert said == shown


def test_cassettes_of_pytest_vcr_are_found_by_the_fixture_of_the_page(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(files_of("migrate.md")["conftest.py"])
    pytester.makepyfile("""
        import pytest

        @pytest.mark.vcr
        def test_it(vcr, request):
            assert vcr._path == str(request.path.parent / "cassettes" / "test_it.yaml")
    """)

    pytester.runpytest_inprocess(*ALONE).assert_outcomes(passed=1)


def test_a_miss_says_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOCS.parent)
    model = chat_model("openai:smollm2-135m", base_url="http://127.0.0.1:18080/v1")
    prompt = "What is the capital of Spain? Answer in one sentence."

    with use_cassette("cassettes/capital/openai.yaml"), pytest.raises(CassetteMissError) as caught:
        model.generate(prompt, max_tokens=40, temperature=0, seed=1)

    assert f"\n```\n{caught.value.message}\n```\n" in text_of("cassettes.md")


# Tables -------------------------------------------------------------------------------------------------


def test_the_table_of_settings_is_that_of_the_plugin() -> None:
    """Option, ini key and marker key of each, and its values where they are words."""
    rows = [[words(cell) for cell in row] for row in table("pytest.md", "Settings")]
    known = {option.name: option for option in settings.OPTIONS}

    options = {option[0].removeprefix("--"): (ini, values) for option, ini, _, values in rows if option}
    marked = [marker[0] for _, _, marker, _ in rows if marker]

    assert options.keys() == known.keys() | {"record-mode", "cassette-list"}
    assert sorted(marked) == sorted(set(signature(settings._settings).parameters) - {"config"})
    for name, option in known.items():
        ini, values = options[name]
        assert ini == [f"tape_{name.replace('-', '_')}"]
        assert not option.choices or sorted(values) == sorted(option.choices), name
        assert not option.choices or values[0] == option.default, name
    assert tuple(options["record-mode"][1]) == settings.RECORD_MODES


def test_the_table_of_arguments_is_that_of_use_cassette() -> None:
    below = text_of("cassettes.md").partition("| argument |")[2].partition("\n\n")[0]

    assert re.findall(r"^\| `(\w+)`", below, re.MULTILINE) == list(signature(use_cassette).parameters)


def test_the_table_of_record_modes_has_them_all() -> None:
    modes = [mode for first, *_ in table("pytest.md", "Record") for mode in words(first)]

    assert tuple(modes) == settings.RECORD_MODES


@pytest.mark.parametrize(
    ("heading", "kinds"), [("A call breaks", BREAKING), ("An answer is bent", BENDING)], ids=["break", "bend"]
)
def test_the_tables_of_faults_have_each_with_an_example_of_it(heading: str, kinds: tuple[str, ...]) -> None:
    rows = {
        words(name)[0]: yaml.safe_load(words(example)[0]) for name, example, _ in table("faults.md", heading)
    }

    assert tuple(rows) == kinds
    assert [FaultSpec.model_validate(example).kind for example in rows.values()] == list(kinds)


def test_the_table_of_calls_has_every_key_that_is_no_fault() -> None:
    rows = table("faults.md", "Which calls")

    named = {word for name, *_ in rows for word in words(name)}
    assert named == FaultSpec.model_fields.keys() - {*BREAKING, *BENDING, "headers", "body"}
    assert parse_faults([yaml.safe_load(words(example)[0]) for _, example, _ in rows])
