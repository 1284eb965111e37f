"""Suspicion: what looks like a secret refuses the file and is named by its place; what is only odd is not."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from random import Random
from string import ascii_letters, digits

import pytest
from external import FILES, needs_recordings, recorded
from recordings import chat, interaction, request, response

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.secrets.redaction import redacted
from tapeline.cassettes.secrets.suspicion import is_random, suspicions
from tapeline.cassettes.storage.fileformat import dump, load, save
from tapeline.errors import CassetteError, ConfigError

OWN = sorted((Path(__file__).parents[3] / "cassettes").rglob("*.yaml"))
RANDOM = "Zk39fjQ0dhJ2xLp8VbN4tYw7"
GITHUB = "ghp_" + "a1" * 18


def refusal(path: Path, *interactions: Interaction) -> str:
    with pytest.raises(CassetteError) as raised:
        save(path, interactions)
    return raised.value.message


def sse(*events: object) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)


# Where --------------------------------------------------------------------------------------------------


def test_a_refusal_says_where_and_never_what(tmp_path: Path) -> None:
    """Interaction, side, JSON path, kind and length; and the line it would have had."""
    message = refusal(tmp_path / "c.yaml", interaction(), interaction(request(chat(f"use {GITHUB} please"))))

    assert "interaction 2, request body, $.messages[*].content" in message
    assert "looks as if it held a GitHub token (40 characters)" in message
    assert ": not written: line " in message
    assert GITHUB not in message


def test_all_places_are_named_but_not_endlessly(tmp_path: Path) -> None:
    tokens = [f"ghp_{number:036}" for number in range(9)]

    message = refusal(tmp_path / "c.yaml", *(interaction(request(chat(token))) for token in tokens))

    assert [f"interaction {number}" in message for number in (1, 5, 6)] == [True, True, False]
    assert "; and more" in message


@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_key_that_a_model_says_piece_by_piece_is_found(size: int, tmp_path: Path) -> None:
    text = f"Your key is {GITHUB}."
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    body = sse(*({"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces))

    message = refusal(tmp_path / "c.yaml", interaction(answer=response(body)))

    assert (
        "interaction 1, response body, $.choices[*].delta.content looks as if it held a GitHub token"
        in message
    )


def test_a_key_in_escapes_and_in_base64_is_found(tmp_path: Path) -> None:
    escaped = b'{"text": "\\u0067hp_%s"}' % GITHUB[4:].encode()
    packed = json.dumps({"bytes": b64encode(json.dumps({"delta": GITHUB}).encode()).decode()}).encode()

    assert "$.text looks" in refusal(tmp_path / "c.yaml", interaction(answer=response(escaped)))
    assert "in base64, $.delta looks" in refusal(tmp_path / "c.yaml", interaction(answer=response(packed)))


# Chance -------------------------------------------------------------------------------------------------

SUSPICIOUS = {
    "in a sentence": f"my key for the service is {RANDOM}, keep it",
    "set down": "password: hunter2hunter3x",
    "set down as an assignment": "export ACME_API_KEY=q7w2e9r4t6y1u8i3",
    "set down in words": "The token is k3j9x0q2m8z7w1v5 for you",
    "with signs": "use q8Zr/2kLm9+TxV4bNc7dWy1sHf6gJp3aQe5uRiKo now",
}

HARMLESS = {
    "a sentence": "Explain how a bearer token and an API key differ, please.",
    "a UUID": "see request 123e4567-e89b-12d3-a456-426614174000 for more",
    "a ULID": "see 01ARZ3NDEKTSV4RRFFQ69G5FAV for more",
    "a hash": f"commit {'0123456789abcdef' * 4} is broken",
    "an id of an answer": "as said in chatcmpl-CxYz12AbCdEfGhIjKlMnOpQr and toolu_01AbCdEfGhIjKlMnOpQr",
    "a name": "call AbstractSingletonProxyFactoryBean2 or getUserAccountById2 instead",
    "a path": "open /usr/lib/Python3/site-packages/Foo/Bar2.py please",
    "a URL": f"see https://example.test/d/{RANDOM}/edit for more",
    "a picture": f"![x](data:image/png;base64,{RANDOM}) is a picture",
    "a model": "use us.anthropic.claude-sonnet-4-5-20250929-v1:0 or gpt-5.4-mini-2026-03-01",
    "code": "token = os.environ['X1_TOKEN_FOR_ALL'] or password=get_password(user1)",
    "counts": "max_tokens: 100000000000, tokens: 123456789012345",
    "words": "password: correct-horse-battery-staple",
    "sk-words": "sk-learn-pipelines-and-transformers is a package",
    "a placeholder": "postgres://user:password@localhost:5432/db is the form",
    "alone in its string": RANDOM,
}


@pytest.mark.parametrize("text", SUSPICIOUS.values(), ids=SUSPICIOUS.keys())
def test_what_nobody_writes_by_chance_refuses_the_file(text: str, tmp_path: Path) -> None:
    assert "$.messages[*].content) looks" in refusal(tmp_path / "c.yaml", interaction(request(chat(text))))


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_people_and_models_write_refuses_nothing(text: str) -> None:
    asked = interaction(request(chat(text)))

    assert list(suspicions(dump([asked]), [asked])) == []


OPAQUE: Mapping[str, object] = {
    "signature": "EqQBCkYIBRgCKkB" + RANDOM * 8,
    "encrypted_content": "gAAAAAB" + RANDOM * 12,
    "b64_json": RANDOM * 40,
    "obfuscation": "xR3Tz9Qm",
    "p": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01",
    "id": f"resp_{RANDOM}",
    "tool_call_id": f"call_{RANDOM}",
    "system_fingerprint": "fp_0123456789",
    "embedding": RANDOM * 20,
    "url": f"data:application/pdf;base64,{RANDOM * 30}",
}


@pytest.mark.parametrize(("name", "value"), OPAQUE.items(), ids=OPAQUE.keys())
def test_random_strings_that_bodies_are_full_of_refuse_nothing(name: str, value: object) -> None:
    """In one answer, and in every event of a stream."""
    event = {name: value, "text": "and words around it"}
    found = [
        interaction(answer=response(body)) for body in (json.dumps(event).encode(), sse(event, event, event))
    ]

    assert list(suspicions(dump(found), found)) == []


def test_random_words_are_told_from_names_by_how_they_mix() -> None:
    """Of keys of 24 letters and digits, nineteen in twenty."""
    random = Random(1)
    words = ["".join(random.choices(ascii_letters + digits, k=24)).encode() for _ in range(400)]

    assert sum(map(is_random, words)) / len(words) > 0.9


@needs_recordings
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem[:40]}")
def test_external_recordings_hold_nothing_suspicious(path: Path) -> None:
    """They were cleaned before they were published: whatever is found in them is no secret."""
    kept = [redacted(each) for each in recorded(path)]

    assert list(suspicions("", kept)) == []
    assert [redacted(each) for each in kept] == kept


@pytest.mark.parametrize("path", OWN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_our_own_cassettes_hold_nothing_suspicious(path: Path) -> None:
    found = load(path)

    assert list(suspicions(path.read_text(), found)) == []


HOSTILE = {
    "backslashes": "\\" * 50_000 + '"password\\"',
    "keys of words": "sk-" * 50_000,
    "words with hyphens": "sk-a" + "-a" * 50_000 + "1",
    "points": "://" + "a." * 50_000,
    "a long word and an address": "x: " + "ab0" * 50_000,
    "names and no values": '"password":' * 10_000,
    "open strings": '{"a' * 20_000,
    "set down and nothing": "password: " * 10_000,
    "accounts": "arn:aws:" * 20_000 + "account " * 10_000,
    "queries": "https://x?" + "key&" * 20_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_text_cannot_be_made_to_take_long(text: str) -> None:
    """Each takes a fraction of a second; if time grew with the square of the size, it would be minutes."""
    found = [redacted(interaction(request(chat(text)), response(text.encode())))]

    assert len(list(suspicions("", found))) < 5


# What is allowed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["prompt", "header"])
def test_a_user_can_allow_what_is_none(place: str, tmp_path: Path) -> None:
    example = "AKIAIOSFODNN7EXAMPLE"
    (tmp_path / "tapeline.toml").write_text("[secrets]\nallow = ['AKIA.*EXAMPLE']\n")
    path = tmp_path / "tests" / "c.yaml"
    made = {
        "prompt": interaction(request(chat(example))),
        "header": interaction(answer=response(headers=[("server", example)])),
    }

    save(path, [made[place]])

    assert example in path.read_text()
    assert "AWS access key" in refusal(path, interaction(request(chat("AKIAIOSFODNN7EXAMPLX"))))


@pytest.mark.parametrize("text", ["[secrets]\nallow = ['(']", "[secrets]\nallow = [1]", "secrets = 1", "["])
def test_a_list_that_allows_nothing_sensible_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "tapeline.toml").write_text(text)

    with pytest.raises(ConfigError, match=r"tapeline\.toml: \[secrets\] allow"):
        save(tmp_path / "c.yaml", [interaction(request(chat(GITHUB)))])
