"""Outcomes: what of a call is the same at every replay."""

from __future__ import annotations

import pytest

from tapeline.client.tool_loop import ToolRun
from tapeline.errors import ErrorCode, LLMError
from tapeline.scenarios.outcome import SHOWN_CHARACTERS, Outcome, Turn, outcome_of, outcome_of_error
from tapeline.types import Chunk, Reply, Thinking, Timing, ToolCall, ToolCallDelta, Usage, assistant

ALL = ("text", "parsed", "finish_reason", "usage", "error", "model")
FULL = Outcome(
    text="Paris",
    parsed={"city": "Paris"},
    finish_reason="stop",
    usage=Usage(input_tokens=3, output_tokens=0),
    model="m",
    chunk_at_s=(0.5,),
    ttft_s=0.5,
    latency_s=1.0,
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


def turn_of(*replies: Reply, chunks: tuple[Chunk, ...] = ()) -> Turn:
    """The replies took a second each."""
    return Turn(
        run=ToolRun(replies=replies, messages=()),
        chunks=chunks,
        asked_s=tuple(float(number) for number in range(len(replies))),
        total_s=float(len(replies)),
    )


def test_an_answer_becomes_an_outcome() -> None:
    reply = Reply(
        message=assistant("Paris"),
        finish_reason="stop",
        usage=Usage(input_tokens=3, output_tokens=0),
        model="m",
        id="other each time",
        parsed={"city": "Paris"},
        timing=Timing(total_s=1.0, ttft_s=0.5, chunk_at_s=(0.5,)),
    )

    assert outcome_of(turn_of(reply)) == FULL


def test_an_error_keeps_what_had_come() -> None:
    partial = Reply(message=assistant("Par"), finish_reason=None)
    cut = LLMError("cut", code=ErrorCode.STREAM_CLOSED, partial=partial)

    assert outcome_of_error(cut) == Outcome(error="stream_closed", text="Par")
    assert outcome_of_error(LLMError("no", code=ErrorCode.RATE_LIMIT)) == Outcome(error="rate_limit")


def test_the_rounds_of_a_turn_are_one_outcome() -> None:
    """Calls, tokens and times of all rounds; text, end and model of the last. The second was asked at 1 s."""
    call = ToolCall(id="1", name="weather", raw_arguments='{"city": "Paris"}')
    asked = Reply(
        message=assistant(call),
        finish_reason="tool_calls",
        usage=Usage(input_tokens=3, output_tokens=2),
        timing=Timing(total_s=1.0, ttft_s=0.25, chunk_at_s=(0.25,)),
    )
    told = Reply(
        message=assistant(Thinking(text="so"), "Sunny."),
        finish_reason="stop",
        usage=Usage(input_tokens=9, output_tokens=1),
        timing=Timing(total_s=1.0, ttft_s=0.5, chunk_at_s=(0.5,)),
        model="m",
    )

    outcome = outcome_of(turn_of(asked, told), request_digests=("a", "b"))

    assert outcome == Outcome(
        text="Sunny.",
        thinking="so",
        tool_calls=(call,),
        finish_reason="stop",
        usage=Usage(input_tokens=12, output_tokens=3),
        model="m",
        request_digests=("a", "b"),
        chunk_at_s=(0.25, 1.5),
        ttft_s=0.25,
        latency_s=2.0,
    )
    assert outcome.fields(("tool_calls", "thinking", "request_digest")) == {
        "tool_calls": [{"name": "weather", "arguments": {"city": "Paris"}}],
        "thinking": "so",
        "request_digest": "a+b",
    }


def test_arguments_that_are_no_json_are_shown_as_the_model_wrote_them() -> None:
    outcome = Outcome(tool_calls=(ToolCall(id="1", name="weather", raw_arguments="{"),))

    assert outcome.fields(("tool_calls",)) == {"tool_calls": [{"name": "weather", "raw_arguments": "{"}]}


def test_events_say_what_a_stream_brought_without_ids_times_and_bytes() -> None:
    """A chunk of an id alone is none."""
    chunks = (
        Chunk(id="x", model="m", raw=b"{}", at_s=0.1),
        Chunk(thinking="so"),
        Chunk(text="Sun", at_s=0.5),
        Chunk(tool_call_deltas=(ToolCallDelta(index=0, id="7", name="weather", arguments="{"),)),
        Chunk(refusal="no"),
        Chunk(finish_reason="stop", usage=Usage(output_tokens=2)),
    )
    reply = Reply(message=assistant("Sun"), finish_reason="stop")

    assert outcome_of(turn_of(reply, chunks=chunks)).fields(("events",)) == {
        "events": [
            {"thinking": "so"},
            {"text": "Sun"},
            {"tool_calls": [{"index": 0, "name": "weather", "arguments": "{"}]},
            {"refusal": "no"},
            {"finish_reason": "stop", "usage": {"output_tokens": 2}},
        ]
    }
