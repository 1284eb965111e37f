"""Errors: one code for each kind of failure, facts as attributes, messages fit to be read and sent around."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from tapeline import errors
from tapeline.errors import (
    RETRYABLE,
    BudgetExceededError,
    CassetteError,
    CassetteMissError,
    ConfigError,
    ErrorCode,
    InvalidCassetteError,
    LLMError,
    ScenarioError,
)
from tapeline.types import Reply, ToolCall, Usage, assistant

KINDS = {
    LLMError: (ErrorCode.INTERNAL_ERROR, Exception),
    ConfigError: (ErrorCode.INVALID_CONFIG, LLMError),
    ScenarioError: (ErrorCode.INVALID_CONFIG, ConfigError),
    CassetteError: (ErrorCode.INVALID_CASSETTE, LLMError),
    CassetteMissError: (ErrorCode.CASSETTE_MISS, CassetteError),
    InvalidCassetteError: (ErrorCode.INVALID_CASSETTE, CassetteError),
    BudgetExceededError: (ErrorCode.BUDGET_EXCEEDED, CassetteError),
}
PARTIAL = Reply(
    message=assistant("Par", ToolCall(id="1", name="look")), finish_reason=None, usage=Usage(input_tokens=3)
)


def rich_error(kind: type[LLMError] = LLMError) -> LLMError:
    return kind(
        "slow down",
        code=ErrorCode.RATE_LIMIT,
        op="openai.generate",
        provider="openai",
        model="gpt",
        status=429,
        provider_code="rate_limit_exceeded",
        request_id="req_1",
        retry_after_s=1.5,
        attempts=3,
        partial=PARTIAL,
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_tree_is_the_one_that_is_drawn(kind: type[LLMError]) -> None:
    """Parent and default code of each class; and the docstring draws them all."""
    code, parent = KINDS[kind]

    assert kind.__bases__ == (parent,)
    assert kind("no").code is code
    assert kind.__name__ in (errors.__doc__ or "")


def test_the_tree_has_no_other_classes() -> None:
    assert {v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)} == set(
        KINDS
    )


@pytest.mark.parametrize("code", ErrorCode)
def test_a_code_is_its_own_word(code: ErrorCode) -> None:
    """Lower case with underscores, equal to its str, and what OpenTelemetry reports."""
    error = LLMError("no", code=code)

    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert (code, str(code)) == (code.name.lower(), code.value)
    assert error._gen_ai_error_type == code.value


def test_only_what_may_pass_is_worth_a_second_try() -> None:
    """By the code, unless the one who raises knows better."""
    retryable = {code for code in ErrorCode if LLMError("no", code=code).retryable}

    assert (
        retryable == RETRYABLE == {"rate_limit", "overloaded", "internal_error", "timeout", "network_error"}
    )
    assert not LLMError("no", code=ErrorCode.RATE_LIMIT, retryable=False).retryable
    assert LLMError("no", code=ErrorCode.NOT_FOUND, retryable=True).retryable


def test_the_text_says_where_what_and_which_request() -> None:
    """And leaves out what is not known."""
    assert str(rich_error()) == "openai.generate: slow down [rate_limit, HTTP 429, request req_1]"
    assert str(LLMError("broken")) == "broken [internal_error]"
    assert str(CassetteMissError("no match\n- a\n+ b")) == "no match\n- a\n+ b"


def test_a_long_message_is_cut_everywhere() -> None:
    """Providers echo prompts: neither str, repr nor the pickle holds the rest. A cassette's diff stays."""
    long = "x" * 600
    error = LLMError(long)

    assert error.message == "x" * 500 + "... (600 characters)"
    assert all(long not in text for text in (str(error), repr(error), pickle.dumps(error).decode("latin-1")))
    assert CassetteMissError(long).message == long


def test_a_text_stays_short_whatever_a_server_sends() -> None:
    """A request id comes out of a header, and can be as long as that; the attribute has all of it."""
    error = LLMError("x" * 100_000, op="openai.generate", status=500, request_id="r" * 60_000)

    assert len(str(error)) < 750
    assert error.request_id == "r" * 60_000


def test_a_lower_room_is_told_where_it_failed_only_once() -> None:
    """What is already known stays."""
    error = LLMError("no", op="openai.stream").placed(op="openai.generate", provider="openai", model="gpt")

    assert (error.op, error.provider, error.model) == ("openai.stream", "openai", "gpt")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "through",
    [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deep"],
)
def test_an_error_survives_the_way_between_processes(kind: type[LLMError], through) -> None:
    """Its class, its text and each fact, the partial reply among them."""
    error = rich_error(kind)

    arrived = through(error)

    assert type(arrived) is kind
    assert (str(arrived), repr(arrived), vars(arrived)) == (str(error), repr(error), vars(error))
