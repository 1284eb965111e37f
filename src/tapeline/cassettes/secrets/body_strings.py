"""The strings inside a body: how they read once what came in pieces is joined, and where they stand.

A model says a word in several events, so no event holds the word; the strings of one path, in order, do.
Knows JSON, lines of JSON, server-sent events and AWS event streams, and no service's own names. `texts` is
fast, and all that most bodies need; `runs` says where to change what was found, at five times the cost.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec


class Text(NamedTuple):
    """What one path of a body says. path: such as "$.choices[*].delta.content". is_stream: event by event."""

    path: str
    parts: Sequence[str]
    is_stream: bool = True


class Piece(NamedTuple):
    """Where a string stands: between its quotes, and in which event."""

    start: int
    end: int
    document: int


# Documents ----------------------------------------------------------------------------------------------


def documents(body: bytes) -> list[tuple[int, int]]:
    """Return where each JSON document of a body starts and ends; text of events that is no JSON counts."""
    if body.lstrip()[:1] in (b"{", b"["):
        lines = _lines(body)
        is_a_line_each = len(lines) > 1 and all(body[end - 1 : end] in b"}]" for _, end in lines)
        return lines if is_a_line_each else [(0, len(body))]
    return _frames(body) or _data_lines(body)


_LINE = re.compile(rb"[^\r\n]+")
_DATA = re.compile(rb"^data:[ ]?([^\r\n]+)", re.MULTILINE)
_FRAME_BYTES_MIN = 16


def _lines(body: bytes) -> list[tuple[int, int]]:
    return [line.span() for line in _LINE.finditer(body)]


def _data_lines(body: bytes) -> list[tuple[int, int]]:
    return [line.span(1) for line in _DATA.finditer(body)]


def _frames(body: bytes) -> list[tuple[int, int]]:
    """Return the payloads of an event stream; nothing if it is none."""
    found, start = [], 0
    while (size := int.from_bytes(body[start : start + 4])) >= _FRAME_BYTES_MIN and start + size <= len(body):
        headers_bytes = int.from_bytes(body[start + 4 : start + 8])
        found.append((start + 12 + headers_bytes, start + size - 4))
        start += size
    return found


def _is_json(document: bytes) -> bool:
    """Whether a document is meant to be JSON with strings in it; `[DONE]` is not."""
    start = document.lstrip()[:1]
    return start == b"{" or (start == b"[" and b'"' in document)


# Strings, as they read ----------------------------------------------------------------------------------

_decode = msgspec.json.Decoder().decode
_INDEX = re.compile(rb'ndex"\s*:\s*(\d+)')  # index, contentBlockIndex, output_index
_Found = dict[str, list[tuple[int, str]]]


def texts(body: bytes) -> Iterator[Text]:
    """Yield what each path says, and, where events number their texts, what each number says.

    Raises ValueError for a body with a document that looks like JSON and is none.
    """
    found: _Found = {}
    spans = documents(body)
    for number, (start, end) in enumerate(spans):
        _read(found, body[start:end], number)
    for path, parts in found.items():
        yield Text(path, [text for _, text in parts], len(spans) > 1)
    for numbers in _numbers(body, spans):
        yield from _texts_of(found, numbers)


def _read(found: _Found, document: bytes, number: int) -> None:
    if _is_json(document):
        try:
            _note(found, _decode(document), "$", number)
        except RecursionError as error:
            raise ValueError("too deep") from error
    else:
        found.setdefault("$", []).append((number, document.decode("utf-8", "replace")))


def _note(found: _Found, value: Any, path: str, number: int) -> None:
    """Note each string of a value below its path. No generator: there are many strings."""
    named = value.items() if type(value) is dict else [("[*]", item) for item in value]
    prefix = f"{path}." if type(value) is dict else path
    for name, item in named:
        if type(item) is str:
            place = prefix + name
            if place in found:
                found[place].append((number, item))
            else:
                found[place] = [(number, item)]
        elif type(item) is dict or type(item) is list:
            _note(found, item, prefix + name, number)


def _numbers(body: bytes, spans: Sequence[tuple[int, int]]) -> Iterator[list[Any]]:
    """Yield which text each event belongs to, if there are several."""
    numbers = [tuple(_INDEX.findall(body, *span)) for span in spans] if len(spans) > 1 else []
    if len({number for number in numbers if number}) > 1:
        yield numbers


def _texts_of(found: _Found, numbers: Sequence[Any]) -> Iterator[Text]:
    for path, parts in found.items():
        groups: dict[Any, list[str]] = {}
        for number, text in parts:
            groups.setdefault(numbers[number], []).append(text)
        yield from (Text(path, group) for group in groups.values() if 1 < len(group) < len(parts))


# Strings, where they stand ------------------------------------------------------------------------------

_TOKEN = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?|([{}\[\]])', re.DOTALL)
_ByPath = dict[bytes, list[Piece]]
NESTING_LIMIT = 200
"""Paths deeper than this are made to take long: no service nests like that."""


def runs(body: bytes) -> Iterator[Sequence[Piece]]:
    """Yield the places of the same texts, also of what is only nearly JSON."""
    found: _ByPath = {}
    spans = documents(body)
    for number, (start, end) in enumerate(spans):
        for path, piece in _located(body, start, end, number):
            found.setdefault(path, []).append(piece)
    yield from found.values()
    for numbers in _numbers(body, spans):
        groups: dict[tuple[bytes, Any], list[Piece]] = {}
        for path, places in found.items():
            for piece in places:
                groups.setdefault((path, numbers[piece.document]), []).append(piece)
        yield from groups.values()


def _located(body: bytes, start: int, end: int, number: int) -> Iterator[tuple[bytes, Piece]]:
    if not _is_json(body[start:end]):
        yield b"$", Piece(start, end, number)
        return
    at, key, outer = b"$", b"", list[bytes]()
    for token in _TOKEN.finditer(body, start, end):
        text, colon, bracket = token.groups()
        if colon is not None:
            key = b"." + text
        elif bracket is None:
            yield at + (key or b"[*]"), Piece(*token.span(1), number)
            key = b""
        elif len(outer) > NESTING_LIMIT:
            return
        elif bracket in b"{[":
            outer.append(at)
            at, key = at + (key or b"[*]"), b""
        else:
            at, key = outer.pop() if outer else b"$", b""


# What a string says -------------------------------------------------------------------------------------

_UNIT = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|[^\\]", re.DOTALL)
_SHORT = {b"\\n": b"\n", b"\\t": b"\t", b"\\r": b"\r", b"\\b": b"\b", b"\\f": b"\f"}


def said(raw: bytes) -> bytes:
    """Return what a JSON string says, as UTF-8; of one that is none, what can be made of it."""
    return b"".join(map(_said, _UNIT.findall(raw))) if b"\\" in raw else raw


def _said(unit: bytes) -> bytes:
    if unit[:2] == b"\\u":
        try:
            code = bytes.fromhex(unit.replace(b"\\u", b"").decode("ascii"))
        except ValueError:
            return unit
        return code.decode("utf-16-be", "replace").encode()
    return _SHORT.get(unit, unit[-1:])


def rewritten(raw: bytes, text: bytes) -> bytes:
    """Return a JSON string that says `text` in place of what it says now, with as many bytes.

    text: as long as what it says now; only plain letters may be new.
    """
    if b"\\" not in raw:
        return text
    written, at = [], 0
    for unit in _UNIT.findall(raw):
        before = _said(unit)
        now = text[at : at + len(before)]
        written.append(unit if now == before else now.ljust(len(unit), b"*"))
        at += len(before)
    return b"".join(written)


# JSON in base64 -----------------------------------------------------------------------------------------

_PACKED = re.compile(rb'"(eyJ[A-Za-z0-9+/]{8,}={0,2})"')


class Packed(NamedTuple):
    """A JSON document that stands in a string, in base64, as Bedrock sends the events of a model."""

    start: int
    end: int
    document: bytes


def packed_documents(body: bytes) -> list[Packed]:
    """Return those of a body."""
    found = _PACKED.finditer(body) if b'"eyJ' in body else ()
    return [Packed(*each.span(1), document) for each in found if (document := _unpacked(each[1]))]


def _unpacked(text: bytes) -> bytes | None:
    try:
        document = b64decode(text, validate=True)
    except Base64Error:
        return None
    return document if document[-1:] == b"}" and b"\n" not in document else None
