"""Snapshots as YAML: readable, and equal where they say the same. In a pytest run: test_pytest_items.py."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tapeline.scenarios.yaml_snapshots import YamlSnapshotExtension

EXTENSION = YamlSnapshotExtension()


def test_a_text_of_several_lines_is_a_block() -> None:
    assert EXTENSION.serialize([{"text": "one\ntwo", "usage": {"input_tokens": 3}}]) == (
        "- text: |-\n    one\n    two\n  usage:\n    input_tokens: 3\n"
    )


@pytest.mark.parametrize("text", ["\x1b[2J", "\u202e", "ends with a space \n", "😀\tx", "- no list", "3", ""])
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert yaml.safe_load(EXTENSION.serialize([text])) == [text]


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        ("- text: a\n", "- text: a\n", True),
        ("- text: a\n", "- {text: 'a'}\n", True),
        ("- text: a\n", "- text: a\r\n", True),
        ("- text: a\n", "- text: b\n", False),
        ("- text: a\n", "- [", False),
        ("- text: a\n", None, False),
    ],
)
def test_snapshots_are_equal_where_they_say_the_same(one: str, other: Any, are_equal: bool) -> None:
    assert EXTENSION.matches(serialized_data=one, snapshot_data=other) is are_equal
