"""A check that fails says what the contract wants, and what came."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.testing.verdicts import error_of, require


def test_what_is_met_is_passed_over() -> None:
    require(True, "nothing", None)


def test_a_failure_names_both() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"^the contract wants a text; what came is 7$"):
        require(False, "a text", 7)


def test_an_error_that_came_is_told_in_its_own_words() -> None:
    error = LLMError("slow", code=ErrorCode.TIMEOUT)

    with pytest.raises(pytest.fail.Exception, match=r"what came is LLMError: slow \[timeout\]$"):
        require(False, "an answer", error)


def test_what_came_is_shortened() -> None:
    with pytest.raises(pytest.fail.Exception) as failed:
        require(False, "less", "x" * 10_000)

    assert len(str(failed.value)) < 500


def raising(error: Exception) -> Any:
    raise error


def test_the_error_of_a_call_is_returned() -> None:
    error = LLMError("no")

    assert error_of(lambda: raising(error), "of anything") is error


def test_a_call_must_raise() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"an LLMError \(no key\); what came is 'fine'"):
        error_of(lambda: "fine", "no key")


def test_a_call_must_raise_an_error_of_ours() -> None:
    """Callers catch LLMError, and would not catch this."""
    with pytest.raises(pytest.fail.Exception, match=r"an LLMError \(no key\); what came is KeyError: 'x'"):
        error_of(lambda: raising(KeyError("x")), "no key")
