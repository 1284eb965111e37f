"""Chunks add up to the reply they came from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tapeline.providers.assembly import Assembler, chunks_of, joined
from tapeline.types import (
    Chunk,
    Message,
    Refusal,
    Reply,
    Text,
    Thinking,
    Timing,
    ToolCall,
    ToolCallDelta,
    Usage,
    assistant,
)


def assembled(*chunks: Chunk, total_s: float = 0.0) -> Reply:
    assembler = Assembler()
    for chunk in chunks:
        assembler.add(chunk)
    return assembler.reply(total_s=total_s)


def test_no_chunks_make_an_empty_reply() -> None:
    """A stream that broke at once has a reply too, which claims nothing."""
    assert assembled() == Reply(message=Message("assistant", ()), finish_reason=None, wire=())


def test_fragments_are_joined_in_their_order() -> None:
    """Parts stand where they began, and tool calls among themselves by number."""
    reply = assembled(
        Chunk(id="r1", model="m"),
        Chunk(thinking="Hm"),
        Chunk(thinking="m."),
        Chunk(signature="sig"),
        Chunk(redacted="xyz"),
        Chunk(text="Hel"),
        Chunk(
            tool_call_deltas=(
                ToolCallDelta(index=1, id="b", name="g", arguments='{"y"'),
                ToolCallDelta(index=0, id="a", name="f"),
            )
        ),
        Chunk(text="lo", tool_call_deltas=(ToolCallDelta(index=1, arguments=":1}"),)),
        Chunk(finish_reason="tool_calls", usage=Usage(input_tokens=1, output_tokens=2)),
    )

    assert replace(reply, timing=Timing(total_s=0.0)) == Reply(
        message=assistant(
            Thinking(text="Hmm.", signature="sig"),
            Thinking(redacted="xyz"),
            Text("Hel"),
            ToolCall(id="a", name="f", raw_arguments="{}"),
            ToolCall(id="b", name="g", raw_arguments='{"y":1}'),
            Text("lo"),
        ),
        finish_reason="tool_calls",
        usage=Usage(input_tokens=1, output_tokens=2),
        model="m",
        id="r1",
        wire=(),
    )


def test_each_signature_stays_with_the_thinking_it_signs() -> None:
    """A model may think, sign, answer and think again; thinking joined under one signature is refused."""
    reply = assembled(
        Chunk(thinking="One"),
        Chunk(signature="s1"),
        Chunk(thinking="Two"),
        Chunk(signature="s2"),
        Chunk(text="So."),
        Chunk(thinking="Three"),
    )

    assert reply.message == assistant(
        Thinking(text="One", signature="s1"),
        Thinking(text="Two", signature="s2"),
        "So.",
        Thinking(text="Three"),
    )


def test_reasoning_items_are_told_apart_by_their_ids() -> None:
    reply = assembled(
        Chunk(thinking="One", thinking_id="r1"),
        Chunk(signature="s1"),
        Chunk(thinking_id="r2", signature="s2"),
        Chunk(refusal="No"),
        Chunk(refusal="pe."),
    )

    assert reply.message == assistant(
        Thinking(text="One", id="r1", signature="s1"), Thinking(id="r2", signature="s2"), Refusal("Nope.")
    )
    assert (reply.text, reply.refusal) == ("", "Nope.")


def test_usage_that_is_repeated_counts_once() -> None:
    """Usage is cumulative where servers send it with every chunk: the last one holds."""
    reply = assembled(*(Chunk(text="a", usage=Usage(input_tokens=9, output_tokens=n)) for n in range(1, 4)))

    assert reply.usage == Usage(input_tokens=9, output_tokens=3)


def test_only_content_is_timed() -> None:
    """The first token is the first that says something; an empty chunk is not one."""
    reply = assembled(
        Chunk(id="r1", at_s=0.1),
        Chunk(text="a", at_s=0.2),
        Chunk(at_s=0.3),
        Chunk(thinking="b", at_s=0.4),
        Chunk(finish_reason="stop", at_s=0.5),
        total_s=0.6,
    )

    assert reply.timing == Timing(total_s=0.6, ttft_s=0.2, chunk_at_s=(0.2, 0.4))


def test_the_events_are_kept_for_raw() -> None:
    """`raw` of a streamed reply is the list of its events."""
    assert assembled(Chunk(raw=b'{"a":1}'), Chunk(), Chunk(raw=b"[2]")).raw == [{"a": 1}, [2]]


def test_a_reply_says_its_id_in_each_of_its_chunks() -> None:
    """As real streams do: a format that names the answer in its first event must know it by then."""
    reply = Reply(
        message=assistant("Hi", ToolCall(id="a", name="f", raw_arguments='{"x":1}')),
        finish_reason="tool_calls",
        usage=Usage(input_tokens=1, output_tokens=2),
        model="m",
        id="r1",
    )

    assert chunks_of(reply) == [
        Chunk(text="Hi", id="r1", model="m"),
        Chunk(
            tool_call_deltas=(ToolCallDelta(index=0, id="a", name="f", arguments='{"x":1}'),),
            id="r1",
            model="m",
        ),
        Chunk(finish_reason="tool_calls", usage=Usage(input_tokens=1, output_tokens=2), id="r1", model="m"),
    ]


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((Text("a"), Text(""), Text("b")), (Text("ab"),)),
        ((Text("a"), Refusal("no"), Text("b")), (Text("a"), Refusal("no"), Text("b"))),
        (
            (Thinking(text="a"), Thinking(), Thinking(text="b", signature="s"), Thinking(text="c")),
            (Thinking(text="ab", signature="s"), Thinking(text="c")),
        ),
        (
            (Thinking(text="a"), Thinking(redacted="r"), Thinking(redacted="q"), Thinking(text="b")),
            (Thinking(text="a"), Thinking(redacted="r"), Thinking(redacted="q"), Thinking(text="b")),
        ),
    ],
)
def test_parts_are_joined_as_the_chunks_of_them_would_be(parts: tuple, whole: tuple) -> None:
    """So that a plain answer is the same message as the stream of it."""
    reply = Reply(message=Message("assistant", parts), finish_reason="stop")

    assert joined(parts) == whole
    assert assembled(*chunks_of(reply)).message.content == whole
