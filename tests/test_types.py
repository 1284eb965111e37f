"""The words of the library: what people build by hand, and what they read off a reply."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

import tapeline
from tapeline import types
from tapeline.client import chat_model
from tapeline.media import Image
from tapeline.types import (
    LLM,
    ChatModel,
    ChatRequest,
    Chunk,
    Message,
    Prompt,
    Reply,
    Text,
    Thinking,
    Timing,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    assistant,
    messages_of,
    system,
    tool_result,
    user,
)

PIXEL = Image(media_type="image/png", data=b"\x89PNG")
RICH = Reply(
    message=assistant(
        Thinking(text="hm, "),
        Thinking(text="well", signature="s"),
        "Let me ",
        ToolCall(id="1", name="look", raw_arguments='{"at": "it"}'),
        "see.",
        ToolCall(id="2", name="wait"),
    ),
    finish_reason="tool_calls",
    usage=Usage(input_tokens=3, output_tokens=4),
    timing=Timing(total_s=1.0),
    cost_usd=Decimal("0.001"),
    wire=b'{"id": "x"}',
)


def test_messages_are_built_from_strings_and_parts() -> None:
    assert [
        system("Be brief."),
        user("Look:", PIXEL),
        assistant("A pixel.", ToolCall(id="1", name="zoom")),
    ] == [
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("Look:"), PIXEL)),
        Message("assistant", (Text("A pixel."), ToolCall(id="1", name="zoom", raw_arguments="{}"))),
    ]
    assert tool_result("1", "done", is_error=True) == Message(
        "tool", (ToolResult(id="1", content="done", is_error=True),)
    )


@pytest.mark.parametrize(
    ("prompt", "messages"),
    [
        ("hi", (user("hi"),)),
        ("", (user(""),)),
        (user("hi"), (user("hi"),)),
        ([system("s"), user("hi")], (system("s"), user("hi"))),
        ((message for message in [user("hi")]), (user("hi"),)),
    ],
)
def test_a_prompt_is_text_a_message_or_several(prompt: Prompt, messages: tuple[Message, ...]) -> None:
    assert messages_of(prompt) == messages


@pytest.mark.parametrize(
    ("prompt", "kind"), [([{"role": "user", "content": "hi"}], "dict"), (["hi"], "str"), (b"hi", "int")]
)
def test_a_prompt_of_anything_else_is_refused(prompt: Any, kind: str) -> None:
    """Such as the dicts of a vendor's SDK; the error says what to write."""
    with pytest.raises(
        TypeError, match=rf"several Messages, not '{kind}' among them: write tapeline\.system"
    ):
        messages_of(prompt)


def test_a_prompt_that_is_not_even_several_things_is_refused() -> None:
    with pytest.raises(TypeError, match="a str, a Message or several Messages, not 'int'"):
        messages_of(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda: Message("user", "hi"), "str"),  # type: ignore[arg-type]
        (lambda: user("hi", None), "NoneType"),  # type: ignore[arg-type]
        (lambda: assistant({"text": "hi"}), "dict"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_part_is_not_lost_in_silence(build: Callable[[], Message], kind: str) -> None:
    with pytest.raises(TypeError, match=rf"parts such as tapeline.Text\(...\), not '{kind}'"):
        build()


def test_a_reply_is_read_by_kind() -> None:
    """Text and thinking joined in their order, tool calls as they are."""
    assert (RICH.text, RICH.thinking) == ("Let me see.", "hm, well")
    assert [(call.name, call.arguments) for call in RICH.tool_calls] == [("look", {"at": "it"}), ("wait", {})]
    assert (RICH.text, user("a", PIXEL, "b").text) == (RICH.message.text, "ab")


@pytest.mark.parametrize(
    ("wire", "raw"),
    [(b"", None), (b'{"a": 1}', {"a": 1}), ((), []), ((b'{"a": 1}', b"[2]"), [{"a": 1}, [2]])],
)
def test_raw_is_all_that_was_sent(wire: bytes | tuple[bytes, ...], raw: Any) -> None:
    """A body as JSON, a stream as a list of events; and it is not printed with the reply."""
    reply = dataclasses.replace(RICH, wire=wire)

    assert reply.raw == raw
    assert "wire" not in repr(reply)


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [("", {}), ("{}", {}), ('{"city": "Paris"}', {"city": "Paris"}), ('{"a": {}}', {"a": {}})],
)
def test_arguments_are_a_dict(raw: str, arguments: dict[str, Any]) -> None:
    assert ToolCall(id="1", name="f", raw_arguments=raw).arguments == arguments


@pytest.mark.parametrize("raw", ["[1]", '"text"', "null", "1", '{"city": "Par', "Paris"])
def test_arguments_that_are_no_object_are_a_value_error(raw: str) -> None:
    """A model may write anything."""
    with pytest.raises(ValueError, match=r"not a JSON object|Expecting|Unterminated"):
        _ = ToolCall(id="1", name="f", raw_arguments=raw).arguments


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        (Usage(input_tokens=3, output_tokens=4, cached_input_tokens=2, reasoning_tokens=1), 7),
        (Usage(input_tokens=0, output_tokens=0), 0),
        (Usage(input_tokens=3), None),
        (Usage(output_tokens=3), None),
        (Usage(), None),
    ],
)
def test_a_total_is_known_if_both_its_parts_are(usage: Usage, total: int | None) -> None:
    """Cached and reasoning tokens are parts of the two, not more of them."""
    assert usage.total_tokens == total


@pytest.mark.parametrize(
    ("chunk", "has_content"),
    [
        (Chunk(text="a"), True),
        (Chunk(thinking="a"), True),
        (Chunk(tool_call_deltas=(ToolCallDelta(index=0),)), True),
        (Chunk(), False),
        (Chunk(finish_reason="stop", usage=Usage(output_tokens=1), id="1", model="m", raw=b"{}"), False),
        (Chunk(signature="s"), False),
        (Chunk(redacted="r"), False),
    ],
)
def test_what_counts_as_output(chunk: Chunk, has_content: bool) -> None:
    """The time to the first token ends with text, thinking or a tool call."""
    assert chunk.has_content is has_content


@pytest.mark.parametrize(
    "value",
    [RICH, ChatRequest(model="m", messages=(user("a"),), tools=(Tool(name="f"),)), Chunk(text="a"), PIXEL],
    ids=lambda value: type(value).__name__,
)
def test_values_can_be_pickled_and_copied(value: Any) -> None:
    """Benchmarks send them between processes."""
    assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == value


def test_values_cannot_be_changed() -> None:
    """All but chunks, of which there is one per token, and their parts: these are structs."""
    kinds = [kind for kind in vars(types).values() if isinstance(kind, type)]
    unfrozen = [kind for kind in kinds if dataclasses.is_dataclass(kind) and not frozen(kind)]
    structs = {kind.__name__ for kind in kinds if issubclass(kind, msgspec.Struct)}

    assert (unfrozen, structs) == ([], {"Chunk", "ToolCallDelta"})


def frozen(kind: Any) -> bool:
    return bool(kind.__dataclass_params__.frozen)


def test_tools_and_extras_do_not_share_their_defaults() -> None:
    first, second = Tool(name="a"), Tool(name="b")

    assert first.parameters == second.parameters == {"type": "object", "properties": {}}
    assert first.parameters is not second.parameters


class Parrot:
    """A third party's model: no base class, only the methods."""

    def generate(self, prompt: Prompt, **options: Any) -> Reply:
        return RICH

    async def agenerate(self, prompt: Prompt, **options: Any) -> Reply:
        return RICH

    def stream(self, prompt: Prompt, **options: Any) -> Iterator[Chunk]:
        return iter(())

    def astream(self, prompt: Prompt, **options: Any) -> AsyncIterator[Chunk]:
        raise NotImplementedError


def test_the_protocols_are_met_by_shape() -> None:
    """By ours and by anybody's."""
    assert isinstance(chat_model("mock:m"), ChatModel)
    assert isinstance(Parrot(), ChatModel)
    assert isinstance(tapeline.LLM("mock:m"), LLM)
    assert not isinstance(Parrot(), LLM)


def test_what_was_sent_can_be_read_though_some_of_it_is_no_text() -> None:
    """A field that no codec reads may hold anything."""
    plain = Reply(message=assistant(), finish_reason=None, wire=b'{"x": "\xff"}')
    streamed = Reply(message=assistant(), finish_reason=None, wire=(b'{"x": "\xff"}', b"{}"))

    assert (plain.raw, streamed.raw) == ({"x": "\ufffd"}, [{"x": "\ufffd"}, {}])
