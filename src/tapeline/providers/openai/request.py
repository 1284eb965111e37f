"""A whole request, in both directions."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tapeline.providers.bodies import dumps, parse_request, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.openai import wire
from tapeline.providers.openai.capabilities import WANTS_REASONING_BACK
from tapeline.providers.openai.content import decode_content, encode_call, encode_content, parts_of
from tapeline.providers.schemas import named_schema
from tapeline.providers.tools import decode_function_tool, encode_function_tool, encode_tool_options
from tapeline.types import (
    CachePoint,
    ChatRequest,
    HttpRequest,
    Json,
    Message,
    Part,
    Refusal,
    Text,
    Thinking,
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
            "messages": list(_encode_messages(request)),
            "max_completion_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stop": list(request.stop) or None,
            "seed": request.seed,
            "frequency_penalty": request.frequency_penalty,
            "presence_penalty": request.presence_penalty,
            "reasoning_effort": request.reasoning_effort,
            "service_tier": request.service_tier,
            "metadata": dict(request.metadata) or None,
            "store": True if request.metadata else None,  # "metadata is only allowed when store is enabled"
            "tools": [encode_function_tool(tool) for tool in request.tools] or None,
            **encode_tool_options(
                request, named={"type": "function", "function": {"name": request.tool_choice}}
            ),
            "response_format": _encode_schema(request),
            "stream": True if request.is_stream else None,
            "stream_options": {"include_usage": True} if request.is_stream else None,
        }
    )
    return HttpRequest(method="POST", path=PATH, headers={}, body=dumps(body | dict(request.extra)))


def _encode_messages(request: ChatRequest) -> Iterator[dict[str, Json]]:
    """Yield the wire messages. Each tool result is one of its own, and takes nothing but text.

    What else a result holds goes into a message of the user, as other clients do it; not before all
    results are there, because nothing may stand between a tool call and its results.
    """
    waiting: list[Part] = []
    for message in request.messages:
        results = [part for part in message.content if isinstance(part, ToolResult)]
        if waiting and not results:
            yield _encode_message(user(*waiting), request.model)
            waiting.clear()
        for result in results:
            yield {"role": "tool", "tool_call_id": result.id, "content": result.text}
            waiting += (part for part in result.parts if not isinstance(part, Text))
        if results:
            waiting += (part for part in message.content if not isinstance(part, ToolResult | CachePoint))
        else:
            yield _encode_message(message, request.model)
    if waiting:
        yield _encode_message(user(*waiting), request.model)


def _encode_message(message: Message, model: str) -> dict[str, Json]:
    content = encode_content(message)
    calls = [encode_call(part) for part in message.content if isinstance(part, ToolCall)]
    refusal = "".join(part.text for part in message.content if isinstance(part, Refusal))
    beside: dict[str, Json] = without_none({"tool_calls": calls or None, "refusal": refusal or None})
    if calls and WANTS_REASONING_BACK.search(model):
        beside["reasoning_content"] = _reasoning(message)
    return {"role": message.role, "content": content if content or not beside else None} | beside


def _reasoning(message: Message) -> str:
    """Return the reasoning this API may have given: with an id it is another API's."""
    return "".join(part.text for part in message.content if isinstance(part, Thinking) and part.id is None)


def _encode_schema(request: ChatRequest) -> dict[str, Json] | None:
    if request.schema is None:
        return None
    return {"type": "json_schema", "json_schema": named_schema(request.schema_name, request.schema)}


# From a client ------------------------------------------------------------------------------------


def decode_request(request: HttpRequest) -> ChatRequest:
    body = parse_request(request.body)
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
        frequency_penalty=body.get("frequency_penalty"),
        presence_penalty=body.get("presence_penalty"),
        reasoning_effort=body.get("reasoning_effort"),
        service_tier=body.get("service_tier"),
        metadata=body.get("metadata") or {},
        tools=tuple(decode_function_tool(tool) for tool in body.get("tools") or ()),
        tool_choice=_decode_tool_choice(body.get("tool_choice")),
        parallel_tool_calls=body.get("parallel_tool_calls"),
        schema=schema.get("schema"),
        schema_name=schema.get("name") or "answer",
    )


def _decode_tool_choice(choice: Json) -> str | None:
    match choice:
        case None | str():
            return choice
        case {"function": {"name": str(name)}}:
            return name
        case _:
            raise invalid_request(f"cannot read a tool_choice of type {choice.get('type')!r}")


def _decode_message(message: dict[str, Json]) -> Message:
    if message["role"] == "assistant":  # its content is that of an answer, with parts of its own
        return assistant(*parts_of(msgspec.convert(message, wire.Message)))
    parts = decode_content(message.get("content") or [])
    match message["role"]:
        case "system" | "developer":
            return system(*parts)
        case "user":
            return user(*parts)
        case "tool":
            return tool_result(message["tool_call_id"], "".join(p.text for p in parts if isinstance(p, Text)))
        case role:
            raise invalid_request(f"unknown message role {role!r}")
