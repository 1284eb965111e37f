"""A JSON body is read into its struct, or refused with a code: no other exception escapes."""

from __future__ import annotations

import msgspec
import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.bodies import dumps, parse, parse_any, parse_request, without_none


class Word(msgspec.Struct):
    text: str = ""


WORD = msgspec.json.Decoder(Word)


@pytest.mark.parametrize("body", [b'{"text": "a"}', b' {"text": "a", "later": [1]}\r\n'])
def test_a_body_is_read_into_its_struct(body: bytes) -> None:
    """Blanks around it and fields of a later API do not matter."""
    assert parse(body, WORD) == Word("a")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ErrorCode.EMPTY_RESPONSE),
        (b" \r\n", ErrorCode.EMPTY_RESPONSE),
        (b"<html>", ErrorCode.MALFORMED_RESPONSE),
        (b'{"text": ', ErrorCode.MALFORMED_RESPONSE),
        (b'{"text": 1}', ErrorCode.MALFORMED_RESPONSE),
        (b'{"text": "\xff"}', ErrorCode.MALFORMED_RESPONSE),
        (b'{"later": ' + b"[" * 100_000, ErrorCode.MALFORMED_RESPONSE),
    ],
)
def test_what_is_no_such_body_has_a_code(body: bytes, code: ErrorCode) -> None:
    """Nothing is not the same as nonsense."""
    with pytest.raises(LLMError) as raised:
        parse(body, WORD)

    assert raised.value.code is code


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"model": ', b'{"model": "\xff"}', b"[" * 100_000])
def test_a_request_that_is_none_is_the_clients_fault(body: bytes) -> None:
    """And not the provider's, who has not been asked yet."""
    with pytest.raises(LLMError, match="cannot decode the request: ") as raised:
        parse_request(body)

    assert raised.value.code is ErrorCode.INVALID_REQUEST


def test_only_what_was_set_is_written() -> None:
    """Zero, empty and false are settings; None is not."""
    fields = {"a": None, "b": 0, "c": "", "d": False, "e": []}

    assert parse_any(dumps(without_none(fields))) == {"b": 0, "c": "", "d": False, "e": []}
