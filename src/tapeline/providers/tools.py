"""Tools, the arguments of calls and their results, where several formats write them alike.

OpenAI's format and Ollama's describe a tool as a function. Anthropic's, Bedrock's and Ollama's send a
call's arguments as a JSON object, where ours and OpenAI's are the text the model wrote. In Anthropic's and
Bedrock's, results stand in a turn of the user's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.errors import NOT_JSON, malformed, preview
from tapeline.types import (
    CachePoint,
    ChatRequest,
    Json,
    Message,
    Part,
    Tool,
    ToolCall,
    ToolResult,
    user,
)

TOOL_CHOICES = frozenset({"auto", "none", "required"})
"""What OpenAI's formats write as it is; any other choice is the name of a tool."""

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


def encode_tool_options(request: ChatRequest, *, named: Json) -> dict[str, Json]:
    """Return how tools may be called: nothing where there are none, which OpenAI's APIs would take amiss.

    named: how the format says that the tool of that name is to be called.
    """
    if not (request.tools or "tools" in request.extra):
        return {}
    choice = request.tool_choice
    is_word = choice is None or choice in TOOL_CHOICES
    return {"tool_choice": choice if is_word else named, "parallel_tool_calls": request.parallel_tool_calls}


def call_id(number: int) -> str:
    """Return the id of a call that came without one, so that its result finds it."""
    return f"call_{number}"


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


def split_turn(parts: Iterable[Part]) -> Iterator[Message]:
    """Yield a message for each tool result in a user's turn, with its cache point, then one for the rest."""
    results: list[list[Part]] = []
    rest: list[Part] = []
    for part in parts:
        if isinstance(part, ToolResult):
            results.append([part])
        elif isinstance(part, CachePoint) and results and not rest:
            results[-1].append(part)
        else:
            rest.append(part)
    for result in results:
        yield Message("tool", tuple(result))
    if rest or not results:
        yield user(*rest)
