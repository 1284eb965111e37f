"""Which runs are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.errors import ConfigError
from tapeline.scenarios import Scenario, ScenarioFile
from tapeline.scenarios.selection import Run, all_runs, matches, select

CAPITAL = {
    "name": "capital",
    "prompt": "{{country}}?",
    "targets": ["openai:m", "ollama:m"],
    "cases": [{"vars": {"country": "France"}}, {"vars": {"country": "Italy"}}],
}
STORY = {"name": "story", "prompt": "hi", "targets": ["openai:m"]}


@pytest.fixture
def runs() -> list[Run]:
    files = [ScenarioFile(Path("x.yaml"), Scenario.model_validate(content)) for content in (CAPITAL, STORY)]
    return all_runs(files)


ALL = [
    "capital[France@openai]",
    "capital[France@ollama]",
    "capital[Italy@openai]",
    "capital[Italy@ollama]",
    "story[openai]",
]


def test_every_case_meets_every_target(runs: list[Run]) -> None:
    assert [run.id for run in runs] == ALL


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, ALL),
        ({"targets": ["ollama"]}, [ALL[1], ALL[3]]),
        ({"cases": ["Italy"]}, ALL[2:4]),
        ({"targets": ["openai"], "cases": ["France", "Italy"]}, [ALL[0], ALL[2]]),
        ({"keyword": "france or STORY"}, [ALL[0], ALL[1], ALL[4]]),
        ({"keyword": "capital and not ollama", "cases": ["Italy"]}, [ALL[2]]),
    ],
)
def test_runs_are_chosen(runs: list[Run], choice: dict[str, list[str]], expected: list[str]) -> None:
    assert [run.id for run in select(runs, **choice)] == expected


@pytest.mark.parametrize(
    ("choice", "hint"),
    [
        ({"targets": ["olama"]}, "no target is called olama; did you mean ollama? There are ollama, openai"),
        ({"cases": ["zzz"]}, "no case is called zzz; there are France, Italy"),
    ],
)
def test_a_name_nobody_has_is_refused(runs: list[Run], choice: dict[str, list[str]], hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        select(runs, **choice)

    assert hint in raised.value.message


@pytest.mark.parametrize(
    ("keyword", "does"),
    [
        ("france", True),
        ("not france", False),
        ("not not france", True),
        ("italy or france", True),
        ("italy or france and ollama", False),
        ("france and openai and capital", True),
        ("  france   and  openai ", True),
        ("android", False),
    ],
)
def test_words_match_ids(keyword: str, does: bool) -> None:
    assert matches(keyword, "capital[France@openai]") is does


@pytest.mark.parametrize("keyword", ["and", "or", "not", "france and", "or france", "france openai"])
def test_words_that_make_no_sense_are_refused(keyword: str) -> None:
    with pytest.raises(ConfigError, match="one word is wanted"):
        matches(keyword, "zzz")
