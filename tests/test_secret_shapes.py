"""Secrets in messages: taken out where they are known, and where they look like what they are."""

from __future__ import annotations

import pytest

from tapeline.secret_shapes import SUSPECTS, without_secrets

LOOKS = {
    "an OpenAI key": "sk-proj-AbCdEf0123456789AbCdEf",
    "an Anthropic key": "sk-ant-api03-AbCdEf0123456789",
    "an OpenAI key with stars": "sk-abc***xyz",
    "an AWS access key id": "AKIAIOSFODNN7EXAMPLE",
    "a Google key": "AIza" + "x" * 35,
    "a bearer token": "Bearer abcdefghijklmnopqrstuvwxyz",
    "a web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
}


@pytest.mark.parametrize("secret", LOOKS.values(), ids=LOOKS.keys())
def test_what_looks_like_a_secret_is_blanked(secret: str) -> None:
    """The words around it stay: they say what is wrong."""
    message = without_secrets(f"Incorrect API key provided: {secret} . Check it.")

    assert secret not in message
    assert message.startswith("Incorrect API key provided: ")
    assert message.endswith("Check it.")


def test_a_known_secret_is_blanked_whatever_it_looks_like() -> None:
    assert without_secrets("the key hunter2 is wrong", ["hunter2"]) == "the key [secret] is wrong"


def test_a_placeholder_of_a_key_does_not_blank_parts_of_words() -> None:
    """As local servers are given one; a real key goes wherever it stands."""
    assert without_secrets("x: the next exit", ["x"]) == "[secret]: the next exit"
    assert without_secrets("key=hunter2000&", ["hunter200"]) == "key=[secret]0&"


@pytest.mark.parametrize("text", ["", "ask the model", "sk-1", "disk-full * 3", "naïve 🙂"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert without_secrets(text) == text


def test_every_shape_has_a_name_to_refuse_it_by() -> None:
    assert all(name.startswith(("a ", "an ")) for name in SUSPECTS)
