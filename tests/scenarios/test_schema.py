"""The schema: what a scenario file may say, what it means unsaid, and what it may not say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tapeline.scenarios import Scenario, Target
from tapeline.types import system, user

SMALLEST = {"name": "a", "prompt": "hi", "targets": ["openai:m"]}


def scenario(**keys: Any) -> Scenario:
    return Scenario.model_validate(SMALLEST | keys)


def refusal(**keys: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        scenario(**keys)
    return str(raised.value)


def test_what_is_not_said_has_a_default() -> None:
    assert scenario().model_dump(by_alias=True) == {
        "name": "a",
        "description": "",
        "tags": (),
        "skip": None,
        "xfail": None,
        "vars": {},
        "cases": (),
        "prompt": "hi",
        "messages": (),
        "turns": (),
        "stream": False,
        "tools": (),
        "tool_choice": None,
        "max_rounds": 10,
        "schema": None,
        "options": Target(model="openai:m").options.model_dump(),
        "targets": (Target(model="openai:m").model_dump(),),
        "repeat": 1,
        "pace": None,
        "faults": (),
        "checks": (),
        "error": None,
        "snapshot": ("text", "parsed", "finish_reason", "usage", "error"),
        "match": {"ignore": ()},
        "load": {"requests": 40, "concurrency": 4},
        "slos": (),
    }


def test_a_target_may_be_a_model_name_alone() -> None:
    short, long = scenario(), scenario(targets=[{"model": "openai:m"}])

    assert short == long


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(model="openai:gpt-5.4-mini"), ("openai", "openai")),
        (Target(model="ollama:qwen3:0.6b"), ("ollama", "ollama")),
        (Target(model="openai:m", name="local"), ("openai", "local")),
    ],
)
def test_a_target_is_called_by_its_name_or_its_provider(target: Target, expected: tuple[str, str]) -> None:
    assert (target.provider, target.id) == expected


def test_a_prompt_is_the_conversation() -> None:
    assert scenario().conversation() == "hi"


def test_messages_are_a_conversation_and_a_long_one_may_be_written_short() -> None:
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": {"text": "ha ", "times": 3}},
    ]

    conversation = scenario(prompt=None, messages=said).conversation()

    assert conversation == (system("Be brief."), user("ha ha ha "))


def test_only_options_that_were_set_are_given() -> None:
    """A default that was passed on would win over the model's own."""
    assert scenario().options.given() == {}
    assert scenario(options={"temperature": 0, "stop": ["."]}).options.given() == {
        "temperature": 0,
        "stop": (".",),
    }


def test_a_schema_stands_under_its_own_word() -> None:
    assert scenario(schema={"type": "object"}).json_schema == {"type": "object"}


TEXTS_OF_CHECKS = [
    ("contains", "Paris"),
    ("not-contains", "Rome"),
    ("equals", 42),
    ("is-json", True),
    ("not-is-json", True),
    ("contains-any", ["a", "b"]),
    ("min-chunks", 3),
    ("finish-reason", "stop"),
    ("regex", "^P"),
]


@pytest.mark.parametrize(("name", "value"), TEXTS_OF_CHECKS)
def test_a_check_is_a_name_and_its_value(name: str, value: object) -> None:
    [check] = scenario(checks=[{name: value}]).checks

    assert (check.name, check.value) == (name, value)


def test_a_scenario_may_say_all_of_this() -> None:
    """Tools, turns, faults, objectives: one of each, in its short form where there is one."""
    full = scenario(
        prompt=None,
        tags=["smoke"],
        messages=[{"role": "system", "content": "Be brief."}],
        turns=["hi", {"content": ["and", {"text": "bye"}], "checks": [{"contains": "bye"}]}],
        tools=[{"name": "weather", "result": "sunny"}],
        tool_choice="weather",
        max_rounds=3,
        pace="recorded*0.5",
        faults=[{"status": 429, "times": 2}],
        checks=[{"not-contains": "x"}],
        slos=["ttft_p95 < 800ms"],
        snapshot=["tool_calls", "thinking", "events", "request_digest"],
    )

    assert [turn.message().text for turn in full.turns] == ["hi", "andbye"]
    assert [[check.name for check in full.checks_of_turn(turn)] for turn in (0, 1)] == [
        ["not-contains"],
        ["not-contains", "contains"],
    ]
    assert [str(slo) for slo in full.slos] == ["ttft_p95 < 0.8 s"]
    assert [fault.kind for fault in full.faults] == ["status"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "neither prompt nor messages": ({"prompt": None}, "either prompt or messages"),
    "both": ({"messages": [{"role": "user", "content": "x"}]}, "either prompt or messages"),
    "no target": ({"targets": []}, "at least 1"),
    "prompt and turns": ({"turns": ["x"]}, "either prompt or messages and turns"),
    "targets that a file system takes for one": (
        {"targets": [{"model": "openai:m", "name": "a"}, {"model": "openai:m", "name": "A"}]},
        "another target is called 'A' too",
    ),
    "a schema that is none": ({"schema": {"type": "objekt"}}, "not a JSON schema"),
    "a tag that is a marker of pytest's": ({"tags": ["xfail"]}, "a marker of pytest's own"),
    "a variable of two words": ({"vars": {"two words": 1}}, "no name for a variable"),
    "a table without end": ({"cases": [{"name": f"n{n}"} for n in range(1_001)]}, "at most 1000"),
    "no rounds": ({"max_rounds": 0}, "greater than 0"),
    "two faults in one": (
        {"faults": [{"status": 429, "refused": True}]},
        "2 faults: write an entry for each",
    ),
    "a target twice": ({"targets": ["openai:a", "openai:b"]}, "another target is called 'openai' too"),
    "no provider": ({"targets": ["gpt-5"]}, "provider:model"),
    "no provider of the price": (
        {"targets": [{"model": "openai:m", "price_as": "gpt"}]},
        "provider:model",
    ),
    "a target that leaves the folder": (
        {"targets": [{"model": "openai:m", "name": "../x"}]},
        "'../x'",
    ),
    "a name that leaves the folder": ({"name": "../x"}, "letters, digits"),
    "an absolute name": ({"name": "/etc/x"}, "letters, digits"),
    "a hidden name": ({"name": ".x"}, "letters, digits"),
    "a name with a newline at its end": ({"name": "a\n"}, "letters, digits"),
    "an empty name": ({"name": ""}, "letters, digits"),
    "a long name": ({"name": "a" * 101}, "letters, digits"),
    "a role nobody has": ({"prompt": None, "messages": [{"role": "robot", "content": "x"}]}, "'user'"),
    "repeated never": ({"repeat": 0}, "greater than 0"),
    "a load of nothing": ({"load": {"requests": 0}}, "greater than 0"),
    "too hot": ({"options": {"temperature": 2.1}}, "less than or equal to 2"),
    "an error nobody raises": ({"error": "nope"}, "rate_limit"),
    "a field no outcome has": ({"snapshot": ["words"]}, "'finish_reason'"),
    "no JSON path": ({"match": {"ignore": ["a..b"]}}, "not a JSON path"),
    "an unknown check": (
        {"checks": [{"contain": "x"}]},
        "did you mean 'contains'? Known are contains, contains-all",
    ),
    "an unknown check turned round": (
        {"checks": [{"not-contain": "x"}]},
        "unknown check 'not-contain'; did you mean 'not-contains'?",
    ),
    "turned round twice": ({"checks": [{"not-not-contains": "x"}]}, "unknown check"),
    "two checks in one": ({"checks": [{"contains": "x", "equals": "y"}]}, "one key and its value"),
    "a check without value": ({"checks": ["contains"]}, "one key and its value"),
    "a text that is a list": ({"checks": [{"contains": ["x"]}]}, "no text: put it in quotes"),
    "a text that is true": ({"checks": [{"equals": True}]}, "no text: put it in quotes"),
    "a list that is a text": ({"checks": [{"contains-all": "x"}]}, "a list of texts"),
    "an empty list": ({"checks": [{"contains-any": []}]}, "a list of texts"),
    "no pattern": ({"checks": [{"not-regex": "("}]}, "not a regular expression"),
    "is-json: false": ({"checks": [{"is-json": False}]}, "write `true` or a JSON schema"),
    "no number of chunks": ({"checks": [{"min-chunks": True}]}, "a number of chunks"),
    "an unknown end": ({"checks": [{"finish-reason": "done"}]}, "known are stop"),
}


@pytest.mark.parametrize(("keys", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_nonsense_is_refused_with_a_hint(keys: dict[str, Any], expected: str) -> None:
    assert expected in refusal(**keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"extra": 1},
        {"options": {"extra_": 1}},
        {"targets": [{"model": "openai:m", "x": 1}]},
        {"load": {"x": 1}},
        {"match": {"x": 1}},
    ],
    ids=["top", "options", "targets", "load", "match"],
)
def test_an_unknown_key_is_refused_everywhere(keys: dict[str, Any]) -> None:
    assert "extra_forbidden" in refusal(**keys)
