"""A whole request, in both directions."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tapeline.providers.bodies import dumps, parse_any, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.openai import wire
from tapeline.providers.openai.content import decode_content, encode_call, encode_content, parts_of
from tapeline.providers.tools import decode_function_tool, encode_function_tool
from tapeline.types import (
    ChatRequest,
    HttpRequest,
    Json,
    Message,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    system,
    tool_result,
    user,
)

PATH = "/chat/completions"

# Towards the provider -----------------------------------------------------------------------------


def encode_request(request: ChatRequest) -> HttpRequest:
    body = without_none(
        {
            "model": request.model,
            "messages": [encoded for message in request.messages for encoded in _encode_message(message)],
            "max_completion_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stop": list(request.stop) or None,
            "seed": request.seed,
            "tools": [encode_function_tool(tool) for tool in request.tools] or None,
            "response_format": _encode_schema(request),
            "stream": True if request.is_stream else None,
            "stream_options": {"include_usage": True} if request.is_stream else None,
        }
    )
    return HttpRequest(method="POST", path=PATH, headers={}, body=dumps(body | dict(request.extra)))


def _encode_message(message: Message) -> Iterator[dict[str, Json]]:
    """Yield the wire messages of one of ours: each tool result is a message of its own."""
    results = [part for part in message.content if isinstance(part, ToolResult)]
    for result in results:
        yield {"role": "tool", "tool_call_id": result.id, "content": result.content}
    if results:
        return
    calls = [encode_call(part) for part in message.content if isinstance(part, ToolCall)]
    content = encode_content(message)
    encoded: dict[str, Json] = {"role": message.role, "content": content if content or not calls else None}
    yield encoded | ({"tool_calls": calls} if calls else {})


def _encode_schema(request: ChatRequest) -> dict[str, Json] | None:
    if request.schema is None:
        return None
    named = {"name": request.schema_name, "schema": dict(request.schema), "strict": True}
    return {"type": "json_schema", "json_schema": named}


# From a client ------------------------------------------------------------------------------------


def decode_request(request: HttpRequest) -> ChatRequest:
    body = parse_any(request.body)
    schema = (body.get("response_format") or {}).get("json_schema") or {}
    stop = body.get("stop") or ()
    return ChatRequest(
        model=body["model"],
        messages=tuple(_decode_message(message) for message in body["messages"]),
        is_stream=bool(body.get("stream")),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        seed=body.get("seed"),
        tools=tuple(decode_function_tool(tool) for tool in body.get("tools") or ()),
        schema=schema.get("schema"),
        schema_name=schema.get("name") or "answer",
    )


def _decode_message(message: dict[str, Json]) -> Message:
    parts = decode_content(message.get("content") or [])
    match message["role"]:
        case "system" | "developer":
            return system(*parts)
        case "user":
            return user(*parts)
        case "assistant":
            return assistant(*parts_of(msgspec.convert(message, wire.Message)))
        case "tool":
            return tool_result(message["tool_call_id"], "".join(p.text for p in parts if isinstance(p, Text)))
        case role:
            raise invalid_request(f"unknown message role {role!r}")
