"""Known secrets: where a call carries them, and in which forms they are found again."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus

import pytest
from recordings import interaction, request, response

from tapeline.cassettes.secrets.known_secrets import PLACEHOLDERS, environment_secrets, needles, secrets_of

SECRET = 'pa/ss+w"\u00f6rd=17'

FORMS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "URL": lambda text: quote(text, safe=""),
    "URL path": quote,
    "form": quote_plus,
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64 of a pair": lambda text: b64encode(f"user:{text}".encode()).decode(),
    "base64 inside": lambda text: b64encode(f"ab{text} and more".encode()).decode(),
    "base64 for URLs": lambda text: urlsafe_b64encode(f"a{text}".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
}


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS.keys())
def test_a_secret_is_found_in_every_form(write: Callable[[str], str]) -> None:
    text = write(SECRET).encode()

    found = [needle for needle in needles([SECRET]) if needle.found in text]

    assert found
    assert all(len(needle.found) == len(needle.stand_in) for needle in needles([SECRET]))


@pytest.mark.parametrize("secret", ["", "short", *sorted(PLACEHOLDERS)])
def test_placeholders_are_no_secrets(secret: str) -> None:
    assert not needles([secret])


def test_a_secret_that_holds_another_comes_first() -> None:
    found = [needle.found for needle in needles(["secret-1", "secret-1-and-more"])]

    assert found.index(b"secret-1-and-more") < found.index(b"secret-1")


CARRIED = {
    "basic": (
        request(headers={"Authorization": f"Basic {b64encode(b'me:secret-of-mine').decode()}"}),
        "secret-of-mine",
    ),
    "organization": (request(headers={"openai-organization": "acme-research"}), "acme-research"),
    "project": (request(headers={"OpenAI-Project": "proj_of_acme"}), "proj_of_acme"),
    "cookie": (request(headers={"cookie": 'a="secret-cookie"'}), "secret-cookie"),
    "escaped in the URL": (request(url="http://me:p%40ssword-1@h/"), "p@ssword-1"),
}


@pytest.mark.parametrize(("asked", "secret"), CARRIED.values(), ids=CARRIED.keys())
def test_what_a_request_carries_is_known(asked: object, secret: str) -> None:
    assert secret in list(secrets_of(interaction(asked)))  # type: ignore[arg-type]


def test_what_an_answer_says_of_the_account_is_known() -> None:
    answer = response(
        b"", headers=[("OpenAI-Organization", "acme-research"), ("x-amz-security-token", "session-1")]
    )

    assert {"acme-research", "session-1"} <= set(secrets_of(interaction(answer=answer)))


def test_the_password_of_a_url_in_the_environment_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:p%40ssword-1@db.test/x")

    assert "p@ssword-1" in list(environment_secrets())
