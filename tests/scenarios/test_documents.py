"""YAML files of which every place is known. What scenarios make of them: test_loading.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.errors import ScenarioError
from tapeline.scenarios.documents import Document, read_document

TEXT = """\
name: a
checks:
  - contains: x
  - {equals: y, note: &here [1, 2]}
again: *here
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.yaml"


def read(path: Path, text: str) -> Document:
    path.write_text(text)
    return read_document(path)


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ((), "1:1"),
        (("checks",), "2:1"),
        (("checks", 0), "3:5"),
        (("checks", 1, "equals"), "4:6"),
        (("checks", 1, "note", 1), "4:33"),
        (("checks", 7), "2:1"),
        (("checks", "made up", 0, "contains"), "3:5"),
        (("nowhere",), "1:1"),
    ],
)
def test_steps_lead_to_a_place_or_as_far_as_the_file_goes(
    path: Path, steps: tuple[str | int, ...], place: str
) -> None:
    assert read(path, TEXT).where(steps) == f"{path}:{place}"


def test_steps_that_only_the_reader_made_are_left_out(path: Path) -> None:
    document = read(path, TEXT)

    assert document.known_steps(("checks", 0, "union", "contains", 3)) == ["checks", 0, "contains"]


def test_aliases_are_what_they_stand_for(path: Path) -> None:
    assert read(path, TEXT).content["again"] == [1, 2]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "6:4: more than 1000000 values once its aliases are written out"),
        ("a: &a [*a]\n", "1:4: more than 1000000 values"),
        ("a: 1\nb: 2\na: 3\n", "3:1: the key 'a' stands here twice"),
        ("x:\n  - {k: 1, k: 1}\n", "2:12: the key 'k' stands here twice"),
        ("[" * 101 + "]" * 101, " nested deeper than 100 levels"),
    ],
    ids=["laughs", "circle", "twin", "twin in a list", "deep"],
)
def test_what_hurts_or_misleads_is_refused_with_its_place(path: Path, text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        read(path, text)

    assert raised.value.message.startswith(f"{path}:{message}")
