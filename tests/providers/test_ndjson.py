"""Lines are lines wherever the body is cut, and no longer than the limit."""

from __future__ import annotations

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.ndjson import LineSplitter


def split(*blocks: bytes) -> list[bytes]:
    splitter = LineSplitter()
    return [line for block in blocks for line in splitter.feed(block)] + splitter.finish()


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"", []),
        (b"1\n22\n333\n", [b"1", b"22", b"333"]),
        (b"1\n22", [b"1", b"22"]),
        (b"\n1\n\n \n22\n\n", [b"1", b"22"]),
        (b"1\r\n22\r\n", [b"1\r", b"22\r"]),
        ('"a\u2028b\u2029c\u0085d"\n'.encode(), ['"a\u2028b\u2029c\u0085d"'.encode()]),
    ],
    ids=["nothing", "three", "no LF at the end", "blank lines", "CRLF", "other separators inside a string"],
)
def test_lines_are_the_same_wherever_the_body_is_cut(body: bytes, lines: list[bytes]) -> None:
    """Whole, in two at each position, and in single bytes."""
    assert split(body) == lines
    for position in range(len(body) + 1):
        assert split(body[:position], body[position:]) == lines
    assert split(*(body[i : i + 1] for i in range(len(body)))) == lines


@pytest.mark.parametrize("blocks", [[b"0123456789"], [b"0123", b"45678", b"9\n"], [b"1\n0123456789\n"]])
def test_a_line_over_the_limit_is_refused(blocks: list[bytes]) -> None:
    """Memory stays bounded whatever a server sends."""
    splitter = LineSplitter(line_bytes_limit=8)

    with pytest.raises(LLMError) as raised:
        [splitter.feed(block) for block in blocks]

    assert raised.value.code is ErrorCode.RESPONSE_TOO_LARGE


def test_many_short_lines_are_within_the_limit() -> None:
    """The limit is one line's, not the body's or the block's."""
    assert LineSplitter(line_bytes_limit=8).feed(b"012345\n" * 10) == [b"012345"] * 10
