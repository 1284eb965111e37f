"""Drift: what changed in a request that still matches is told, secrets and what is no change are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recordings import URL, interaction, request

from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.review.drift import Difference, request_drift
from tapeline.cassettes.secrets.redaction import redacted
from tapeline.latency.pacing import IncomingRequest

LIVE = {
    "accept": "application/json",
    "content-type": "application/json",
    "user-agent": "OpenAI/Python 3.54.0",
    "openai-beta": "assistants=v2",
}


def asked(body: object = None, *, url: str = URL, **headers: str | None) -> IncomingRequest:
    """A live request; headers to change are named with underscores, None takes one away."""
    changed = LIVE | {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in changed.items() if value is not None}
    return request(body if body is not None else {"model": "m"}, url=url, headers=kept)


def recorded(live: IncomingRequest) -> IncomingRequest:
    return redacted(interaction(live)).request


def drift(old: IncomingRequest, new: IncomingRequest, *ignore: str) -> list[str]:
    return [
        f"{found.kind}{' (mild)' if found.is_mild else ''}: {found}"
        for found in request_drift(recorded(old), new, Matcher(ignore))
    ]


UUIDS = "0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"

CHANGES = {
    "an ignored path": (
        asked({"model": "m", "seed": 1}),
        asked({"model": "m", "seed": 2}),
        ["body: $.seed: 1 -> 2"],
    ),
    "a key that was added": (
        asked({"model": "m"}),
        asked({"model": "m", "n": None}),
        ["body: $.n: (absent) -> null"],
    ),
    "a flag for a number": (asked({"n": 1}), asked({"n": True}), ["body: $.n: 1 -> true"]),
    "an id": (
        asked({"user": UUIDS[0]}),
        asked({"user": UUIDS[1]}),
        [f"volatile (mild): $.user: {UUIDS[0]} -> {UUIDS[1]}"],
    ),
    "a call's id": (
        asked({"id": "call_abcdefgh12345678"}),
        asked({"id": "call_hgfedcba87654321"}),
        ["volatile (mild): $.id: call_abcdefgh12345678 -> call_hgfedcba87654321"],
    ),
    "a time": (
        asked({"at": "2026-11-25T09:00:00Z", "s": 1764061200}),
        asked({"at": "2026-11-26", "s": 1764061201.5}),
        [
            "volatile (mild): $.at: 2026-11-25T09:00:00Z -> 2026-11-26",
            "volatile (mild): $.s: 1764061200 -> 1764061201.5",
        ],
    ),
    "an id for a word": (
        asked({"user": "anna"}),
        asked({"user": UUIDS[0]}),
        [f"body: $.user: anna -> {UUIDS[0]}"],
    ),
    "no JSON": (asked(b"text one"), asked(b"text two"), ["body: body: text one -> text two"]),
    "a version": (
        asked(anthropic_version="2023-06-01"),
        asked(anthropic_version="2026-10-21"),
        ["header: header anthropic-version: 2023-06-01 -> 2026-10-21"],
    ),
    "a beta that was added": (
        asked(openai_beta=None),
        asked(),
        ["header: header openai-beta: (absent) -> assistants=v2"],
    ),
    "a beta that was taken away": (
        asked(),
        asked(openai_beta=None),
        ["header: header openai-beta: assistants=v2 -> (absent)"],
    ),
    "another media type": (
        asked(),
        asked(content_type="text/plain"),
        ["header: header content-type: application/json -> text/plain"],
    ),
    "another accept": (
        asked(),
        asked(accept="text/event-stream"),
        ["header: header accept: application/json -> text/event-stream"],
    ),
    "a newer SDK": (
        asked(),
        asked(user_agent="OpenAI/Python 3.55.0"),
        ["sdk (mild): sdk user-agent: OpenAI/Python 3.54.0 -> OpenAI/Python 3.55.0"],
    ),
    "the query": (
        asked(url=f"{URL}?api-version=1&x=1"),
        asked(url=f"{URL}?api-version=2&y="),
        [
            "query: query api-version: 1 -> 2",
            "query: query x: 1 -> (absent)",
            "query: query y: (absent) -> ",
        ],
    ),
    "the path": (
        asked(url="http://model.test/v1"),
        asked(url="http://model.test/v2"),
        ["url: URL: http://model.test/v1 -> http://model.test/v2"],
    ),
    "the method": (request({}), request({}, method="PUT"), ["method: method: POST -> PUT"]),
}


@pytest.mark.parametrize(("old", "new", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_every_kind_of_change_is_told(
    old: IncomingRequest, new: IncomingRequest, expected: list[str]
) -> None:
    assert drift(old, new) == expected


def form(boundary: str, text: str = "hello") -> IncomingRequest:
    body = f"--{boundary}\r\n\r\n{text}\r\n--{boundary}--".encode()
    return asked(body, content_type=f"multipart/form-data; boundary={boundary}")


BOTO = "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#{} md/arch#x86_64"
NO_CHANGES = {
    "equal": (asked(), asked()),
    "the order of keys and spaces": (asked(b'{"a":1,"b":2}'), asked(b'{ "b": 2, "a": 1.0 }')),
    "a boundary": (form("abc"), form("xyz")),
    "a parameter of the media type": (asked(), asked(content_type="Application/JSON; charset=utf-8")),
    "the order of flags": (asked(anthropic_beta="a,b"), asked(anthropic_beta="b, a")),
    "the machine below botocore": (
        asked(user_agent=BOTO.format("6.1")),
        asked(user_agent=BOTO.format("6.9")),
    ),
    "an SDK that does not say": (asked(), asked(user_agent=None)),
    "a header that means nothing": (asked(), asked(x_stainless_retry_count="1", x_request_id="2")),
    "the order of the query": (asked(url=f"{URL}?a=1&b=2"), asked(url=f"{URL}?b=2&a=1")),
}


@pytest.mark.parametrize(("old", "new"), NO_CHANGES.values(), ids=NO_CHANGES.keys())
def test_what_is_no_change_is_not_told(old: IncomingRequest, new: IncomingRequest) -> None:
    assert drift(old, new) == []


def test_a_form_that_changed_is_told() -> None:
    """Its boundary is not."""
    (found,) = request_drift(recorded(form("abc")), form("xyz", "bye"), Matcher())

    assert found.kind == "body"


def test_what_a_foreign_recording_lacks_says_nothing() -> None:
    """Other tools keep other headers: only what both have can differ."""
    foreign = replace(asked(), headers={"host": "model.test", "content-type": "application/json"})

    assert request_drift(foreign, asked(), Matcher()) == ()
    assert request_drift(foreign, asked(content_type="text/plain"), Matcher()) != ()


def test_a_recording_written_by_hand_need_not_say_what_every_client_sends() -> None:
    by_hand = replace(asked(), headers={"user-agent": LIVE["user-agent"], "openai-beta": "assistants=v2"})

    assert request_drift(by_hand, asked(), Matcher()) == ()


def with_key(number: int) -> IncomingRequest:
    key = f"canary-{number}-0123456789"
    return asked(
        {"model": "m", "key": key, "header": "sk-canary-0123456789abcdef"},
        url=f"http://user:{key}@model.test/v1?api_key={key}&echo={key}",
        authorization=f"Bearer {key}",
        anthropic_beta=key,
    )


def test_another_key_is_no_drift() -> None:
    """In headers, URL and body, under whatever name."""
    assert drift(with_key(1), with_key(2)) == []


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where something else changed around it."""
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "canary-environment")

    found = drift(asked({"model": "canary-environment"}), with_key(1))

    assert len(found) > 3
    assert "canary" not in "\n".join(found)


def test_long_texts_and_escape_sequences_are_made_fit_to_show() -> None:
    old, new = asked({"\x1b[2J": "x" * 5_000}), asked({"\x1b[2J": "x" * 5_000 + "\x1b[31m\u202e"})

    (line,) = drift(old, new)

    assert line.isprintable()
    assert len(line) < 500


def test_a_difference_is_a_value() -> None:
    """Both sides may be compared as a whole, as in snapshots."""
    assert request_drift(recorded(asked({"n": 1})), asked({"n": 2}), Matcher()) == (
        Difference(kind="body", place="$.n", old="1", new="2"),
    )
