"""What was said, in the shape of the conventions' JSON schemas: only for those who ask to record it.

Pictures, sound and documents are named by type and size and never copied; of a URL, what may hold
credentials is left out. Reasoning goes only as far as it can be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tapeline.media import Audio, Document, Image, Media
from tapeline.telemetry.conventions import Edition
from tapeline.types import (
    CachePoint,
    ChatRequest,
    Message,
    Part,
    Refusal,
    Reply,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)

FINISH_REASONS = {"tool_calls": "tool_call", "refusal": "content_filter"}
"""Ours -> the schemas', where they differ."""

MODALITIES: Mapping[type[Media], str] = {Image: "image", Audio: "audio", Document: "document"}


def content_attributes(request: ChatRequest, reply: Reply | None, edition: Edition) -> dict[str, Any]:
    """Return prompt, answer, system instructions and tools, each as a JSON value, without empty ones."""
    spoken = [message for message in request.messages if message.role != "system"]
    instructions = [message for message in request.messages if message.role == "system"]
    found = {
        "gen_ai.system_instructions": [part for message in instructions for part in _parts(message.content)],
        "gen_ai.input.messages": [_message(message) for message in spoken],
        "gen_ai.output.messages": [] if reply is None else [_output(reply, edition)],
        "gen_ai.tool.definitions": [_tool(tool) for tool in request.tools],
    }
    return {name: values for name, values in found.items() if values}


def as_json(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the same for a span, whose attributes cannot nest."""
    return {
        name: json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        for name, value in attributes.items()
    }


def _message(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": _parts(message.content)}


def _output(reply: Reply, edition: Edition) -> dict[str, Any]:
    message = _message(reply.message)
    if edition.has_finish_reason_in_messages:
        reason = reply.finish_reason or "error"
        message["finish_reason"] = FINISH_REASONS.get(reason, reason)
    return message


def _parts(parts: Iterable[Part]) -> list[dict[str, Any]]:
    return [described for part in parts if (described := _part(part)) is not None]


def _part(part: Part) -> dict[str, Any] | None:
    match part:
        case Text() | Refusal():
            return {"type": "text", "content": part.text}
        case Thinking():
            return {"type": "reasoning", "content": part.text} if part.text else None
        case ToolCall():
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": _arguments(part)}
        case ToolResult():
            return {"type": "tool_call_response", "id": part.id, "response": _response(part)}
        case CachePoint():
            return None
        case Image() | Document() | Audio():
            return _media(part)


def _arguments(call: ToolCall) -> Any:
    try:
        return call.arguments
    except ValueError:  # shown as the model wrote it: that is what one will be looking for
        return call.raw_arguments


def _response(result: ToolResult) -> Any:
    return result.content if isinstance(result.content, str) else _parts(result.content)


def _media(media: Image | Document | Audio) -> dict[str, Any]:
    described = {"mime_type": media.media_type, "modality": MODALITIES[type(media)]}
    if media.data is not None:
        return {"type": "blob", **described, "byte_size": len(media.data)}
    parts = urlsplit(media.url or "")
    if parts.scheme == "data":
        return {"type": "blob", **described}
    # Signed URLs carry their signature in the query.
    host = parts.netloc.rpartition("@")[2]
    return {"type": "uri", **described, "uri": parts._replace(netloc=host, query="", fragment="").geturl()}


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
