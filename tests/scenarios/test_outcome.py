"""Outcomes: what of a call is the same at every replay."""

from __future__ import annotations

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.scenarios.outcome import SHOWN_CHARACTERS, Outcome, outcome_of, outcome_of_error
from tapeline.types import Reply, Timing, Usage, assistant

ALL = ("text", "parsed", "finish_reason", "usage", "error", "model")
FULL = Outcome(
    text="Paris",
    parsed={"city": "Paris"},
    finish_reason="stop",
    usage=Usage(input_tokens=3, output_tokens=0),
    model="m",
    chunk_at_s=(0.5,),
)


def test_fields_are_plain_data_in_the_order_asked_for() -> None:
    fields = FULL.fields(("usage", "text", "parsed", "finish_reason", "model", "error"))

    assert list(fields.items()) == [
        ("usage", {"input_tokens": 3, "output_tokens": 0}),
        ("text", "Paris"),
        ("parsed", {"city": "Paris"}),
        ("finish_reason", "stop"),
        ("model", "m"),
    ]


def test_only_what_is_named_is_a_field() -> None:
    assert FULL.fields(("text",)) == {"text": "Paris"}


def test_what_holds_nothing_is_no_field() -> None:
    assert Outcome().fields(ALL) == {}


def test_an_empty_value_that_was_parsed_is_a_field() -> None:
    """An empty list is an answer; only None is none."""
    assert Outcome(parsed=[]).fields(ALL) == {"parsed": []}


def test_an_error_is_a_field() -> None:
    assert Outcome(error="rate_limit").fields(ALL) == {"error": "rate_limit"}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (FULL, "'Paris' (stop)"),
        (Outcome(error="rate_limit", text="Par"), "the error rate_limit"),
        (Outcome(text="\x1b[31m\u202e"), r"'\x1b[31m\u202e' (None)"),
        (Outcome(text="x" * (SHOWN_CHARACTERS + 1)), f"'{'x' * SHOWN_CHARACTERS}...' (None)"),
    ],
    ids=["answer", "error", "control characters", "long"],
)
def test_an_outcome_is_described_in_one_harmless_line(outcome: Outcome, expected: str) -> None:
    assert outcome.described() == expected


def test_an_answer_becomes_an_outcome() -> None:
    reply = Reply(
        message=assistant("Paris"),
        finish_reason="stop",
        usage=Usage(input_tokens=3, output_tokens=0),
        model="m",
        id="other each time",
        parsed={"city": "Paris"},
        timing=Timing(total_s=1.0, chunk_at_s=(0.5,)),
    )

    assert outcome_of(reply) == FULL


def test_an_error_keeps_what_had_come() -> None:
    partial = Reply(message=assistant("Par"), finish_reason=None)
    cut = LLMError("cut", code=ErrorCode.STREAM_CLOSED, partial=partial)

    assert outcome_of_error(cut) == Outcome(error="stream_closed", text="Par")
    assert outcome_of_error(LLMError("no", code=ErrorCode.RATE_LIMIT)) == Outcome(error="rate_limit")
