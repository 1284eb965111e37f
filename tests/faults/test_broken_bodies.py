"""Plain answers that are broken, of every provider, on both faces: one error each, never half an answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import cache

import pytest
from bottled_calls import (
    GZIP,
    MB,
    Bottle,
    body_of,
    both_faces,
    every_format,
    every_wire,
    in_bytes,
    packed,
    with_others,
)
from wires import FACES, WIRES, Face, Wire, plain, streamed

from tapeline.errors import ErrorCode
from tapeline.latency.pacing import ScheduledResponse
from tapeline.types import Json

BLOCKING = FACES["blocking"]

# Bodies -----------------------------------------------------------------------------------------------

Changed = Callable[[bytes], ScheduledResponse]

NOTHING: dict[str, ScheduledResponse] = {
    "nothing": plain(b""),
    "blanks": plain(b" \r\n\t"),
    "nothing, compressed": packed(gzip.compress(b"")),
}
MALFORMED: dict[str, Changed] = {
    "cut short": lambda body: plain(body[:-1]),
    "said twice": lambda body: plain(body + body),
    "a word more": lambda body: plain(body + b" ok"),
    "a page": lambda body: plain(b"<!doctype html><p>Sign in"),
    "a page that says it is JSON": lambda body: plain(
        b"<p>Sign in", headers={"content-type": "application/json"}
    ),
    "a stream": lambda body: plain(b"data: %s\n\n" % body),
    "a list": lambda body: plain(b"[%s]" % body),
    "null": lambda body: plain(b"null"),
    "a number": lambda body: plain(b"42"),
    "a string": lambda body: plain(b'"Paris"'),
    "not a number": lambda body: plain(b"NaN"),
    "bottomless": lambda body: plain(b"[" * 100_000),
    "bad UTF-8": lambda body: plain(body.replace(b"Paris", b"P\xe9ris")),
    "UTF-16": lambda body: plain(body.decode().encode("utf-16")),
    "half a surrogate": lambda body: plain(body.replace(b"Paris", rb"\ud83d")),
    "a bare line break": lambda body: plain(body.replace(b"Paris", b"\n")),
    "not compressed": packed,
    "compressed, cut short": lambda body: packed(gzip.compress(body)[:-20]),
    "compressed, damaged": lambda body: packed(gzip.compress(body)[:-8] + bytes(8)),
    "compressed, not said": lambda body: plain(gzip.compress(body)),
}
"""What may come in place of a good body. A second try would bring the same, and is not made."""


@every_wire
@both_faces
@pytest.mark.parametrize("answer", NOTHING.values(), ids=NOTHING.keys())
def test_a_body_without_anything_is_an_empty_response(
    answer: ScheduledResponse, face: Face, wire: Wire
) -> None:
    ended = Bottle(face, wire).generate(answer)

    assert (ended.code, ended.retryable, ended.attempts) == (ErrorCode.EMPTY_RESPONSE, False, 1)


@every_wire
@both_faces
@pytest.mark.parametrize("changed", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_broken_body_is_malformed(changed: Changed, face: Face, wire: Wire) -> None:
    ended = Bottle(face, wire).generate(changed(body_of(wire)))

    assert (ended.code, ended.retryable, ended.attempts) == (ErrorCode.MALFORMED_RESPONSE, False, 1)


@every_format
def test_a_body_cut_anywhere_is_no_answer(wire: Wire) -> None:
    """At each byte, in good order, as a proxy may: a part of an answer never passes for it."""
    body, bottle = body_of(wire), Bottle(BLOCKING, wire)

    codes = [bottle.generate(plain(body[:length])).code for length in range(len(body))]

    assert codes == [ErrorCode.EMPTY_RESPONSE] + [ErrorCode.MALFORMED_RESPONSE] * (len(body) - 1)


HARMLESS: dict[str, Changed] = {
    "without a type": lambda body: plain(body, headers={"content-type": ""}),
    "called a page": lambda body: plain(body, headers={"content-type": "text/html"}),
    "byte by byte": lambda body: streamed(in_bytes(body)),
    "with empty blocks": lambda body: streamed([b"", body, b""]),
    "compressed": lambda body: packed(gzip.compress(body)),
    "compressed, byte by byte": lambda body: packed(*in_bytes(gzip.compress(body))),
    "blanks around it": lambda body: plain(b"\n" + body + b"\r\n"),
    "another good status": lambda body: plain(body, status=201),
}


@every_wire
@both_faces
@pytest.mark.parametrize("changed", HARMLESS.values(), ids=HARMLESS.keys())
def test_an_odd_body_that_is_whole_is_an_answer(changed: Changed, face: Face, wire: Wire) -> None:
    good = wire.reply()

    ended = Bottle(face, wire).generate(changed(body_of(wire)))

    assert ended.reply is not None
    assert (ended.reply.text, ended.reply.finish_reason, ended.reply.usage) == (
        good.text,
        good.finish_reason,
        good.usage,
    )


# Values of the wrong kind -----------------------------------------------------------------------------

OTHERS: list[Json] = [None, True, -1, 1e300, "x", [], [1], {}, {"x": 1}]


@every_format
def test_a_value_of_the_wrong_kind_breaks_the_answer_or_does_not_matter(wire: Wire) -> None:
    """Wherever it stands: an error of ours, or a reply with the types it promises, and nothing else."""
    bottle = Bottle(BLOCKING, wire)

    for document in with_others(json.loads(body_of(wire)), OTHERS):
        assert bottle.generate(plain(json.dumps(document).encode())).is_typed, document


# Sizes ------------------------------------------------------------------------------------------------


@cache
def bomb(size_mb: int) -> bytes:
    """A small body that unpacks to a large one."""
    return gzip.compress(bytes(size_mb * MB), compresslevel=1)


@every_format
@both_faces
def test_a_bomb_is_not_unpacked_to_its_end(face: Face, wire: Wire) -> None:
    """100 MB out of half a megabyte: the call ends before the memory does."""
    ended = Bottle(face, wire).generate(packed(bomb(100)))

    assert (ended.code, ended.retryable, ended.attempts) == (ErrorCode.RESPONSE_TOO_LARGE, False, 1)


@both_faces
def test_a_body_without_an_end_is_cut_off(face: Face) -> None:
    """Uncompressed too."""
    ended = Bottle(face, WIRES["mock"]).generate(streamed([bytes(MB)] * 100))

    assert (ended.code, ended.retryable, ended.attempts) == (ErrorCode.RESPONSE_TOO_LARGE, False, 1)


# Below an error ---------------------------------------------------------------------------------------

STATUSES = {
    401: ErrorCode.AUTHENTICATION_ERROR,
    403: ErrorCode.AUTHORIZATION_ERROR,
    413: ErrorCode.REQUEST_TOO_LARGE,
    422: ErrorCode.INVALID_REQUEST,
}
ERROR_BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "a long page": (b"<html><title>No</title>" + b"<p>" * 9_000, {}),
    "numbers for words": (b'{"error": {"message": 1, "type": 2, "code": 3}, "message": 4}', {}),
    "bottomless": (b'{"error":' * 10_000, {}),
    "bad UTF-8": (b'{"error": {"message": "\xff"}}', {}),
    "not compressed": (b"sorry", GZIP),
    "compressed, cut short": (gzip.compress(b"<p>sorry")[:-6], GZIP),
}


@every_format
@both_faces
@pytest.mark.parametrize(("body", "headers"), ERROR_BODIES.values(), ids=ERROR_BODIES.keys())
def test_the_status_decides_where_the_body_says_nothing(
    body: bytes, headers: dict[str, str], face: Face, wire: Wire
) -> None:
    """Whatever a gateway writes below it, and however long: the message stays short."""
    bottle = Bottle(face, wire)

    for status, code in STATUSES.items():
        ended = bottle.generate(plain(body, status=status, headers=headers))

        assert ended.error is not None
        assert (ended.error.status, ended.code, ended.attempts) == (status, code, 1)
        assert len(str(ended.error)) < 700
