"""The schema for editors: it takes what the reader takes, and refuses what it refuses for its form."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tapeline.scenarios import Scenario, bundled_scenarios
from tapeline.scenarios.editor_schema import editor_schema

SCHEMA = editor_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
SMALLEST = {"name": "a", "prompt": "hi", "targets": ["openai:m"]}
NESTED = {
    "name": "a",
    "targets": [{"model": "openai:m", "name": "x", "options": {"stop": "."}}],
    "messages": [{"role": "system", "content": ["x", {"image": "https://host/a.png"}]}],
    "turns": ["a", ["b", {"text": "y", "times": 2}], {"content": "c", "checks": [{"not-regex": "x"}]}],
    "tools": [{"name": "t", "parameters": {"type": "object"}, "result": [1]}, {"name": "u", "python": "a.b"}],
    "cases": [{"name": "c", "checks": [{"tokens": {"total": 3}}], "error": "rate_limit"}],
    "faults": [{"status": 429, "times": 2}, {"reset": {"after_events": 3}}, {"rechunk": "merged"}],
    "checks": [{"is-json": {"type": "object"}}, {"latency": "1.2s"}, {"contains-any": ["a"]}],
    "snapshot": ["events", "request_digest"],
    "slos": ["error_rate < 1%"],
}  # fmt: skip


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("content", [SMALLEST, NESTED], ids=["smallest", "nested"])
def test_what_the_reader_takes_fits(content: dict[str, Any]) -> None:
    assert Scenario.model_validate(content)
    assert list(VALIDATOR.iter_errors(content)) == []


def test_the_bundled_scenarios_fit() -> None:
    paths = sorted(bundled_scenarios().glob("*.yaml"))

    assert len(paths) >= 5
    for path in paths:
        assert list(VALIDATOR.iter_errors(yaml.safe_load(path.read_text()))) == []


@pytest.mark.parametrize(
    "keys",
    [
        {"promt": "x"},
        {"targets": []},
        {"targets": [{"modl": "openai:m"}]},
        {"checks": [{"contain": "x"}]},
        {"checks": [{"finish-reason": "done"}]},
        {"cases": [{"nam": "x"}]},
        {"tools": [{}]},
        {"faults": [{"statsu": 1}]},
        {"snapshot": ["words"]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"repeat": 0},
    ],
)
def test_what_has_not_the_form_does_not(keys: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(SMALLEST | keys)


def test_editors_have_a_word_on_each_key_of_ours() -> None:
    tables = {"Scenario": SCHEMA, **SCHEMA["$defs"]}
    ours = {
        name: tables[name]["properties"] for name in ("Scenario", "Target", "Options", "CaseSpec", "ToolSpec")
    }

    assert [
        f"{table}.{key}"
        for table, keys in ours.items()
        for key, schema in keys.items()
        if not {"description", "$ref"} & schema.keys()
    ] == []
