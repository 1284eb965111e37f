"""The runner: scenarios against tapes, exact on the virtual clock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tapeline.bench.runner import Plan, run_benchmark
from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.storage.fileformat import save
from tapeline.client import chat_model
from tapeline.errors import CassetteMissError, ConfigError
from tapeline.latency.pacing import IncomingRequest, RecordedTimes
from tapeline.providers.mock import Mock
from tapeline.providers.openai import OpenAICodec
from tapeline.scenarios import bundled_scenarios, load_scenario, run_target
from tapeline.server import Gateway
from tapeline.types import ChatRequest, Chunk, Usage, user

SCENARIO = """
name: two-words
prompt: Say two words.
stream: true
targets:
  - model: openai:m
    base_url: http://127.0.0.1:1/v1
    price_as: openai:gpt-5-mini
load: {requests: 4, concurrency: 2}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A scenario whose one recording took 0.5 s to the first word, 0.25 s more to the second."""
    folder = tmp_path / "scenarios"
    folder.mkdir()
    path = folder / "two-words.yaml"
    path.write_text(SCENARIO)
    codec = OpenAICodec()
    request = ChatRequest(model="m", messages=(user("Say two words."),), is_stream=True)
    end = Chunk(finish_reason="stop", usage=Usage(input_tokens=1000, output_tokens=2))
    blocks = list(codec.encode_stream([Chunk(text="two "), Chunk(text="words"), end], model="m"))
    ends_s = (0.4, 0.65, 0.65, 0.65, 0.65)
    recorded = Interaction(
        request=IncomingRequest(
            method="POST",
            url="http://127.0.0.1:1/v1/chat/completions",
            headers={},
            body=codec.encode_request(request).body,
        ),
        response=RecordedResponse(
            status=200,
            reason="OK",
            headers=(("content-type", "text/event-stream"),),
            body=b"".join(blocks),
            times=RecordedTimes(
                head_s=0.1,
                blocks=tuple((len(b), s) for b, s in zip(blocks, ends_s, strict=True)),
            ),
        ),
    )
    save(tmp_path / "cassettes" / "two-words" / "openai.yaml", [recorded])
    return path


def plan(path: Path, **options: object) -> Plan:
    return Plan(files=[load_scenario(path)], **options)  # type: ignore[arg-type]


def test_a_recorded_pace_gives_the_recorded_times_exactly(scenario: Path) -> None:
    heard: list[str] = []

    results = run_benchmark(plan(scenario, paces=["recorded"]), on_call=heard.append)

    [cell] = results.cells
    assert cell.ttft_s is not None
    assert (cell.ttft_s.min, cell.ttft_s.max) == (0.5, 0.5)
    assert cell.itl_s is not None
    assert cell.itl_s.p50 == 0.25
    assert cell.total_s is not None
    assert cell.total_s.p99 == 0.75
    assert cell.makespan_s == 1.5  # four calls, two at a time
    assert (cell.requests, cell.errors, cell.http_calls, len(heard)) == (4, 0, 4, 4)
    assert cell.request_bytes == 4 * len(
        OpenAICodec()
        .encode_request(ChatRequest(model="m", messages=(user("Say two words."),), is_stream=True))
        .body
    )


def test_costs_are_those_of_the_model_it_is_priced_as(scenario: Path) -> None:
    [cell] = run_benchmark(plan(scenario, paces=["none"]), on_call=print).cells

    assert cell.priced_as == "openai:gpt-5-mini"
    assert cell.cost_usd is not None
    assert cell.cost_usd > 0


def test_requests_and_concurrency_win_over_the_scenario(scenario: Path) -> None:
    [cell] = run_benchmark(
        plan(scenario, paces=["recorded"], requests=6, concurrency=6), on_call=lambda _: None
    ).cells

    assert (cell.requests, cell.makespan_s) == (6, 0.75)


def test_a_seed_decides_the_simulated_times(scenario: Path) -> None:
    def figures(seed: int) -> str:
        return run_benchmark(plan(scenario, paces=["hosted"], seed=seed), on_call=lambda _: None).to_json()

    assert figures(1) == figures(1)
    assert figures(1) != figures(2).replace('"seed": 2', '"seed": 1')


def test_a_missing_recording_ends_the_run(scenario: Path) -> None:
    scenario.write_text(SCENARIO.replace("two words.", "three words."))

    with pytest.raises(CassetteMissError, match="three words"):
        run_benchmark(plan(scenario), on_call=lambda _: None)


def test_an_unknown_pace_is_refused(scenario: Path) -> None:
    with pytest.raises(ConfigError, match="hosted"):
        run_benchmark(plan(scenario, paces=["fast"]), on_call=lambda _: None)


def test_every_bundled_scenario_ends_as_it_should() -> None:
    files = [load_scenario(path) for path in sorted(bundled_scenarios().glob("*.yaml"))]

    results = run_benchmark(Plan(files=files, requests=1, concurrency=1), on_call=lambda _: None)

    assert [cell.scenario for cell in results.cells if cell.errors] == []
    assert len(results.cells) == 2 * sum(len(file.scenario.targets) for file in files)


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes_in_any_process(scenario: Path) -> None:
    command = [sys.executable, "-m", "tapeline", "bench", str(scenario), "--json"]
    outputs = [
        subprocess.run(command, capture_output=True, check=True, env=os.environ | {"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]

    assert outputs[0].stdout == outputs[1].stdout


def test_each_case_is_a_cell_of_its_own(scenario: Path) -> None:
    scenario.write_text(
        SCENARIO.replace("two words", "{{n}} words") + "cases: [{name: short, vars: {n: two}}]\n"
    )
    old = scenario.parent.parent / "cassettes" / "two-words" / "openai.yaml"
    (old.parent / "openai").mkdir()
    old.rename(old.parent / "openai" / "short.yaml")
    heard: list[str] = []

    [cell] = run_benchmark(plan(scenario, paces=["recorded"]), on_call=heard.append).cells

    assert (cell.scenario, cell.requests, cell.errors) == ("two-words[short]", 4, 0)
    assert set(heard) == {"two-words[short] openai:m recorded"}


def test_a_case_that_is_skipped_is_not_measured(scenario: Path) -> None:
    scenario.write_text(SCENARIO + "cases: [{name: short, skip: not today}]\n")

    assert run_benchmark(plan(scenario), on_call=lambda _: None).cells == ()


def test_faults_happen_in_benchmarks(scenario: Path) -> None:
    """Two of four calls are tried twice, and take as much longer as the client waits."""
    scenario.write_text(SCENARIO + "faults: [{status: 429, times: 2}]\n")

    [cell] = run_benchmark(plan(scenario, paces=["recorded"], concurrency=1), on_call=lambda _: None).cells

    assert (cell.errors, cell.http_calls) == (0, 6)
    assert cell.total_s is not None
    assert cell.total_s.min == 0.75
    assert cell.total_s.max > 0.75


def test_a_conversation_is_one_call_of_all_its_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tokens and its time are theirs together."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-nobody")
    path = tmp_path / "scenarios" / "talk.yaml"
    path.parent.mkdir()
    mock = Mock(replies=lambda request: f"{len(request.messages)} messages")
    with Gateway(chat_model("mock:m", client=mock)) as server:
        target = f"{{model: openai:m, base_url: '{server.url}/v1'}}"
        path.write_text(f"name: talk\nturns: [one, two]\ntargets: [{target}]\nload: {{requests: 2}}\n")
        file = load_scenario(path)
        outcomes = run_target(file, file.scenario.targets[0], record_mode="once")

    [cell] = run_benchmark(plan(path, paces=["none"]), on_call=lambda _: None).cells

    tokens = sum(outcome.usage.input_tokens or 0 for outcome in outcomes)
    assert (cell.requests, cell.http_calls, cell.errors, cell.input_tokens) == (2, 4, 0, 2 * tokens)
