r"""Bodies as text that people can read and edit, and the way back to the very bytes.

A JSON body on one line is written with a line per value, a stream with CRLF with plain line ends. The name
of a style says how it was: `compact-ascii` is `{"a":"\u00e9"}`, `spaced` is `{"a": "é"}`. Only spaces, line
ends and escapes change, and only where the way back gives the same bytes: numbers and doubled keys stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import msgspec

NESTING_LIMIT = 64
"""Deeper JSON stays as it is: indenting it would multiply its size."""

STREAMS = frozenset({"text/event-stream", "application/x-ndjson", "application/jsonl"})
CRLF = "crlf"


class BodyText(NamedTuple):
    """What a cassette says of a body. style: how to get the bytes back; None: they are what stands there."""

    content: str | bytes
    style: str | None = None


def readable(body: bytes, media_type: str) -> BodyText:
    """Return the most readable text that says all of a body; the body itself if it is no text."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return BodyText(body)
    if media_type in STREAMS:
        return _with_plain_line_ends(text)
    if media_type == "application/json" and text[:1] in ("{", "["):
        return _with_a_line_per_value(text)
    return BodyText(text)


def restored(text: str, style: str) -> bytes:
    """Return the bytes that a text of this style stands for; the text may have been edited.

    Raises ValueError for a style unknown here, or a text that is not JSON where it has to be.
    """
    if style == CRLF:
        return text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8")
    if style not in JSON_STYLES:
        raise ValueError(f"unknown style {style!r}: known are {', '.join((*JSON_STYLES, CRLF))}")
    try:
        return JSON_STYLES[style].write(text).encode("utf-8")
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the body is no longer JSON, and its style is {style!r}: {error}") from error


# Streams ------------------------------------------------------------------------------------------------


def _with_plain_line_ends(text: str) -> BodyText:
    plain = text.replace("\r\n", "\n")
    is_mixed = "\r" in plain or plain.count("\n") != text.count("\r\n")
    return BodyText(text) if is_mixed or plain == text else BodyText(plain, CRLF)


# JSON ---------------------------------------------------------------------------------------------------


class JsonStyle(NamedTuple):
    """How a writer of JSON separates, escapes and ends. indent: see msgspec.json.format."""

    indent: int
    escape: Callable[[str], str]
    end: str

    def write(self, text: str) -> str:
        return self.escape(msgspec.json.format(text, indent=self.indent)) + self.end


def _escaped(pattern: str) -> Callable[[str], str]:
    r"""Return what writes characters as \u00e9, as UTF-16 where they need two of them.

    Characters that are special to JSON are not among them, so a whole text can be treated like a string.
    """
    rare = re.compile(pattern)
    return lambda text: rare.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


_ESCAPES: dict[str, Callable[[str], str]] = {
    "": str,
    "-ascii": _escaped(r"[^\x00-\x7f]"),  # Python's json, unless told otherwise
    "-html": _escaped("[<>&\u2028\u2029]"),  # Go's encoding/json
}
JSON_STYLES: dict[str, JsonStyle] = {
    f"{spaces}{escapes}{line}": JsonStyle(indent, _ESCAPES[escapes], end)
    for (spaces, indent), escapes, (line, end) in product(
        (("compact", -1), ("spaced", 0)), _ESCAPES, (("", ""), ("-line", "\n"))
    )
}
"""By name; `-line`: it ends in a line break. Of those that fit, the first one is taken."""


def _with_a_line_per_value(text: str) -> BodyText:
    if _is_deep(text):
        return BodyText(text)
    try:
        content = _short_lists(msgspec.json.format(_unescaped(text), indent=2))
        if content == text:
            return BodyText(text)
        style = next(_styles_of(text, content), None)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return BodyText(text)
    return BodyText(content, style) if style else BodyText(text)


def _styles_of(text: str, content: str) -> Iterator[str]:
    return (name for name, style in JSON_STYLES.items() if style.write(content) == text)


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NO_BRACKET = {code: None for code in range(128) if chr(code) not in "[]{}"}


def _is_deep(text: str) -> bool:
    brackets = re.sub(r"[^\[\]{}]+", "", _STRING.sub("", text))
    for _ in range(NESTING_LIMIT):
        brackets = brackets.replace("[]", "").replace("{}", "")
    return bool(brackets)


_ESCAPE = re.compile(r"((?:\\u[0-9a-f]{4})+)|\\.")


def _unescaped(text: str) -> str:
    r"""Return JSON with its \u00e9 written out, but for what must stay escaped."""
    return _ESCAPE.sub(lambda found: _characters(found[1]) if found[1] else found[0], text)


def _characters(escapes: str) -> str:
    text = bytes.fromhex(escapes.replace("\\u", "")).decode("utf-16-be", "surrogatepass")
    return "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in text)


_SHORT_LIST = re.compile(r'\[\n +([^\[\]{}"]*)\n *\]')


def _short_lists(text: str) -> str:
    """Return indented JSON with lists of numbers on one line; no string holds a line break."""
    return _SHORT_LIST.sub(lambda found: "[" + re.sub(r",\n +", ", ", found[1]) + "]", text)
