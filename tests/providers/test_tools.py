"""Tools on the wire: arguments stay the model's own text, and results find their place among the turns."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.tools import (
    arguments_as_object,
    arguments_as_text,
    decode_function_tool,
    encode_function_tool,
    encode_tool_options,
    split_turn,
)
from tapeline.types import CachePoint, ChatRequest, Message, Part, Text, Tool, ToolCall, ToolResult, user


@pytest.mark.parametrize("text", ["{}", '{"n": 1.0}', '{ "a" :\n[1,2] }', '{"big": 123456789012345678901}'])
def test_arguments_are_not_reformatted_on_the_way(text: str) -> None:
    """Numbers, blanks and the order of names: a model may see its own call again."""
    sent = arguments_as_object(ToolCall(id="a", name="f", raw_arguments=text))

    assert arguments_as_text(sent) == text


@pytest.mark.parametrize("raw", [b"null", b"{}"])
def test_no_arguments_are_an_empty_object(raw: bytes) -> None:
    """Null is what some servers send for a tool that takes none."""
    assert arguments_as_text(msgspec.Raw(raw)) == "{}"
    assert arguments_as_object(ToolCall(id="a", name="f", raw_arguments="")) == msgspec.Raw(b"{}")


@pytest.mark.parametrize("text", ['{"a":', "[1]", "null", '"a"'])
def test_arguments_that_are_no_object_are_refused_by_name(text: str) -> None:
    """Before sending, and the message says which call to mend."""
    with pytest.raises(LLMError, match="arguments of f ") as raised:
        arguments_as_object(ToolCall(id="a", name="f", raw_arguments=text))

    assert raised.value.code is ErrorCode.TOOL_CALL_ERROR


def test_arguments_in_broken_utf_8_are_malformed() -> None:
    """msgspec hands a Raw on unread; the damage must not leave as UnicodeDecodeError."""
    with pytest.raises(LLMError) as raised:
        arguments_as_text(msgspec.Raw(b'{"a": "\xff"}'))

    assert raised.value.code is ErrorCode.MALFORMED_RESPONSE


def test_a_function_tool_survives_the_wire() -> None:
    """Also one of a client that left out all but the name."""
    tool = Tool(name="f", description="Do.", parameters={"type": "object"})

    assert decode_function_tool(encode_function_tool(tool)) == tool
    assert decode_function_tool({"function": {"name": "f"}}) == Tool(name="f", parameters={})


NAMED = {"name": "f"}


@pytest.mark.parametrize(
    ("choice", "written"),
    [(None, None), ("auto", "auto"), ("none", "none"), ("required", "required"), ("f", NAMED)],
)
def test_a_choice_is_a_word_or_in_the_formats_own_form(choice: str | None, written: object) -> None:
    request = ChatRequest(model="m", messages=(), tools=(Tool(name="f"),), tool_choice=choice)

    assert encode_tool_options(request, named=NAMED)["tool_choice"] == written


def test_without_tools_nothing_is_said_of_calling_them() -> None:
    """OpenAI's APIs refuse the options then. Tools of their own come in through extra."""
    without = ChatRequest(model="m", messages=(), tool_choice="auto", parallel_tool_calls=False)
    with_their_own = replace(without, extra={"tools": [{"type": "web_search"}]})

    assert encode_tool_options(without, named=NAMED) == {}
    assert encode_tool_options(with_their_own, named=NAMED) == {
        "tool_choice": "auto",
        "parallel_tool_calls": False,
    }


ONE, TWO = ToolResult(id="1", content="a"), ToolResult(id="2", content="b")
SAID, MARK = Text("hi"), CachePoint()


@pytest.mark.parametrize(
    ("parts", "messages"),
    [
        ([], [user()]),
        ([SAID], [user(SAID)]),
        ([ONE, TWO], [Message("tool", (ONE,)), Message("tool", (TWO,))]),
        ([ONE, MARK, TWO, SAID], [Message("tool", (ONE, MARK)), Message("tool", (TWO,)), user(SAID)]),
        ([SAID, MARK, ONE], [Message("tool", (ONE,)), user(SAID, MARK)]),
    ],
    ids=["nothing", "text", "results", "a mark after a result", "a mark after text"],
)
def test_a_users_turn_is_split_into_results_and_the_rest(parts: list[Part], messages: list[Message]) -> None:
    assert list(split_turn(parts)) == messages
