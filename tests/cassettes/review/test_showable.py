"""What is shown: every value without its secrets, and nothing that printing could not bear."""

from __future__ import annotations

import json

import pytest
from recordings import interaction, request, response

from tapeline.cassettes.review.showable import HIDDEN, shown, shown_body, shown_headers, shown_value
from tapeline.types import Json

KEY = "sk-proj-abcdefghijklmnopqrstuvwx"


def nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


BODIES = {
    "JSON": (b'{"a": [1, null, true, 1.5]}', {"a": [1, None, True, 1.5]}),
    "text": (b"two\nlines", "two\nlines"),
    "broken JSON": (b'{"a": ', '{"a": '),
    "no text": (b"\xff\xfe\x00", "(3 bytes that are no text)"),
    "nothing": (b"", ""),
    "deep JSON": (json.dumps(nested(200)).encode(), "(nested too deeply to show)"),
    "JSON too deep to read": (b"[" * 100_000, "[" * 100_000),
}


@pytest.mark.parametrize(("body", "shown"), BODIES.values(), ids=BODIES.keys())
def test_a_body_is_its_json_or_its_text(body: bytes, shown: Json) -> None:
    assert shown_body(body) == shown


SECRETIVE: dict[str, Json] = {
    "a text": KEY,
    "after a line end": f"line\n{KEY}",
    "in a list": [KEY],
    "in a field": {"a": {"b": KEY}},
    "as a key": {KEY: 1},
}


@pytest.mark.parametrize("value", SECRETIVE.values(), ids=SECRETIVE.keys())
def test_secrets_are_taken_out_of_values(value: Json) -> None:
    assert KEY not in json.dumps(shown_value(value))
    assert KEY not in json.dumps(shown_body(json.dumps(value).encode()))
    assert "line" in json.dumps(shown_value(f"line {KEY}"))


def test_what_is_just_shallow_enough_is_shown() -> None:
    assert shown_value(nested(99)) == nested(99)
    assert shown_value(nested(100)) != nested(100)


def test_an_interaction_is_shown_as_it_would_be_written() -> None:
    """With the names of all headers, and the answer as it was."""
    asked = request({"password": "opensesame"}, headers={"cookie": "id=1", "accept": "*/*"})
    answer = response(b'{"a": 1}', headers=[("Content-Type", "application/json"), ("Date", "today")])

    found = shown(interaction(asked, answer))

    assert b"opensesame" not in found.request.body
    assert found.request.headers == {"cookie": HIDDEN, "accept": "*/*"}
    assert found.response.headers == (("Content-Type", "application/json"), ("Date", HIDDEN))
    assert found.response.body == answer.body


def test_headers_are_shown_if_a_cassette_of_ours_would_hold_them() -> None:
    headers = [("Content-Type", "text/plain"), ("Authorization", "Basic x"), ("x-mine", "y"), ("accept", KEY)]

    shown = dict(shown_headers(headers))

    assert (shown["Content-Type"], shown["Authorization"], shown["x-mine"]) == ("text/plain", HIDDEN, HIDDEN)
    assert KEY not in shown["accept"]
