"""A miss explains itself: what was asked, what comes nearest, what to do."""

from __future__ import annotations

import pytest
from recordings import answers, chat, interaction, request

from tapeline.cassettes.explain import explain_miss
from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.matching import Matcher
from tapeline.latency.pacing import IncomingRequest

ADVICE = """\
  Record it with --record-mode=new_episodes (or once, for a new cassette);
  a part that changes each time belongs into the ignored paths of the match."""


def explained(asked: IncomingRequest, known: list[Interaction], ignore: tuple[str, ...] = ()) -> str:
    text = explain_miss(asked, known, matcher=Matcher(ignore), source="tape.yaml")
    assert text.endswith(ADVICE)
    return text.removesuffix(ADVICE).rstrip("\n")


def test_a_miss_shows_where_the_nearest_request_differs() -> None:
    known = answers((chat("the capital of Spain") | {"seed": 1}, b""), (chat("the capital of France"), b""))

    text = explained(request(chat("the capital of Italy")), known)

    assert (
        text
        == """\
no interaction in tape.yaml answers POST http://model.test/v1/chat/completions
  nearest is interaction 2 of 2, which differs in:
    $.messages[0].content
      - the capital of France
      + the capital of Italy"""
    )


def test_an_empty_cassette_is_called_so() -> None:
    assert (
        explained(request(chat("hi")), [])
        == """\
no interaction in tape.yaml answers POST http://model.test/v1/chat/completions
  the cassette is empty or does not exist"""
    )


def test_a_request_that_was_played_already_is_called_so() -> None:
    known = answers((chat("a"), b""), (chat("b"), b""), (chat("a"), b""))

    assert explained(request(chat("a")), known).splitlines()[1:] == [
        "  interaction 1, 3 is this request, but was already played: it is sent once more now"
    ]


DIFFERENCES = {
    "method": (request({}, method="PUT"), ["method", "- POST", "+ PUT"]),
    "URL": (
        request({}, url="http://model.test/v2?key=SECRET"),
        ["URL", "- http://model.test/v1/chat/completions", "+ http://model.test/v2"],
    ),
    "more": (request({"seed": 1}), ["$.seed", "- (absent)", "+ 1"]),
    "another type": (request([]), ["$", "- {}", "+ []"]),
    "no JSON": (request(b"text"), ["body", "- {}", "+ text"]),
    "bytes": (request(b"\xff"), ["body", "- {}", "+ \ufffd"]),
}


@pytest.mark.parametrize(("asked", "lines"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_every_kind_of_difference_is_shown(asked: IncomingRequest, lines: list[str]) -> None:
    text = explained(asked, [interaction(request({}))])

    assert [line.strip() for line in text.splitlines()[2:]] == lines


def test_a_flag_is_not_a_number() -> None:
    text = explained(request({"n": 1}), [interaction(request({"n": True}))])

    assert [line.strip() for line in text.splitlines()[2:]] == ["$.n", "- True", "+ 1"]


def test_lists_of_another_length_are_compared_item_by_item() -> None:
    text = explained(request({"stop": ["a", "b"]}), [interaction(request({"stop": ["a"]}))])

    assert [line.strip() for line in text.splitlines()[2:]] == ["$.stop[1]", "- (absent)", "+ b"]


def test_only_the_first_differences_are_shown() -> None:
    text = explained(request({f"k{n}": 1 for n in range(9)}), [interaction(request({}))])

    assert text.count("(absent)") == 5
    assert text.endswith("    and 4 more places")


def test_long_texts_are_shown_where_they_differ() -> None:
    prefix, rest = "All work and no play. " * 50, " And so on." * 50

    text = explained(
        request(chat(f"{prefix}makes Jill{rest}")), [interaction(request(chat(f"{prefix}makes Jack{rest}")))]
    )

    old, new = (line.strip() for line in text.splitlines()[-2:])
    assert "makes Jack" in old
    assert "makes Jill" in new
    assert old.startswith("- ...")
    assert old.endswith("...")
    assert len(old) < 180


def test_what_is_ignored_is_no_difference() -> None:
    known = [interaction(request({"seed": 1, "model": "a"}))]

    text = explained(request({"seed": 2, "model": "b"}), known, ignore=("$.seed",))

    assert "seed" not in text
    assert "$.model" in text


def test_nothing_a_terminal_would_obey_is_shown() -> None:
    text = explained(request({"\x1b[2Jkey": "\x1b[31mred\u202e"}), [interaction(request({}))])

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"$.\x1b[2Jkey" in text
    assert r"\x1b[31mred\u202e" in text


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment, of the request's own credentials, and what only looks like one."""
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "canary-environment")
    asked = request(
        chat("canary-environment canary-header canary-cookie sk-canary-0123456789abcdef"),
        url="http://canary-user:canary-password@model.test/?api_key=canary-query&x=canary-query",
        headers={"authorization": "Bearer canary-header", "cookie": "session=canary-cookie"},
    )

    assert "canary" not in explained(asked, [interaction(request(chat("hello")))])


def test_a_secret_is_not_shown_by_halves() -> None:
    """It stands where the excerpt ends."""
    asked = request(chat(f"{'x' * 150} sk-canary-0123456789abcdef"))

    assert "canary" not in explained(asked, [interaction(request(chat("x" * 300)))])
