"""Messages: short forms and long ones, and files beside the scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tapeline.errors import ConfigError
from tapeline.media import Document, Image
from tapeline.scenarios.messages import MessageSpec
from tapeline.types import Message, assistant, system, user

PNG = b"\x89PNG\r\n\x1a\nrest"


def message(content: Any, role: str = "user") -> MessageSpec:
    return MessageSpec.model_validate({"role": role, "content": content})


@pytest.mark.parametrize(
    ("role", "content", "expected"),
    [
        ("user", "hi", user("hi")),
        ("system", ["Be", {"text": " brief."}], system("Be", " brief.")),
        ("assistant", {"text": "ha ", "times": 3}, assistant("ha ha ha ")),
        ("user", "", user("")),
        ("user", {"image": "https://host/a.png"}, user(Image.from_url("https://host/a.png"))),
    ],
)
def test_short_forms_and_long_ones_are_messages(role: str, content: Any, expected: Message) -> None:
    assert message(content, role).message() == expected


def test_files_are_read_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7")

    made = message(["Compare", {"image": "a.png"}, {"document": "b.pdf"}]).message(tmp_path)

    assert made == user(
        "Compare",
        Image(media_type="image/png", data=PNG),
        Document(media_type="application/pdf", data=b"%PDF-1.7", name="b.pdf"),
    )


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ([], "at least 1"),
        ({}, "not none"),
        ({"text": "a", "image": "b"}, "not text and image"),
        ({"image": "b", "times": 2}, "times belongs to a text"),
        ({"text": "a", "times": 0}, "greater than 0"),
        ({"txt": "a"}, "extra_forbidden"),
        (3, "valid dictionary"),
    ],
)
def test_a_part_is_one_thing(content: Any, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        message(content)


def test_a_text_said_too_often_is_refused() -> None:
    with pytest.raises(ConfigError, match="a text of 2000000000 characters"):
        message({"text": "ha", "times": 1_000_000_000}).message()


def test_variables_are_filled_into_texts_and_paths() -> None:
    spec = message(["Is it {{city}}?", {"image": "https://host/{{city}}.png"}])

    made = spec.filled({"city": "Paris"}).message()

    assert made == user("Is it Paris?", Image.from_url("https://host/Paris.png"))
