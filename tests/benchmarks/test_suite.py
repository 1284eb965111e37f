"""The asv suite measures what it says: all of it is found, what is called exact is exact, gaps are gaps."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("asv_runner", reason="the benchmarks need the extra `asv`")

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "benchmarks"
PREFIXES = re.compile(r"(time|timeraw|track|mem|peakmem|opcodes|ratio)_")
PROVIDERS = ("openai", "openai-responses", "anthropic", "bedrock", "ollama")

DISCOVER = "import sys; from asv_runner.discovery import list_benchmarks as run; run(sys.argv[1], sys.stdout)"

EXACT_FIGURES = """
import json, sys
sys.path.insert(0, sys.argv[1])
from benchmarks import adapter, decoding, encoding, kinds, simulation

adapter.spare_the_sdks(("openai", "anthropic"))
[story] = [file for file in adapter.scenario_files() if file.scenario.name == "tape-measure"]
figures = {target.id: simulation.cell(story, target, "hosted") for target in story.scenario.targets}
if hasattr(sys, "monitoring"):
    for benchmark in (decoding.Stream(), decoding.Reply(), encoding.Request()):
        benchmark.setup("anthropic")
        [name] = [name for name in dir(benchmark) if name.startswith("opcodes_")]
        figures[name] = kinds.OpcodesBenchmark(name, getattr(benchmark, name), [benchmark]).run("anthropic")
print(json.dumps(figures))
"""

WITH_AND_WITHOUT_SDK = """
import sys
sys.path.insert(0, sys.argv[1])
from benchmarks import adapter, simulation

[capital] = [file for file in adapter.scenario_files() if file.scenario.name == "capital"]
[target] = [target for target in capital.scenario.targets if target.id == "openai"]
over_the_sdk = simulation.cell(capital, target, "hosted")
assert "openai" in sys.modules
adapter.spare_the_sdks(["openai"])
assert simulation.cell(capital, target, "hosted") == over_the_sdk
assert over_the_sdk["http_calls"] == simulation.REQUESTS
"""


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The suite's modules, importable for one test."""
    monkeypatch.syspath_prepend(str(ROOT))
    names = ("adapter", "against_vcrpy", "canned", "decoding", "kinds", "tapes", "wire", "tools.finish_site")
    yield SimpleNamespace(
        package=import_module("benchmarks"),
        **{name.rpartition(".")[2]: import_module(f"benchmarks.{name}") for name in names},
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def benchmarks() -> list[dict[str, Any]]:
    """Every benchmark, as asv finds it."""
    found: list[dict[str, Any]] = json.loads(_run(DISCOVER, SUITE))
    return found


def _run(code: str, *arguments: str | Path, **environment: str) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def _configuration() -> dict[str, Any]:
    lines = (ROOT / "asv.conf.json").read_text(encoding="utf-8").splitlines()
    configuration: dict[str, Any] = json.loads(
        "\n".join(line for line in lines if not line.strip().startswith("//"))
    )
    return configuration


def _functions() -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SUITE.glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    functions = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [function for function in functions if PREFIXES.match(function.name)]


# What asv needs -----------------------------------------------------------------------------------------


def test_asv_finds_every_benchmark_that_is_written(benchmarks: list[dict[str, Any]]) -> None:
    """A name that no kind of benchmark claims would be left out without a word."""
    found = {benchmark["name"].rpartition(".")[2] for benchmark in benchmarks}

    assert found == {function.name for function in _functions()}


def test_no_benchmark_is_a_coroutine() -> None:
    """asv would time the creation of the coroutine, and report it as the figure."""
    assert [function.name for function in _functions() if isinstance(function, ast.AsyncFunctionDef)] == []


def test_every_benchmark_says_what_it_counts() -> None:
    assert [function.name for function in _functions() if not ast.get_docstring(function)] == []


def test_a_figure_has_a_unit_a_direction_and_a_version_of_its_own(benchmarks: list[dict[str, Any]]) -> None:
    """Without a version asv takes a hash of the source: a new comment would end the series."""
    untold = [b["name"] for b in benchmarks if b["unit"] == "unit" or not b["version"].isdecimal()]
    upside_down = [
        b["name"]
        for b in benchmarks
        if b["type"] in ("track", "opcodes", "ratio") and not b["less_is_better"]
    ]

    assert untold == []
    assert upside_down == []


def test_each_benchmark_has_exactly_one_threshold(benchmarks: list[dict[str, Any]]) -> None:
    """asv takes the largest that matches, so an overlap would loosen the strict one."""
    thresholds = _configuration()["regressions_thresholds"]
    matches = {
        benchmark["name"]: [
            pattern for pattern in thresholds if re.match(pattern, f"{benchmark['name']}('openai')@main")
        ]
        for benchmark in benchmarks
    }

    assert {name for name, patterns in matches.items() if len(patterns) != 1} == set()
    assert {pattern for patterns in matches.values() for pattern in patterns} == set(thresholds)


def test_only_exact_figures_have_a_threshold_of_zero(benchmarks: list[dict[str, Any]]) -> None:
    thresholds = _configuration()["regressions_thresholds"]
    [zero] = [pattern for pattern, threshold in thresholds.items() if threshold == 0]

    strict = {benchmark["type"] for benchmark in benchmarks if re.match(zero, benchmark["name"])}

    assert strict == {"track", "opcodes"}


def test_no_dependency_is_part_of_a_graphs_identity() -> None:
    assert "matrix" not in _configuration()


# Exactness ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_exact_figures_do_not_depend_on_the_process() -> None:
    """Simulations and opcode counts are the same bytes under any hash seed."""
    command = [sys.executable, "-c", EXACT_FIGURES, str(ROOT)]
    processes = [
        subprocess.Popen(command, env=os.environ | {"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE)
        for seed in ("0", "4242")
    ]

    first, second = (process.communicate()[0] for process in processes)

    assert [process.returncode for process in processes] == [0, 0]
    assert first == second
    assert b"calls failed" not in first
    assert b"Error" not in first


@pytest.mark.slow
def test_simulations_give_the_same_figures_with_and_without_the_sdk() -> None:
    _run(WITH_AND_WITHOUT_SDK, ROOT)


# What is measured ---------------------------------------------------------------------------------------


def test_the_adapter_finds_all_it_names(suite: SimpleNamespace) -> None:
    """Whatever moves must be named anew, or its series would turn into gaps."""
    for name in suite.adapter.PARTS:
        suite.adapter.part(name)


def test_what_a_commit_does_not_have_is_a_gap(
    suite: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"NotThere": ("tapeline.types",), "later": ("tapeline.not_there",)}
    monkeypatch.setattr(suite.adapter, "PARTS", parts)

    for name in parts:
        with pytest.raises(NotImplementedError, match=name):
            suite.adapter.part(name)


def test_a_missing_dependency_is_no_gap(suite: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite.adapter, "PARTS", {"part": ("not_installed.at_all",)})

    with pytest.raises(ModuleNotFoundError):
        suite.adapter.part("part")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_fixed_bytes_are_answers(suite: SimpleNamespace, provider: str) -> None:
    codec, wire = suite.adapter.codec(provider), suite.wire.WIRES[provider]
    decoder = codec.stream_decoder()

    chunks = [chunk for block in wire.stream(3) for chunk in decoder.feed(block)] + decoder.finish()
    reply = codec.decode_response(wire.reply)

    assert "".join(chunk.text for chunk in chunks) == " measure" * 3
    assert "stop" in [chunk.finish_reason for chunk in chunks]
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (12, 40)
    assert reply.text.startswith("A tape measure")


def test_a_client_without_a_network_serves_any_number_of_calls(suite: SimpleNamespace) -> None:
    wire = suite.wire.WIRES["ollama"]
    http_client = suite.canned.client(wire.stream(3), wire.stream_media_type)
    model = suite.adapter.chat_model("ollama", wire.model, http_client)

    texts = ["".join(chunk.text for chunk in model.stream("?")) for _ in range(2)]

    assert texts == [" measure" * 3] * 2


def test_the_cassette_written_by_hand_can_be_played(suite: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "tape.yaml"
    path.write_text(suite.tapes.cassette(2, 3), encoding="utf-8")

    interactions = suite.adapter.load_interactions(path)
    tape = suite.adapter.looping_tape(interactions)
    request = suite.adapter.incoming_request(suite.tapes.URL, suite.tapes.request_body(1))
    played = tape(request)

    assert [block.data for block in played.blocks] == suite.wire.WIRES["openai"].stream(3)
    assert [interaction.response.times is not None for interaction in interactions] == [True, True]


def test_we_and_vcrpy_do_the_same_when_compared(
    suite: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find every recording of a tape, again and again, and hand out the same bytes."""
    monkeypatch.chdir(tmp_path)
    places = suite.against_vcrpy.spread(6, 3)

    ours, stock = suite.against_vcrpy.replays(6, places)
    found, stock_found = suite.against_vcrpy.lookups(6, places)

    assert list(places) == [1, 3, 5]
    assert (
        [ours(), ours()] == [stock(), stock()] == [[b"".join(suite.wire.WIRES["openai"].stream(1))] * 3] * 2
    )
    assert [response.status for response in found()] == [200] * 3
    assert [response["status"]["code"] for response in stock_found()] == [200] * 3


# The machinery ------------------------------------------------------------------------------------------


def test_code_from_elsewhere_is_not_measured(suite: SimpleNamespace, tmp_path: Path) -> None:
    """Such as an installed wheel that hides the commit under test."""
    with pytest.raises(RuntimeError, match="not in asv's checkout"):
        suite.package._refuse_foreign_code(tmp_path)


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="sys.monitoring came with Python 3.12")
def test_opcodes_count_work_and_not_time(suite: SimpleNamespace) -> None:
    def loop(turns: int) -> None:
        for _ in range(turns):
            pass

    counts = [suite.kinds.count_opcodes(lambda turns=turns: loop(turns)) for turns in (10, 20, 20)]

    assert counts[0] < counts[1] == counts[2]


@pytest.mark.slow
def test_a_ratio_keeps_one_sample_per_pair(suite: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite.kinds, "SAMPLE_NS", 1_000)

    def ratio_of_itself() -> tuple[Any, Any]:
        return suite.wire.WIRES.copy, suite.wire.WIRES.copy

    source = SimpleNamespace(pairs=3)
    result = suite.kinds.RatioBenchmark("ratio_of_itself", ratio_of_itself, [ratio_of_itself, source]).run()

    assert len(result["samples"]) == 3
    assert all(sample > 0 for sample in result["samples"])


def test_links_of_the_feed_open_anywhere(suite: SimpleNamespace) -> None:
    feed = '<link href="index.html#calls.Call.time_20_calls?p-provider=%27ollama%27&amp;commits=1f" />'

    absolute = suite.finish_site.with_absolute_links(feed, "https://example.org/tapeline/")

    assert absolute == (
        '<link href="https://example.org/tapeline/#view=explore&amp;bench=calls.Call.time_20_calls" />'
    )


def test_the_site_has_no_card_without_a_graph(suite: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "a.time_b.json").write_text("[]", encoding="utf-8")
    (tmp_path / "index.json").write_text('{"benchmarks": {"a.time_b": {}, "a.time_c": {}}}', encoding="utf-8")

    suite.finish_site.drop_empty_cards(tmp_path)

    assert json.loads((tmp_path / "index.json").read_text("utf-8")) == {"benchmarks": {"a.time_b": {}}}


def test_an_environment_made_from_other_requirements_is_not_used(
    suite: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor is it replaced without a word: asv's log names what changed."""
    config = pytest.importorskip("asv.config", reason="asv itself is only needed to run the benchmarks")
    monkeypatch.chdir(ROOT)
    plugin = import_module("benchmarks.tools.asv_env")
    conf = config.Config.load("asv.conf.json")
    conf.env_dir = str(tmp_path)
    environment = plugin.CheckoutEnvironment(conf, "3.12", {}, {})
    python, stamp = Path(environment._path, "bin", "python"), Path(environment._path, plugin.STAMP)
    python.parent.mkdir(parents=True)
    python.touch()

    stamp.write_text("\n".join(environment._specs), encoding="utf-8")
    is_used_as_it_is = environment.check_presence()
    stamp.write_text("\n".join([*environment._specs, "left-over==1"]), encoding="utf-8")
    is_used_though_changed = environment.check_presence()

    assert is_used_as_it_is
    assert not is_used_though_changed
    assert "left-over==1" in caplog.text
