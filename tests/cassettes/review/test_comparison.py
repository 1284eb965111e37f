"""Two cassettes side by side: what was added, removed and changed, fit for a person to review."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from external import FILES, needs_recordings, recorded
from recordings import URL, answers, chat, interaction, request, response, timed

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.review.comparison import Change, Timing, compare
from tapeline.latency.pacing import TransportFailure
from tapeline.types import Json


def asked(prompt: str, answer: RecordedResponse | None = None) -> Interaction:
    return interaction(request(chat(prompt)), answer or plain("Paris"))


def plain(text: str, **more: Json) -> RecordedResponse:
    body = {"model": "m", "choices": [{"message": {"content": text}, "finish_reason": "stop"}]} | more
    return response(json.dumps(body).encode(), headers=[("content-type", "application/json")])


def streamed(*texts: str, id: str = "chatcmpl-0") -> RecordedResponse:
    chunks = [
        {"object": "chat.completion.chunk", "id": id, "choices": [{"delta": {"content": text}}]}
        for text in texts
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return response(body.encode(), headers=[("content-type", "text/event-stream")])


def answer_changes(old: RecordedResponse, new: RecordedResponse) -> list[Change]:
    (pair,) = compare([asked("?", old)], [asked("?", new)]).pairs
    return list(pair.answer)


def test_a_cassette_is_like_itself() -> None:
    known = [asked("a"), asked("b", streamed("x")), asked("a", plain("Rome"))]

    found = compare(known, known)

    assert not found.has_changes
    assert list(found.lines()) == ["3 same, 0 changed, 0 removed, 0 added"]


def test_requests_belong_together_wherever_they_stand() -> None:
    """Also where one was asked several times: then in their order."""
    old = [asked("a", plain("1")), asked("b", plain("2")), asked("a", plain("3"))]
    new = [old[1], old[0], old[2]]

    found = compare(old, new)

    assert not found.has_changes
    assert [(pair.old_position, pair.new_position) for pair in found.pairs] == [(1, 0), (0, 1), (2, 2)]


def test_what_was_added_and_removed_is_named() -> None:
    other = interaction(request({}, url="http://model.test/v1/embeddings?api_key=SECRET"))

    found = compare([asked("a"), other], [asked("a"), asked("b"), asked("c")])

    assert found.has_changes
    assert list(found.lines()) == [
        "1 same, 0 changed, 1 removed, 2 added",
        "- interaction 2: POST http://model.test/v1/embeddings",
        f"+ interaction 2: POST {URL}",
        f"+ interaction 3: POST {URL}",
    ]


def test_a_request_that_changed_is_shown_with_its_change() -> None:
    """It is none that was removed and one that was added."""
    found = compare([asked("the capital of France")], [asked("the capital of Italy")])

    assert list(found.lines()) == [
        "0 same, 1 changed, 0 removed, 0 added",
        f"~ interaction 1 -> 1: POST {URL}",
        "    request $.messages[0].content",
        "      - the capital of France",
        "      + the capital of Italy",
    ]


def test_of_several_requests_that_changed_the_likest_belong_together() -> None:
    old = [asked("one " * 50), asked("two " * 50)]
    new = [asked("two " * 50 + "2"), asked("one " * 50 + "1")]

    found = compare(old, new)

    assert [(pair.old_position, pair.new_position) for pair in found.pairs] == [(1, 0), (0, 1)]


def test_requests_that_have_nothing_in_common_do_not_belong_together() -> None:
    found = compare([interaction(request({"a": "x" * 99}))], [interaction(request({"b": "y" * 99}))])

    assert (found.pairs, [*found.removed], [*found.added]) == ((), [0], [0])


def test_what_the_matcher_ignores_still_shows() -> None:
    """A reviewer wants to know."""
    old, new = interaction(request({"n": 1, "m": 1})), interaction(request({"n": 2, "m": 1}))

    (pair,) = compare([old], [new], Matcher(("$.n",))).pairs

    assert pair.request == (Change(place="$.n", old="1", new="2"),)


ANSWERS = {
    "text": (plain("Paris"), plain("Rome"), [("$.choices[0].message.content", "Paris", "Rome")]),
    "a key": (plain("a"), plain("a", n=1), [("$.n", "(absent)", "1")]),
    "status": (plain("a"), replace(plain("a"), status=500), [("status", "200", "500")]),
    "media type": (
        response(b"a", headers=[("content-type", "text/plain")]),
        response(b"a", headers=[("content-type", "text/html")]),
        [("content-type", "text/plain", "text/html")],
    ),
    "no JSON": (response(b"one"), response(b"two"), [("body", "one", "two")]),
    "JSON no more": (response(b"{}"), response(b"two"), [("body", "{}", "two")]),
    "an early close": (
        plain("a"),
        replace(plain("a"), is_cut=True),
        [("connection", "complete", "closed early by the client")],
    ),
    "a failure": (
        plain("a"),
        replace(plain("a"), failure=TransportFailure(kind="reset")),
        [("connection", "complete", "reset")],
    ),
    "a stream": (
        streamed("Pa", "ris ", "it is."),
        streamed("Rome it", " is."),
        [("event chat.completion.chunk $.choices[0].delta.content", "Paris it is.", "Rome it is.")],
    ),
    "a stream for a plain answer": (
        plain("a"),
        streamed("a"),
        [("content-type", "application/json", "text/event-stream")],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_changed_is_shown_where_it_did(
    old: RecordedResponse, new: RecordedResponse, expected: list[tuple[str, str, str]]
) -> None:
    changes = [(change.place, change.old, change.new) for change in answer_changes(old, new)]

    assert changes == expected


SAME = {
    "a stream cut otherwise": (streamed("Pa", "ris"), streamed("Paris", "", "")),
    "another id": (streamed("a", id="chatcmpl-1"), streamed("a", id="chatcmpl-2")),
    "another date": (plain("a", created=1764061200), plain("a", created=1764061999)),
    "an id by its look": (plain("a", x="call_abcdefgh12345678"), plain("a", x="call_hgfedcba87654321")),
    "spaces and order": (response(b'{"a":1,"b":2}'), response(b'{ "b": 2, "a": 1 }')),
}


@pytest.mark.parametrize(("old", "new"), SAME.values(), ids=SAME.keys())
def test_what_is_new_in_every_answer_is_no_change(old: RecordedResponse, new: RecordedResponse) -> None:
    assert answer_changes(old, new) == []


def test_ids_beside_a_change_are_counted() -> None:
    found = compare([asked("?", plain("a", id="1", created=1))], [asked("?", plain("b", id="2", created=2))])

    assert "    and 2 ids, times or the like" in list(found.lines())


def test_times_and_tokens_are_summed_up() -> None:
    """Of each pair that changed, and of all pairs; they are no change themselves."""

    def known(prompt: str, text: str, tokens: int, end_s: float) -> Interaction:
        usage = {"prompt_tokens": 1_000, "completion_tokens": tokens}
        body = plain(text, usage=usage).body
        return asked(prompt, timed((body[:9], 0.01), (body[9:], end_s), head_s=0.05))

    old = [known("a", "x", 5, 0.1), known("b", "x", 5, 0.1)]
    new = [known("a", "x", 5, 0.2), known("b", "y", 7, 0.3)]

    found = compare(old, new)

    first = found.pairs[0]
    assert first.timing == (Timing(50.0, pytest.approx(150.0), 2), Timing(50.0, pytest.approx(250.0), 2))
    assert first.tokens == ((1_000, 5), (1_000, 5))
    assert not first.has_changes
    assert list(found.lines())[-4:] == [
        "    head 50 -> 50 ms, total 150 -> 350 ms, blocks 2 -> 2",
        "    tokens in 1,000 -> 1,000, out 5 -> 7",
        "2 together: head 100 -> 100 ms, total 300 -> 600 ms, blocks 4 -> 4",
        "2 together: tokens in 2,000 -> 2,000, out 10 -> 12",
    ]


def test_only_the_first_changes_are_shown() -> None:
    old, new = (json.dumps({f"k{n:02}": value for n in range(30)}).encode() for value in (1, 2))

    lines = list(compare(answers(({}, old)), answers(({}, new))).lines())

    assert lines[-1] == "    and 18 more places"


def test_neither_secrets_nor_escape_sequences_are_shown() -> None:
    old = asked("sk-canary-0123456789abcdef \x1b[2J\u202e", plain("Bearer canary0123456789abcdef0"))

    lines = "".join(compare([old], [asked("none", plain("\x1b[31m"))]).lines())

    assert "canary" not in lines
    assert lines.isprintable()


@needs_recordings
def test_external_recordings_are_like_themselves_and_unlike_each_other() -> None:
    """Every kind of answer there is can be compared."""
    sample = FILES[::6]
    for path, other in itertools.pairwise(sample):
        assert not compare(recorded(path), recorded(path)).has_changes
        assert compare(recorded(path), recorded(other)).has_changes
        assert all(line.isprintable() for line in compare(recorded(path), recorded(other)).lines())
