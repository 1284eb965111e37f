"""The arguments of a tool call stay the model's own text, also where a format wants an object."""

from __future__ import annotations

import msgspec
import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.tools import (
    arguments_as_object,
    arguments_as_text,
    decode_function_tool,
    encode_function_tool,
)
from tapeline.types import Tool, ToolCall


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
