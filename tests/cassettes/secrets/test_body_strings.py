"""Strings of bodies: read as one text where they are one, found where they stand, changed in place."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.cassettes.secrets.body_strings import documents, packed_documents, rewritten, runs, said, texts
from tapeline.providers.eventstream import encode_frame


def sse(*events: object) -> bytes:
    return b"".join(b"event: delta\ndata: %s\n\n" % json.dumps(event).encode() for event in events)


def frames(*events: object) -> bytes:
    headers = {":message-type": "event", ":event-type": "delta"}
    return b"".join(encode_frame(headers, json.dumps(event).encode()) for event in events)


def lines(*events: object) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


EVENTS = [{"delta": {"text": piece}, "id": "a"} for piece in ("He", "llo ", "w\u00f6rld")]
STREAMS: Mapping[str, bytes] = {"SSE": sse(*EVENTS), "frames": frames(*EVENTS), "lines": lines(*EVENTS)}


@pytest.mark.parametrize("body", STREAMS.values(), ids=STREAMS.keys())
def test_the_pieces_of_a_stream_are_one_text(body: bytes) -> None:
    assert {text.path: "".join(text.parts) for text in texts(body)} == {
        "$.delta.text": "Hello w\u00f6rld",
        "$.id": "aaa",
    }
    assert all(text.is_stream for text in texts(body))


@pytest.mark.parametrize("body", STREAMS.values(), ids=STREAMS.keys())
def test_both_readings_agree(body: bytes) -> None:
    """The fast one and the one that says where."""
    read = [[part.encode() for part in text.parts] for text in texts(body)]

    assert [[said(body[piece.start : piece.end]) for piece in run] for run in runs(body)] == read


def test_texts_that_come_in_turns_are_told_apart_by_their_numbers() -> None:
    """Two choices of one stream: as a whole they are nonsense, each by itself is a text."""
    body = sse(
        *({"choices": [{"index": n % 2, "text": piece}]} for n, piece in enumerate(["a", "x", "b", "y"]))
    )

    assert [list(text.parts) for text in texts(body)] == [["a", "x", "b", "y"], ["a", "b"], ["x", "y"]]
    assert ["".join(body[p.start : p.end].decode() for p in run) for run in runs(body)] == [
        "axby",
        "ab",
        "xy",
    ]


PLACES: Mapping[str, tuple[bytes, dict[str, list[str]]]] = {
    "nested": (b'{"a": {"b": [{"c": "x"}, {"c": "y"}]}}', {"$.a.b[*].c": ["x", "y"]}),
    "a list": (b'["x", ["y"]]', {"$[*]": ["x"], "$[*][*]": ["y"]}),
    "indented": (b'{\n  "a": "x",\n  "b": 1\n}', {"$.a": ["x"]}),
    "keys are no strings": (b'{"a": 1, "b": {"c": null}}', {}),
    "escapes": (rb'{"a": "x\n\"\u00e9\ud83d\ude42"}', {"$.a": ['x\n"\u00e9\U0001f642']}),
    "the end of a stream": (b'data: {"a": "x"}\n\ndata: [DONE]\n\n', {"$.a": ["x"], "$": ["[DONE]"]}),
    "events of text": (b"data: he\n\ndata: llo\n\n", {"$": ["he", "llo"]}),
    "plain text": (b"hello", {}),
    "nothing": (b"", {}),
    "binary": (b"\x89PNG\x00\x00\x00\x0d", {}),
}


@pytest.mark.parametrize(("body", "found"), PLACES.values(), ids=PLACES.keys())
def test_strings_are_found_below_their_path(body: bytes, found: dict[str, list[str]]) -> None:
    assert {text.path: list(text.parts) for text in texts(body)} == found


def test_what_is_only_nearly_json_is_not_read_but_located() -> None:
    body = b'{"a": "x", "b": "y'

    with pytest.raises(ValueError, match="truncated"):
        list(texts(body))
    assert [body[piece.start : piece.end] for run in runs(body) for piece in run] == [b"x"]


def test_json_deeper_than_any_body_is_no_error_of_its_own() -> None:
    body = b"[" * 100_000 + b'"x"'

    with pytest.raises(ValueError, match=r"deep|truncated"):
        list(texts(body))


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4), st.booleans())
def test_what_strings_say_is_what_json_says(value: dict[str, str], is_ascii: bool) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")

    found = [said(body[piece.start : piece.end]) for run in runs(body) for piece in run]

    assert sorted(found) == sorted(text.encode("utf-8", "replace") for text in value.values())


@pytest.mark.parametrize(
    ("raw", "text", "expected"),
    [
        (b"abc", b"a**", b"a**"),
        (rb"a\"bc", b'a"**', rb"a\"**"),
        (rb"a\"bc", b"****", b"*****"),
        (rb"\u0061b", b"*b", b"******b"),
    ],
)
def test_a_string_is_rewritten_at_its_length(raw: bytes, text: bytes, expected: bytes) -> None:
    assert rewritten(raw, text) == expected
    assert len(rewritten(raw, text)) == len(raw)


def test_json_packed_in_base64_is_found() -> None:
    inner = b'{"delta": "x"}'
    body = json.dumps({"bytes": b64encode(inner).decode(), "other": "eyJhbGciOi.x", "text": "eyJ"}).encode()

    [packed] = packed_documents(body)

    assert packed.document == inner
    assert body[packed.start : packed.end] == b64encode(inner)


def test_documents_of_a_cut_stream_are_those_that_came() -> None:
    body = frames(*EVENTS)

    assert len(documents(body[:-3])) == 2
