"""Tools and the arguments of calls, where several formats write them alike.

OpenAI's format and Ollama's describe a tool as a function. Anthropic's, Bedrock's and Ollama's send a
call's arguments as a JSON object, where ours and OpenAI's are the text the model wrote.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.errors import NOT_JSON, malformed, preview
from tapeline.types import Json, Tool, ToolCall

_OBJECT = msgspec.json.Decoder(dict[str, Any])


def encode_function_tool(tool: Tool) -> dict[str, Json]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def decode_function_tool(tool: dict[str, Json]) -> Tool:
    function = tool["function"]
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {},
    )


def arguments_as_object(call: ToolCall) -> msgspec.Raw:
    """Return a call's arguments for the formats that want an object: the model's own text, once checked."""
    try:
        text = call.raw_arguments.encode() or b"{}"
        _OBJECT.decode(text)
    except (*NOT_JSON, UnicodeEncodeError) as error:
        raise LLMError(
            f"the arguments of {call.name} are not a JSON object, and this provider takes nothing else: "
            f"{call.raw_arguments[:80]!a}. Leave that call out of the messages, or mend it.",
            code=ErrorCode.TOOL_CALL_ERROR,
        ) from error
    return msgspec.Raw(text)


def arguments_as_text(raw: msgspec.Raw) -> str:
    """Return the arguments a format sends as an object, as the model wrote them; "{}" if there are none."""
    try:
        text = bytes(raw).decode()  # msgspec has not looked inside the strings of a Raw
    except UnicodeDecodeError as error:
        raise malformed(f"{error}: {preview(bytes(raw))}") from error
    return "{}" if text == "null" else text
