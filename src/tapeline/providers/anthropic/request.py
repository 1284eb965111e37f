"""A whole request, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tapeline.providers.anthropic.content import decode_content, encode_part
from tapeline.providers.bodies import dumps, parse_any, without_none
from tapeline.providers.errors import invalid_request
from tapeline.types import (
    ChatRequest,
    HttpRequest,
    Json,
    Message,
    Part,
    Text,
    Thinking,
    Tool,
    ToolResult,
    assistant,
    system,
    tool_result,
    user,
)

PATH = "/v1/messages"
DEFAULT_MAX_TOKENS = 4096  # the API wants a number; every model since Claude 3 can answer this long

# Towards the provider -----------------------------------------------------------------------------


def encode_request(request: ChatRequest) -> HttpRequest:
    body = without_none(
        {
            "model": request.model,
            "max_tokens": DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens,
            "system": _encode_system(request.messages),
            "messages": _encode_messages(request.messages),
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stop_sequences": list(request.stop) or None,
            "tools": [_encode_tool(tool) for tool in request.tools] or None,
            "output_config": _encode_schema(request.schema),
            "stream": True if request.is_stream else None,
        }
    )
    return HttpRequest(method="POST", path=PATH, headers={}, body=dumps(body | dict(request.extra)))


def _encode_system(messages: Iterable[Message]) -> str | None:
    return "\n\n".join(message.text for message in messages if message.role == "system") or None


def _encode_messages(messages: Iterable[Message]) -> list[dict[str, Json]]:
    """Return the wire messages; the results of parallel tool calls must share one."""
    encoded: list[dict[str, Json]] = []
    last_role = None
    for message in messages:
        if message.role == "system":
            continue
        content = _encode_content(message)
        if message.role == last_role == "tool":
            encoded[-1]["content"] += content
        elif content or message.role == "user":  # an assistant's turn without content is refused
            role = "assistant" if message.role == "assistant" else "user"
            encoded.append({"role": role, "content": content})
        last_role = message.role
    return encoded


def _encode_content(message: Message) -> str | list[dict[str, Json]]:
    match message:
        case Message(role="user" | "assistant", content=(Text(text=text),)):
            return text
        case _:
            return [encode_part(part) for part in message.content if not _is_refused(part)]


def _is_refused(part: Part) -> bool:
    """Whether the API would refuse the whole request for this part: no text, or thinking not its own."""
    match part:
        case Text(text=text):
            return not text
        case Thinking(signature=signature, redacted=redacted):
            return not signature and not redacted
        case _:
            return False


def _encode_tool(tool: Tool) -> dict[str, Json]:
    return without_none(
        {"name": tool.name, "description": tool.description or None, "input_schema": dict(tool.parameters)}
    )


def _encode_schema(schema: Mapping[str, Json] | None) -> dict[str, Json] | None:
    return None if schema is None else {"format": {"type": "json_schema", "schema": dict(schema)}}


# From a client ------------------------------------------------------------------------------------


def decode_request(request: HttpRequest) -> ChatRequest:
    body = parse_any(request.body)
    output_format = (body.get("output_config") or {}).get("format") or {}
    return ChatRequest(
        model=body["model"],
        messages=(
            *_decode_system(body.get("system")),
            *(ours for message in body["messages"] for ours in _decode_message(message)),
        ),
        is_stream=bool(body.get("stream")),
        max_tokens=body.get("max_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        stop=tuple(body.get("stop_sequences") or ()),
        tools=tuple(_decode_tool(tool) for tool in body.get("tools") or ()),
        schema=output_format.get("schema"),
    )


def _decode_system(content: str | list[dict[str, Json]] | None) -> Iterator[Message]:
    if content:
        yield system(*decode_content(content))


def _decode_message(message: dict[str, Json]) -> Iterator[Message]:
    """Yield our messages of one on the wire: a user's may hold several tool results."""
    parts = decode_content(message["content"])
    match message["role"]:
        case "user":
            yield from _decode_user(parts)
        case "assistant":
            yield assistant(*parts)
        case "system":  # allowed between messages since 2026-10-21
            yield system(*parts)
        case role:
            raise invalid_request(f"unknown message role {role!r}")


def _decode_user(parts: list[Part]) -> Iterator[Message]:
    """Yield one message for each tool result in a turn, then one for the rest of it."""
    for part in parts:
        if isinstance(part, ToolResult):
            yield tool_result(part.id, part.content, is_error=part.is_error)
    rest = [part for part in parts if not isinstance(part, ToolResult)]
    if rest or not parts:
        yield user(*rest)


def _decode_tool(tool: dict[str, Json]) -> Tool:
    return Tool(
        name=tool["name"],
        description=tool.get("description") or "",
        parameters=tool.get("input_schema") or {},
    )
