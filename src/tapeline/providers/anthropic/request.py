"""A whole request, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tapeline.providers.anthropic.capabilities import nearest_effort, thinking_mode
from tapeline.providers.anthropic.content import Block, decode_content, encode_parts
from tapeline.providers.bodies import dumps, parse_request, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.tools import split_turn
from tapeline.types import (
    CachePoint,
    ChatRequest,
    HttpRequest,
    Json,
    Message,
    Part,
    ReasoningEffort,
    Text,
    Thinking,
    Tool,
    assistant,
    system,
)

PATH = "/v1/messages"
DEFAULT_MAX_TOKENS = 4096  # the API wants a number; every model since Claude 3 can answer this long

TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}

# Towards the provider -----------------------------------------------------------------------------


def encode_request(request: ChatRequest) -> HttpRequest:
    """A seed is left out: the API has no place for it, and a seed is best effort everywhere."""
    body = without_none(
        {
            "model": request.model,
            "max_tokens": DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens,
            **_encode_prompt(request.messages),
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": request.top_k,
            "stop_sequences": list(request.stop) or None,
            "tools": [_encode_tool(tool) for tool in request.tools] or None,
            "tool_choice": _encode_tool_choice(request),
            "thinking": None if request.reasoning_effort is None else thinking_mode(request.reasoning_effort),
            "output_config": _encode_output_config(request) or None,
            "service_tier": request.service_tier,
            "metadata": _encode_metadata(request.metadata),
            "stream": True if request.is_stream else None,
        }
    )
    return HttpRequest(method="POST", path=PATH, headers={}, body=dumps(body | dict(request.extra)))


def _encode_prompt(messages: Iterable[Message]) -> dict[str, Json]:
    """Return system and messages; the results of parallel tool calls must share one message."""
    system: list[list[Block]] = []
    turns: list[dict[str, Json]] = []
    last_role = None
    for message in messages:
        before = turns[-1]["content"] if turns else [block for blocks in system for block in blocks]
        content = encode_parts(_taken(message), before=before)
        if message.role == "system":
            system.append(content)
            continue
        if message.role == last_role == "tool":
            turns[-1]["content"] += content
        elif content or message.role == "user":  # an assistant's turn without content is refused
            role = "assistant" if message.role == "assistant" else "user"
            turns.append({"role": role, "content": content})
        last_role = message.role
    return {"system": _system(system), "messages": [turn | {"content": _short(turn)} for turn in turns]}


def _taken(message: Message) -> Iterator[Part]:
    """Yield the parts that the API takes: it would refuse the whole request for any of the others."""
    for part in message.content:
        match part:
            case Text(text=""):
                continue
            case Thinking() if part.id or not (part.signature or part.redacted):
                continue  # another provider's own
            case _ if message.role == "system" and not isinstance(part, Text | CachePoint):
                continue
            case _:
                yield part


def _system(messages: list[list[Block]]) -> str | list[Block] | None:
    blocks = [block for message in messages for block in message]
    if any("cache_control" in block for block in blocks):
        return blocks
    return "\n\n".join("".join(block["text"] for block in message) for message in messages) or None


def _short(turn: Mapping[str, Json]) -> str | list[Block]:
    """Return the content of a turn, as a string where it is plain text."""
    match turn["content"]:
        case [{"type": "text", "text": text, **rest}] if not rest:
            return str(text)
        case content:
            return list(content)


def _encode_tool(tool: Tool) -> dict[str, Json]:
    return without_none(
        {"name": tool.name, "description": tool.description or None, "input_schema": dict(tool.parameters)}
    )


def _encode_tool_choice(request: ChatRequest) -> dict[str, Json] | None:
    """Return the choice, which also says whether calls may be parallel; without tools it is refused."""
    choice, is_single = request.tool_choice, request.parallel_tool_calls is False
    if not request.tools or (choice is None and not is_single):
        return None
    word = TOOL_CHOICES.get(choice or "auto")
    encoded: dict[str, Json] = {"type": word} if word else {"type": "tool", "name": choice}
    return encoded | ({"disable_parallel_tool_use": True} if is_single and word != "none" else {})


def _encode_output_config(request: ChatRequest) -> dict[str, Json]:
    schema = request.schema
    return without_none(
        {
            "effort": nearest_effort(request.reasoning_effort),
            "format": None if schema is None else {"type": "json_schema", "schema": dict(schema)},
        }
    )


def _encode_metadata(metadata: Mapping[str, str]) -> dict[str, str] | None:
    if others := sorted(set(metadata) - {"user_id"}):
        raise invalid_request(
            f"Anthropic keeps no metadata but user_id: leave out {', '.join(others)}, or keep it on your side"
        )
    return dict(metadata) or None


# From a client ------------------------------------------------------------------------------------


def decode_request(request: HttpRequest) -> ChatRequest:
    body = parse_request(request.body)
    output_config = body.get("output_config") or {}
    tool_choice = body.get("tool_choice") or {}
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
        top_k=body.get("top_k"),
        stop=tuple(body.get("stop_sequences") or ()),
        reasoning_effort=_decode_effort(body.get("thinking") or {}, output_config),
        service_tier=body.get("service_tier"),
        metadata=without_none(body.get("metadata") or {}),
        tools=tuple(_decode_tool(tool) for tool in body.get("tools") or ()),
        tool_choice=_decode_tool_choice(tool_choice),
        parallel_tool_calls=False if tool_choice.get("disable_parallel_tool_use") else None,
        schema=(output_config.get("format") or {}).get("schema"),
    )


def _decode_system(content: str | list[Block] | None) -> Iterator[Message]:
    if content:
        yield system(*decode_content(content))


def _decode_message(message: dict[str, Json]) -> Iterator[Message]:
    """Yield our messages of one on the wire: a user's may hold several tool results."""
    parts = decode_content(message["content"])
    match message["role"]:
        case "user":
            yield from split_turn(parts)
        case "assistant":
            yield assistant(*parts)
        case "system":  # allowed between messages since 2026-10-21
            yield system(*parts)
        case role:
            raise invalid_request(f"unknown message role {role!r}")


def _decode_tool(tool: dict[str, Json]) -> Tool:
    return Tool(
        name=tool["name"],
        description=tool.get("description") or "",
        parameters=tool.get("input_schema") or {},
    )


def _decode_tool_choice(choice: Mapping[str, Json]) -> str | None:
    if choice.get("type") == "tool":
        return str(choice["name"])
    return next((ours for ours, word in TOOL_CHOICES.items() if word == choice.get("type")), None)


def _decode_effort(thinking: Mapping[str, Json], output_config: Mapping[str, Json]) -> ReasoningEffort | None:
    effort: ReasoningEffort | None = output_config.get("effort")
    return "none" if thinking.get("type") == "disabled" else effort
