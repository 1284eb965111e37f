"""A miss explains itself: what was asked, what comes nearest, what to do."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from recordings import answers, chat, interaction, request

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.review.explain import explain_miss
from tapeline.latency.pacing import IncomingRequest

ADVICE = """\
  Record it with record_mode='all', or --record-mode=rewrite under pytest
  What changes each time can be left out of the match, such as ignore=['$.metadata.user_id']."""


def explained(
    asked: IncomingRequest,
    known: list[Interaction],
    ignore: tuple[str, ...] = (),
    play_counts: Mapping[int, int] | None = None,
) -> str:
    text = explain_miss(asked, known, matcher=Matcher(ignore), source="tape.yaml", play_counts=play_counts)
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
    $.messages[0].content (message 1)
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
        "  interactions 1, 3 are this request, but were already played: it is sent once more now"
    ]
    assert explained(request(chat("b")), known).splitlines()[1:] == [
        "  interaction 2 is this request, but was already played: it is sent once more now"
    ]


def test_it_is_told_how_much_was_played_before() -> None:
    """And the same request is looked for among that alone: what was not played would have been played."""
    known = answers((chat("a"), b""), (chat("b"), b""), (chat("a"), b""))

    lines = explained(request(chat("a")), known, play_counts={0: 1, 1: 2, 2: 0}).splitlines()

    assert lines[1:] == [
        "  interaction 1 is this request, but was already played: it is sent once more now",
        "  2 of 3 interactions had been played before",
    ]


def test_the_command_that_records_it_is_told_if_it_is_known() -> None:
    text = explain_miss(
        request({}), [], matcher=Matcher(), source="tape.yaml", command='pytest "test_a.py::test_b" -x'
    )

    assert '\n  Record it with: pytest "test_a.py::test_b" -x\n' in text


def test_a_message_put_in_between_is_one_difference() -> None:
    """Those behind it are the same as before."""
    said = [{"role": "user", "content": text} for text in ("a", "b", "c", "d")]
    known = [interaction(request({"messages": [said[0], *said[2:]]}))]

    text = explained(request({"messages": said}), known)

    assert [line.strip() for line in text.splitlines()[2:]] == [
        "$.messages[1] (message 2)",
        "- (absent)",
        '+ {"role": "user", "content": "b"}',
    ]


def test_the_nearest_is_the_one_with_most_in_common() -> None:
    """Of those to the same address, however many there are; others do not count."""
    prompts = [f"{'word ' * n} and then {n}" for n in range(40)]
    known = [interaction(request(chat(prompt))) for prompt in prompts]
    elsewhere = interaction(request(chat("word " * 30 + " and then 31"), url="http://other.test/"))

    text = explained(request(chat("word " * 30 + " and then 31")), [elsewhere, *known])

    assert "nearest is interaction 32 of 41" in text


def test_another_address_is_shown_where_there_is_no_better() -> None:
    text = explained(request({}, url="http://model.test/v2"), [interaction(request({}))])

    assert "- http://model.test/v1/chat/completions" in text


def test_of_many_interactions_few_are_looked_at_closely() -> None:
    """Only a few interactions are read as JSON, however many there are."""
    known = [interaction(request(chat(f"question {n} " * 20))) for n in range(300)]
    read: list[IncomingRequest] = []

    class CountingMatcher(Matcher):
        def compared(self, request: IncomingRequest) -> object:
            read.append(request)
            return super().compared(request)

    explain_miss(
        request(chat("something else")), known, matcher=CountingMatcher(), source="tape", play_counts={}
    )

    assert len(read) < 30


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

    assert [line.strip() for line in text.splitlines()[2:]] == ["$.n", "- true", "+ 1"]


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


def test_a_credential_of_the_request_is_not_shown_by_halves() -> None:
    asked = request(chat(f"{'y' * 150} canary-header"), headers={"authorization": "Bearer canary-header"})

    assert "canary" not in explained(asked, [interaction(request(chat("x" * 300)))])
