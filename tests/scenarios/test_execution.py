"""Running scenarios: replays from a tape alone, recordings kept only when they are good."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from local_server import LocalServer, echo
from taped import NAME, USAGE, answered, refused, scenario_in, streamed, taped

from tapeline.cassettes.storage.fileformat import load
from tapeline.client import chat_model
from tapeline.clock import VirtualClock
from tapeline.errors import CassetteError, CassetteMissError, ConfigError, ErrorCode, LLMError
from tapeline.providers.mock import Mock
from tapeline.scenarios import ScenarioFile, load_scenario, problems, run_target
from tapeline.scenarios.execution import pace_of
from tapeline.scenarios.outcome import Outcome
from tapeline.server import Gateway
from tapeline.types import ToolCall

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def run(file: ScenarioFile, **options: Any) -> list[Outcome]:
    return run_target(file, file.scenario.targets[0], **options)


def problems_of(file: ScenarioFile, outcomes: list[Outcome]) -> list[str]:
    return problems(file, file.scenario.targets[0], outcomes)


def said(text: str, **facts: Any) -> Outcome:
    return Outcome(text=text, finish_reason="stop", usage=USAGE, model="m", **facts)


# Replay -------------------------------------------------------------------------------------------------


def test_a_plain_answer_is_replayed(tmp_path: Path) -> None:
    file = taped(tmp_path, answered("two words"))

    [outcome] = run(file)

    assert outcome.fields(("text", "finish_reason", "usage", "model")) == said("two words").fields(
        ("text", "finish_reason", "usage", "model")
    )


def test_a_streamed_answer_is_replayed_in_its_chunks(tmp_path: Path) -> None:
    file = taped(tmp_path, streamed("two ", "words"), stream=True)

    [outcome] = run(file)

    assert (outcome.text, outcome.chunk_at_s, outcome.ttft_s) == ("two words", (0.0, 0.0), 0.0)


def test_a_recorded_pace_reports_the_recorded_times(tmp_path: Path) -> None:
    """On a clock of its own: 0.25 s to the head, 0.5 s to each word, and no time of ours."""
    file = taped(tmp_path, streamed("two ", "words", head_s=0.25, gap_s=0.5), stream=True)
    clock = VirtualClock()

    [outcome] = run(file, pace="recorded", clock=clock)

    assert outcome.chunk_at_s == (0.75, 1.25)
    assert clock.now_ns() == VirtualClock().now_ns() + 1_250_000_000


def test_a_schema_gives_a_parsed_value(tmp_path: Path) -> None:
    file = taped(tmp_path, answered('{"city": "Paris"}'), schema=CITY)

    [outcome] = run(file)

    assert outcome.parsed == {"city": "Paris"}


def test_repeated_calls_get_the_answers_in_the_order_of_recording(tmp_path: Path) -> None:
    file = taped(tmp_path, answered("one"), answered("two"), answered("three"), repeat=3)

    assert [outcome.text for outcome in run(file)] == ["one", "two", "three"]


def test_the_error_a_scenario_wants_is_its_outcome(tmp_path: Path) -> None:
    file = taped(tmp_path, refused(401, "no such key"), error="authentication_error")

    outcomes = run(file)

    assert [outcome.fields(("error", "text")) for outcome in outcomes] == [{"error": "authentication_error"}]
    assert problems_of(file, outcomes) == []


@pytest.mark.parametrize("wanted", [None, "context_length_exceeded"], ids=["no error", "another error"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "streamed"])
def test_an_error_nobody_wanted_is_raised(tmp_path: Path, wanted: str | None, is_stream: bool) -> None:
    file = taped(tmp_path, refused(401, "no such key"), error=wanted, stream=is_stream)

    with pytest.raises(LLMError, match="no such key") as raised:
        run(file)

    assert raised.value.code is ErrorCode.AUTHENTICATION_ERROR


def test_an_answer_that_is_no_json_where_a_schema_is_set_is_an_error(tmp_path: Path) -> None:
    file = taped(tmp_path, answered("Paris, of course."), schema=CITY)

    with pytest.raises(LLMError) as raised:
        run(file)

    assert raised.value.code is ErrorCode.INVALID_RESPONSE


def test_a_request_nobody_recorded_is_a_miss(tmp_path: Path) -> None:
    file = taped(tmp_path, answered("two words"))
    changed = load_scenario(scenario_in(tmp_path, prompt="Say three words."))

    with pytest.raises(CassetteMissError, match="three words"):
        run(changed)

    assert run(file)[0].text == "two words"


def test_a_miss_says_what_records_it(tmp_path: Path) -> None:
    keys = {"prompt": "Say {{n}} words.", "cases": [{"name": "x", "vars": {"n": "two"}}]}
    [case] = load_scenario(scenario_in(tmp_path, **keys)).cases()

    with pytest.raises(CassetteMissError) as raised:
        run(case)

    assert f"tapeline record {case.path} --target openai --case x" in raised.value.message


def test_a_missing_cassette_is_a_miss_and_makes_no_file(tmp_path: Path) -> None:
    file = load_scenario(scenario_in(tmp_path))

    with pytest.raises(CassetteMissError):
        run(file)

    assert not (tmp_path / "cassettes").exists()


@pytest.mark.parametrize("options", [{"pace": "fast"}, {"record_mode": "sometimes"}])
def test_an_unknown_pace_or_mode_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    file = taped(tmp_path, answered("two words"))

    with pytest.raises(ConfigError, match=r"fast|sometimes"):
        run(file, **options)


# Recording ----------------------------------------------------------------------------------------------


@pytest.fixture
def echoing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The URL of a gateway that repeats what it was told."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-nobody")
    mock = Mock(replies=lambda request: request.messages[-1].text)
    with Gateway(chat_model("mock:echo", client=mock)) as gateway:
        yield f"{gateway.url}/v1"


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "streamed"])
def test_what_was_recorded_is_replayed(tmp_path: Path, echoing: str, is_stream: bool) -> None:
    target = {"model": "openai:m", "base_url": echoing, "upstream": "the mock"}
    file = load_scenario(scenario_in(tmp_path, targets=[target], stream=is_stream, repeat=2))
    names = file.scenario.snapshot

    recorded = run(file, record_mode="all")
    replayed = run(file)

    assert [outcome.text for outcome in recorded] == ["Say two words."] * 2
    assert [outcome.fields(names) for outcome in replayed] == [outcome.fields(names) for outcome in recorded]
    interactions = load(tmp_path / "cassettes" / NAME / "openai.yaml")
    assert [interaction.response.meta["upstream"] for interaction in interactions] == ["the mock"] * 2


def test_a_recording_that_fails_its_own_checks_leaves_the_old_one(tmp_path: Path, echoing: str) -> None:
    targets = [{"model": "openai:m", "base_url": echoing}]
    file = taped(tmp_path, answered("two words"), targets=targets, checks=[{"contains": "Paris"}])
    cassette = file.cassette(file.scenario.targets[0])
    before = cassette.read_bytes()

    outcomes = run(file, record_mode="all")

    assert len(problems_of(file, outcomes)) == 1
    assert cassette.read_bytes() == before


def test_an_error_while_recording_leaves_the_old_cassette(tmp_path: Path, echoing: str) -> None:
    """The echo of the prompt is no JSON."""
    targets = [{"model": "openai:m", "base_url": echoing}]
    file = taped(tmp_path, answered('{"city": "Paris"}'), targets=targets, schema=CITY)
    cassette = file.cassette(file.scenario.targets[0])
    before = cassette.read_bytes()

    with pytest.raises(LLMError):
        run(file, record_mode="all")

    assert cassette.read_bytes() == before


FORMATS = {"openai": "/v1", "anthropic": "", "bedrock": "", "ollama": ""}


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("provider", FORMATS)
def test_every_format_is_recorded_and_replayed(tmp_path: Path, provider: str, is_stream: bool) -> None:
    """Over a real socket, which is closed again; then with nobody there."""
    names = ("text", "finish_reason", "usage")
    with LocalServer(echo) as server:
        target = {"model": f"{provider}:m", "base_url": server.url + FORMATS[provider]}
        options = {"max_tokens": 9}
        file = load_scenario(scenario_in(tmp_path, targets=[target], stream=is_stream, options=options))
        recorded = run(file, record_mode="once")

    replayed = run(file)

    assert recorded[0].text == "you said Say two words."
    assert [outcome.fields(names) for outcome in replayed] == [outcome.fields(names) for outcome in recorded]
    assert len(server.asked) == 1


def test_a_secret_in_a_recording_keeps_it_from_being_written(tmp_path: Path) -> None:
    with LocalServer(echo) as server:
        target = {"model": "openai:m", "base_url": f"{server.url}/v1"}
        file = load_scenario(scenario_in(tmp_path, targets=[target], prompt="sk-abcdefghijklmnopqrst"))
        with pytest.raises(CassetteError, match="not written"):
            run(file, record_mode="once")

    assert not file.cassette(file.scenario.targets[0]).exists()


# Turns and tools ----------------------------------------------------------------------------------------


def gateway(mock: Mock) -> Gateway:
    return Gateway(chat_model("mock:m", client=mock))


def recorded_over(mock: Mock, folder: Path, **keys: Any) -> tuple[ScenarioFile, list[Outcome]]:
    """Record a scenario from a mock on a socket, which is gone afterwards."""
    with gateway(mock) as server:
        targets = [{"model": "openai:m", "base_url": f"{server.url}/v1"}]
        file = load_scenario(scenario_in(folder, targets=targets, **keys))
        return file, run(file, record_mode="once")


def test_turns_are_recorded_and_replayed_with_their_history(tmp_path: Path) -> None:
    """The mock says how many messages it was sent."""
    mock = Mock(replies=lambda request: f"{len(request.messages)} messages")
    turns = ["one", {"content": "two", "checks": [{"equals": "3 messages"}]}, "three"]

    file, recorded = recorded_over(mock, tmp_path, prompt=None, turns=turns, repeat=2)

    assert [outcome.text for outcome in recorded] == ["1 messages", "3 messages", "5 messages"] * 2
    assert run(file) == recorded
    assert problems_of(file, recorded) == []
    assert [len(outcome.request_digests) for outcome in recorded] == [1] * 6


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "streamed"])
def test_rounds_of_tools_are_recorded_and_replayed(tmp_path: Path, is_stream: bool) -> None:
    call = ToolCall(id="1", name="weather", raw_arguments='{"city":"Paris"}')
    mock = Mock(
        tool_calls=[call], replies=lambda request: f"It is {request.messages[-1].content[0].content}."
    )
    tools = [{"name": "weather", "parameters": CITY, "result": "sunny"}]
    checks = [{"equals": "It is sunny."}, {"is-valid-tool-call": "weather"}]

    file, recorded = recorded_over(mock, tmp_path, tools=tools, checks=checks, stream=is_stream)
    [outcome] = run(file)

    assert recorded == [outcome]
    assert problems_of(file, [outcome]) == []
    assert [made.arguments for made in outcome.tool_calls] == [{"city": "Paris"}]
    assert len(outcome.request_digests) == 2
    assert len(load(file.cassette(file.scenario.targets[0]))) == 2


# Cases --------------------------------------------------------------------------------------------------


def test_each_case_has_a_cassette_of_its_own(tmp_path: Path) -> None:
    mock = Mock(replies=lambda request: request.messages[-1].text)
    with gateway(mock) as server:
        file = load_scenario(
            scenario_in(
                tmp_path,
                prompt="Say {{word}}.",
                targets=[{"model": "openai:m", "base_url": f"{server.url}/v1"}],
                cases=[{"vars": {"word": "yes"}}, {"vars": {"word": "no"}}],
                checks=[{"contains": "{{word}}"}],
            )
        )
        for case in file.cases():
            run(case, record_mode="once")

    assert [run(case)[0].text for case in file.cases()] == ["Say yes.", "Say no."]
    cassettes = sorted((tmp_path / "cassettes").rglob("*.yaml"))
    assert cassettes == [tmp_path / "cassettes" / NAME / "openai" / f"{case}.yaml" for case in ("no", "yes")]


def test_a_whole_table_is_not_run_at_once(tmp_path: Path) -> None:
    file = load_scenario(scenario_in(tmp_path, cases=[{"name": "a"}]))

    with pytest.raises(ConfigError, match=r"run each of file\.cases\(\)"):
        run(file)


# Time and faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        ({"latency": 1250}, True),
        ({"latency": 1249}, False),
        ({"not-latency": 1249}, True),
        ({"ttft": "750ms"}, True),
        ({"ttft": "749ms"}, False),
    ],
)
def test_times_are_checked_at_the_recorded_pace_exactly(
    tmp_path: Path, check: dict[str, Any], holds: bool
) -> None:
    """Without any pace they would always hold."""
    answer = streamed("two ", "words", head_s=0.25, gap_s=0.5)
    file = taped(tmp_path, answer, stream=True, checks=[check])

    assert (problems_of(file, run(file)) == []) is holds


@pytest.mark.parametrize(
    ("keys", "pace"),
    [
        ({}, "none"),
        ({"checks": [{"contains": "x"}]}, "none"),
        ({"checks": [{"ttft": 1}]}, "recorded"),
        ({"prompt": None, "turns": [{"content": "x", "checks": [{"not-latency": 1}]}]}, "recorded"),
        ({"checks": [{"ttft": 1}], "pace": "hosted"}, "hosted"),
        ({"pace": "recorded*2"}, "recorded*2"),
    ],
)
def test_a_scenario_is_replayed_at_its_own_pace(tmp_path: Path, keys: dict[str, Any], pace: str) -> None:
    assert pace_of(load_scenario(scenario_in(tmp_path, **keys)).scenario) == pace


def test_faults_happen_in_replays(tmp_path: Path) -> None:
    """The client tries again, in no real time; the answer is still there."""
    file = taped(tmp_path, answered("two words"), faults=[{"status": 429, "times": 2}])

    [outcome] = run(file)

    assert outcome.text == "two words"
    assert len(outcome.request_digests) == 3
    assert outcome.latency_s is not None
    assert outcome.latency_s > 0


def test_faults_do_not_keep_a_recording_from_being_made(tmp_path: Path, echoing: str) -> None:
    """The error is to come of the faults alone."""
    targets = [{"model": "openai:m", "base_url": echoing}]
    faults = [{"status": 401}]
    file = load_scenario(scenario_in(tmp_path, targets=targets, faults=faults, error="authentication_error"))

    [outcome] = run(file, record_mode="once")

    assert outcome.error == "authentication_error"
    assert b"Say two words." in load(file.cassette(file.scenario.targets[0]))[0].response.body


# What snapshots can hold --------------------------------------------------------------------------------


def test_a_request_that_changes_has_another_digest(tmp_path: Path) -> None:
    [first] = run(taped(tmp_path, answered("two words")))
    [again] = run(taped(tmp_path, answered("two words")))
    [other] = run(taped(tmp_path, answered("two words"), prompt="Say three words."))

    digest = first.fields(("request_digest",))
    assert re.fullmatch("[0-9a-f]{16}", digest["request_digest"])
    assert again.fields(("request_digest",)) == digest
    assert other.fields(("request_digest",)) != digest


def test_the_events_of_a_stream_are_kept(tmp_path: Path) -> None:
    [outcome] = run(taped(tmp_path, streamed("two ", "words"), stream=True))

    assert outcome.fields(("events",)) == {
        "events": [
            {"text": "two "},
            {"text": "words"},
            {"finish_reason": "stop"},
            {"usage": {"input_tokens": 4, "output_tokens": 2}},
        ]
    }


def test_tokens_of_your_own_machine_are_priced_as_named(tmp_path: Path) -> None:
    target = {"model": "openai:m", "base_url": "http://127.0.0.1:1/v1"}
    file = taped(tmp_path, answered("a"), targets=[target | {"price_as": "openai:gpt-5.4-mini"}])

    [priced] = run(file)
    [unpriced] = run(taped(tmp_path, answered("a"), targets=[target]))

    assert priced.cost_usd is not None
    assert priced.cost_usd > 0
    assert unpriced.cost_usd is None


# Verifying ----------------------------------------------------------------------------------------------


def test_to_verify_is_to_ask_again_and_compare_the_shape(tmp_path: Path) -> None:
    """Other words are fine, and what was recorded is the outcome; another shape is an error."""
    answers = iter(["Paris", "Rome", ErrorCode.AUTHENTICATION_ERROR])
    mock = Mock(replies=lambda request: next(answers))
    with gateway(mock) as server:
        targets = [{"model": "openai:m", "base_url": f"{server.url}/v1"}]
        file = load_scenario(scenario_in(tmp_path, targets=targets))
        cassette = file.cassette(file.scenario.targets[0])
        run(file, record_mode="once")
        before = cassette.read_bytes()

        [verified] = run(file, record_mode="verify")

        broken = load_scenario(scenario_in(tmp_path, targets=targets, error="authentication_error"))
        with pytest.raises(CassetteError, match=r"openai\.yaml: the answers of today differ in shape"):
            run(broken, record_mode="verify")

    assert verified.text == "Paris"
    assert cassette.read_bytes() == before
