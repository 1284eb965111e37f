"""Bodies: written for people, and the very bytes come back."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapeline.cassettes.storage.body_text import JSON_STYLES, BodyText, readable, restored

pure = settings(max_examples=100)
JSON = "application/json"
TAPE = "\U0001f4fc"

STYLED = {
    "compact": ('{"a":1,"b":[]}', '{\n  "a": 1,\n  "b": []\n}'),
    "spaced": ('{"a": "é"}', '{\n  "a": "é"\n}'),
    "compact-ascii": ('{"a":"\\u00e9\\ud83d\\udcfc"}', f'{{\n  "a": "é{TAPE}"\n}}'),
    "spaced-ascii": ('{"a": "\\u00e9"}', '{\n  "a": "é"\n}'),
    "compact-html": ('{"a":"\\u003cthink\\u003e é"}', '{\n  "a": "<think> é"\n}'),
    "compact-line": ('{"a":1}\n', '{\n  "a": 1\n}'),
    "spaced-ascii-line": ('{"a": "\\u00e9"}\n', '{\n  "a": "é"\n}'),
}


@pytest.mark.parametrize(("style", "pair"), STYLED.items(), ids=STYLED.keys())
def test_json_stands_a_value_per_line(style: str, pair: tuple[str, str]) -> None:
    """As the common writers of JSON separate, escape and end it."""
    body, written = pair

    assert readable(body.encode(), JSON) == BodyText(written, style)
    assert restored(written, style) == body.encode()


EXACT = {
    "numbers": '{"a":1.0,"b":1e5,"c":-0.0,"d":1E-07,"e":123456789012345678901234567890}',
    "doubled keys": '{"a":1,"a":2}',
    "escapes that must stay": '{"a": "\\u0007\\u2028 \\u00e9 \\\\u00e9 \\" \\n"}',
    "escapes of another kind": '{"a":"\\/ \\u00E9"}',
}


@pytest.mark.parametrize("body", EXACT.values(), ids=EXACT.keys())
def test_what_json_values_would_lose_is_kept(body: str) -> None:
    written = readable(body.encode(), JSON)

    assert written.style is not None
    assert isinstance(written.content, str)
    assert written.content.count("\n") > 1
    assert restored(written.content, written.style) == body.encode()
    assert json.loads(written.content) == json.loads(body)


RAW = {
    "in lines already": '{\n  "a": 1\n}',
    "spaced as nobody does": '{"a" :1,"b":2}',
    "escaped here and not there": '{"a": "\\u00e9 é"}',
    "half of a surrogate pair": '{"a":"\\ud83d"}',
    "not a number": '{"a":NaN}',
    "no JSON": '{"a":',
    "nothing": "",
    "empty": "{}",
    "a text": '"hello"',
    "deep": "[" * 70 + "]" * 70,
    "deeper than the reader goes": "[" * 5_000 + "]" * 5_000,
}


@pytest.mark.parametrize("body", RAW.values(), ids=RAW.keys())
def test_other_bodies_stay_as_they_are(body: str) -> None:
    assert readable(body.encode(), JSON) == BodyText(body)


def test_json_that_is_sent_as_something_else_stays_as_it_is() -> None:
    """Stock vcrpy compares the bodies of such requests byte by byte."""
    assert readable(b'{"a":1}', "text/plain") == BodyText('{"a":1}')


def test_a_list_of_numbers_is_one_line() -> None:
    """An embedding would take 1,536."""
    assert readable(b'{"v":[[1,-0.5,null],["a"]]}', JSON).content == (
        '{\n  "v": [\n    [1, -0.5, null],\n    [\n      "a"\n    ]\n  ]\n}'
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pure
@given(values, st.booleans(), st.booleans())
@example({"a": "\u2028\x7f\xa0<&>"}, True, True)
@example([[], [1], {}, [{"]": '["'}]], True, False)
def test_any_json_of_python_comes_back(value: object, is_compact: bool, is_ascii: bool) -> None:
    separators = (",", ":") if is_compact else None
    text = json.dumps([value], separators=separators, ensure_ascii=is_ascii)
    body = text.encode("utf-8", "surrogatepass")

    written = readable(body, JSON)

    if written.style is None:
        assert written.content in (text, body)
    else:
        assert isinstance(written.content, str)
        assert restored(written.content, written.style) == body
        assert json.loads(written.content) == [value]


def test_an_edited_text_is_written_in_its_style() -> None:
    assert restored('{"answer":\n "fünf" }', "spaced-ascii") == b'{"answer": "f\\u00fcnf"}'


def test_an_edited_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the body is no longer JSON, and its style is 'compact': .*byte 4"):
        restored('{"a"}', "compact")


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown style 'loose': known are compact, "):
        restored("{}", "loose")


@pytest.mark.parametrize("style", [*JSON_STYLES, "crlf"])
def test_bytes_that_were_restored_are_not_changed_any_more(style: str) -> None:
    once = restored('{\n  "a": "é<"\n}', style)

    assert restored(once.decode(), style) == once


# Streams ------------------------------------------------------------------------------------------------

STREAM_BODIES = {
    "crlf": ("data: 1\r\n\r\ndata: ü\r\n\r\n", BodyText("data: 1\n\ndata: ü\n\n", "crlf")),
    "mixed": ("data: 1\r\n\n", BodyText("data: 1\r\n\n")),
    "a lone return": ("data: 1\r\r\n", BodyText("data: 1\r\r\n")),
    "plain": ("data: 1\n\n", BodyText("data: 1\n\n")),
    "json": ('{"a":1}', BodyText('{"a":1}')),
}


@pytest.mark.parametrize(("body", "written"), STREAM_BODIES.values(), ids=STREAM_BODIES.keys())
@pytest.mark.parametrize("media_type", ["text/event-stream", "application/x-ndjson"])
def test_a_stream_stands_line_by_line(body: str, written: BodyText, media_type: str) -> None:
    assert readable(body.encode(), media_type) == written
    if written.style:
        assert restored(str(written.content), written.style) == body.encode()


def test_bytes_that_are_no_text_stay_bytes() -> None:
    assert readable(b"\xff\xfe", JSON) == BodyText(b"\xff\xfe")
