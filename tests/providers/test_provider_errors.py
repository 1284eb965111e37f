"""What went wrong, as any server may say it: in a status, in a header, in a body of any shape.

Tests `tapeline.providers.errors`; two test files named test_errors.py could not be imported together.
"""

from __future__ import annotations

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.errors import (
    closed,
    code_of_status,
    empty_stream,
    error_object,
    final,
    final_unless_throttled,
    http_error,
    no_events,
    preview,
    retry_after_s,
    word_of,
)

NOON = "Wed, 21 Oct 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "delay_s"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": NOON}, None),
        ({"retry-after": NOON, "date": "Wed, 21 Oct 2026 11:59:30 GMT"}, 30.0),
        ({"retry-after": NOON, "date": "Wed, 21 Oct 2026 12:00:01 GMT"}, 0.0),
        ({"retry-after": NOON, "date": "Wed, 21 Oct 2026 11:59:30 -0000"}, None),
        ({"retry-after": NOON, "date": "today"}, None),
        ({"retry-after": "Wed, 21 Oct 20260000000000000000 12:00:00 GMT", "date": NOON}, None),
        ({"retry-after": "soon", "date": NOON}, None),
    ],
)
def test_a_servers_wish_to_wait_is_read_where_it_is_a_delay(
    headers: dict[str, str], delay_s: float | None
) -> None:
    """Milliseconds come first, being exact; a date counts from the server's own; the rest is none."""
    assert retry_after_s(headers) == delay_s


@pytest.mark.parametrize(
    ("word", "should_retry"), [("true", True), ("false", False), ("maybe", None), (None, None)]
)
def test_a_servers_last_word_on_another_try_is_heard(word: str | None, should_retry: bool | None) -> None:
    """It knows better than a status; what the caller is told stays that of the code."""
    headers = {} if word is None else {"x-should-retry": word}

    error = http_error(429, headers, message="", code=None)

    assert (error.should_retry, error.retryable) == (should_retry, True)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", {}),
        (b"null", {"message": "None"}),
        (b'{"error": {"message": "a"}}', {"message": "a"}),
        (b'{"error": "a"}', {"message": "a"}),
        (b'{"error": null, "message": "a"}', {"error": None, "message": "a"}),
        (b'{"detail": "a"}', {"detail": "a"}),
        (b'["a"]', {"message": "['a']"}),
        (b"<html>", {"message": "'<html>'"}),
        (b"\xff", {"message": r"'\ufffd'"}),
    ],
)
def test_an_error_is_found_in_a_body_of_any_shape(body: bytes, error: dict) -> None:
    """Gateways wrap errors, unwrap them, or answer with a page."""
    assert error_object(body) == error


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (204, ErrorCode.INVALID_RESPONSE),
        (302, ErrorCode.INVALID_RESPONSE),
        (402, ErrorCode.QUOTA_EXCEEDED),
        (404, ErrorCode.NOT_FOUND),
        (409, ErrorCode.INVALID_REQUEST),
        (599, ErrorCode.INTERNAL_ERROR),
    ],
)
def test_every_status_has_a_code(status: int, code: ErrorCode) -> None:
    """Its own or that of its class; a status that is no error is no answer either."""
    assert code_of_status(status) is code


def test_a_providers_code_outranks_the_status() -> None:
    """The status decides only where the body did not, and is the message where there is none."""
    told = http_error(400, {"request-id": "r"}, message="", code=ErrorCode.RATE_LIMIT, provider_code="slow")
    untold = http_error(400, {}, message="no", code=None)

    assert (told.code, told.message, told.request_id) == (ErrorCode.RATE_LIMIT, "HTTP 400", "r")
    assert (untold.code, untold.message, untold.request_id) == (ErrorCode.INVALID_REQUEST, "no", None)


def test_of_several_words_for_a_code_the_first_is_written() -> None:
    """And none where the provider has no word."""
    codes = {"slow": ErrorCode.RATE_LIMIT, "slower": ErrorCode.RATE_LIMIT}

    assert word_of(ErrorCode.RATE_LIMIT, codes) == "slow"
    assert word_of(ErrorCode.TIMEOUT, codes) is None


def test_a_stream_without_events_is_empty_or_something_else() -> None:
    """A page in its place is shown, a silent end is not called malformed."""
    assert no_events(b"").code is ErrorCode.EMPTY_RESPONSE
    assert no_events(b"<html>").code is ErrorCode.MALFORMED_RESPONSE
    assert "<html>" in no_events(b"<html>").message


@pytest.mark.parametrize("error", [closed("early"), empty_stream("no lines"), no_events(b"")])
def test_a_stream_that_ended_early_is_the_callers_to_repeat(error: LLMError) -> None:
    """It may go well, but what had come is paid for."""
    assert (error.retryable, error.should_retry) == (True, False)


@pytest.mark.parametrize(
    ("code", "in_body", "in_stream"),
    [
        (ErrorCode.RATE_LIMIT, False, None),
        (ErrorCode.OVERLOADED, False, None),
        (ErrorCode.INTERNAL_ERROR, False, False),
    ],
)
def test_an_answer_that_is_an_error_is_not_asked_for_again(
    code: ErrorCode, in_body: bool | None, in_stream: bool | None
) -> None:
    """But for a stream that ends with the wish to come back later."""
    verdicts = [mark(LLMError("x", code=code)).should_retry for mark in (final, final_unless_throttled)]

    assert verdicts == [in_body, in_stream]


def test_a_preview_is_short_and_plain_ascii() -> None:
    """Whatever a server sent, a terminal can show it."""
    assert preview(b"\x1b[31m\xff" + b"a" * 100, limit=6) == r"'\x1b[31m\ufffd'..."
