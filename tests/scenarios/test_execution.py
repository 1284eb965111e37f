"""Running scenarios: replays from a tape alone, recordings kept only when they are good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from local_server import LocalServer, echo
from taped import NAME, USAGE, answered, refused, scenario_in, streamed, taped

from tapeline.cassettes.fileformat import load
from tapeline.client import chat_model
from tapeline.clock import VirtualClock
from tapeline.errors import CassetteError, CassetteMissError, ConfigError, ErrorCode, LLMError
from tapeline.providers.mock import Mock
from tapeline.scenarios import ScenarioFile, load_scenario, problems, run_target
from tapeline.scenarios.outcome import Outcome
from tapeline.server import Gateway

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


# Problems -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "outcomes", "expected"),
    [
        ({}, [said("yes")], []),
        ({"checks": [{"contains": "es"}]}, [said("yes")], []),
        (
            {"checks": [{"contains": "no"}], "repeat": 2},
            [said("no"), said("yes")],
            ["call 2: contains: 'no' does not hold for 'yes' (stop)"],
        ),
        ({}, [Outcome(error="rate_limit")], ["call 1: expected an answer, got the error rate_limit"]),
        (
            {"error": "rate_limit"},
            [said("yes")],
            ["call 1: expected the error rate_limit, got 'yes' (stop)"],
        ),
        ({"error": "rate_limit"}, [Outcome(error="rate_limit")], []),
    ],
    ids=["no check", "holds", "does not hold", "unwanted error", "error that did not come", "wanted error"],
)
def test_problems_are_told_a_line_each(
    tmp_path: Path, keys: dict[str, Any], outcomes: list[Outcome], expected: list[str]
) -> None:
    file = load_scenario(scenario_in(tmp_path, **keys))

    assert problems_of(file, outcomes) == expected


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
