"""Transcripts: all that a recording says, readable, cut where it is long, and without secrets."""

from __future__ import annotations

import json

import pytest
from recordings import interaction, request, response, timed

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.review.transcript import SHOWN_CHARACTERS, SHOWN_LINES, transcript, transcript_json
from tapeline.latency.pacing import TransportFailure

JSON = ("content-type", "application/json")
SSE = ("content-type", "text/event-stream")


def text_of(known: Interaction, *, is_full: bool = False) -> str:
    return "\n".join(line.text for line in transcript(known, is_full=is_full))


def test_a_call_as_a_whole() -> None:
    answer = timed(
        (b'{"choices": [{"message": {"content": "hi"}}], ', 0.0),
        (b'"usage": {"prompt_tokens": 2000, "completion_tokens": 5}}', 0.25),
        head_s=1.5,
        headers=[JSON],
        meta={"recorded_at": "2026-11-23T01:21:58+00:00", "sdk": "OpenAI/Python"},
    )
    known = interaction(request({"model": "m", "messages": []}, headers={"accept": "*/*"}), answer)

    assert (
        text_of(known)
        == """\
POST http://model.test/v1/chat/completions
  accept: */*

  {
    "model": "m",
    "messages": []
  }

200 OK
  content-type: application/json

  {
    "choices": [
      {
        "message": {
          "content": "hi"
        }
      }
    ],
    "usage": {
      "prompt_tokens": 2000,
      "completion_tokens": 5
    }
  }

head after 1,500 ms, 2 chunks of 103 bytes in all by 1,750 ms
gaps between chunks: median 250 ms, longest 250 ms
openai:m, 2,000 tokens in, 5 out, price not known
recorded at: 2026-11-23T01:21:58+00:00
sdk: OpenAI/Python"""
    )


def test_a_stream_is_its_events_with_their_times() -> None:
    answer = timed((b'event: one\ndata: {"a": 1}\n\n', 0.0121), (b"data: [DONE]\n\n", 1.5), headers=[SSE])

    lines = text_of(interaction(request(), answer)).splitlines()

    assert '     +12 ms  one  {"a": 1}' in lines
    assert "   +1500 ms  [DONE]" in lines


def test_what_all_events_say_is_said_once() -> None:
    """The rest of each stands out then."""
    events = [
        {"id": "a", "model": "m", "n": number, **({"end": True} if number == 3 else {})}
        for number in (1, 2, 3)
    ]
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)

    lines = text_of(interaction(answer=response(body, headers=[SSE]))).splitlines()

    start = lines.index('  in every event  {"id": "a", "model": "m"}')
    assert lines[start + 1 : start + 4] == ['  {"n": 1}', '  {"n": 2}', '  {"n": 3, "end": true}']


ENDINGS = {
    "cut": (response(b"half", is_cut=True), ["cut: the client stopped reading here"]),
    "reset": (
        response(b"half", failure=TransportFailure(kind="reset", at_s=0.5, has_head=True)),
        ["200 OK", "failed: reset in the body, after 500 ms"],
    ),
    "refused": (
        response(status=0, reason="", failure=TransportFailure(kind="read_timeout", at_s=0.0012)),
        ["no answer", "failed: read timeout before the answer, after 1.2 ms"],
    ),
    "no times": (response(b""), ["no times: not recorded by tapeline, or edited since"]),
}


@pytest.mark.parametrize(("answer", "said"), ENDINGS.values(), ids=ENDINGS.keys())
def test_how_a_call_ended_is_said(answer: response, said: list[str]) -> None:
    lines = text_of(interaction(request(), answer)).splitlines()

    assert [line for line in said if line not in lines] == []


BODIES = {
    "text": (b"two\nlines", ["  two", "  lines"]),
    "no text": (b"\xff\xfe\x00", ["  (3 bytes that are no text)"]),
    "deep JSON": (b"[" * 900 + b"]" * 900, ["  (nested too deeply to show)"]),
    "broken JSON": (b'{"a": ', ['  {"a": ']),
}


@pytest.mark.parametrize(("body", "shown"), BODIES.values(), ids=BODIES.keys())
def test_any_body_is_shown(body: bytes, shown: list[str]) -> None:
    """Of requests and of answers."""
    lines = text_of(interaction(request(body), response(body))).splitlines()

    assert [lines.count(line) for line in shown] == [2] * len(shown)


def test_deep_json_in_a_stream_is_not_set_out() -> None:
    stream = response(b"data: " + b"[" * 900 + b"]" * 900 + b"\n\n", headers=[SSE])

    assert "  (nested too deeply to show)" in text_of(interaction(answer=stream))
    assert json.dumps(transcript_json(interaction(answer=stream)))


def test_what_is_long_is_cut_in_the_middle_and_says_so() -> None:
    body = "\n".join(f"line {number}" for number in range(100)).encode()

    cut, whole = (text_of(interaction(answer=response(body)), is_full=full) for full in (False, True))

    assert ("line 29\n  ... 60 more lines: --full shows them\n  line 90" in cut, "line 50" in cut) == (
        (True, False)
    )
    assert ("more lines" in whole, "line 50" in whole) == (False, True)
    assert sum(line.startswith("  line") for line in cut.splitlines()) == SHOWN_LINES


def test_a_long_line_says_how_much_is_missing() -> None:
    known = interaction(answer=response(b"x" * (SHOWN_CHARACTERS + 1_234)))

    assert f"  {'x' * SHOWN_CHARACTERS} ... 1,234 more characters" in text_of(known).splitlines()
    assert "more characters" not in text_of(known, is_full=True)


def test_secrets_that_a_file_holds_are_not_shown() -> None:
    """Those of files that other tools wrote: in the URL, in headers, in bodies, in what is known of them."""
    key = "sk-proj-abcdefghijklmnopqrstuvwx"
    known = interaction(
        request(
            {"key": f"a line\n{key}", "password": "opensesame"},
            url=f"https://me:{key}@model.test/v1/chat/completions?api_key=abc123def",
            headers={"authorization": "Basic c2VjcmV0", "x-other": key},
        ),
        response(
            json.dumps([f"a line\n{key}"]).encode(), headers=[("set-cookie", "id=c2VjcmV0")], meta={"k": key}
        ),
    )

    shown = text_of(known, is_full=True) + json.dumps(transcript_json(known))

    assert [secret for secret in (key, "opensesame", "c2VjcmV0", "abc123def") if secret in shown] == []
    assert "authorization: (not shown)" in shown


def test_a_stream_as_data() -> None:
    answer = timed((b'event: one\ndata: {"a": 1}\n\n', 0.25), head_s=0.5, headers=[SSE])

    assert transcript_json(interaction(request({"model": "m"}), answer)) == {
        "source": "openai:m",
        "request": {
            "method": "POST",
            "url": "http://model.test/v1/chat/completions",
            "headers": {},
            "body": {"model": "m"},
        },
        "response": {
            "status": 200,
            "reason": "OK",
            "headers": [["content-type", "text/event-stream"]],
            "body": None,
            "events": [{"at_s": 0.25, "type": "one", "value": {"a": 1}}],
            "is_cut": False,
            "failure": None,
        },
        "head_s": 0.5,
        "chunks": [[27, 0.25]],
        "input_tokens": None,
        "output_tokens": None,
        "cost_usd": None,
        "meta": {},
    }
