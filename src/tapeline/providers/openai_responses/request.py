"""A whole request, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from tapeline.providers.bodies import dumps, parse_request, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.openai_responses.content import (
    decode_answer_item,
    decode_content,
    encode_answer_item,
    encode_content,
)
from tapeline.providers.schemas import named_schema
from tapeline.providers.tools import encode_tool_options
from tapeline.types import (
    ChatRequest,
    HttpRequest,
    Json,
    Message,
    Part,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    assistant,
    system,
    user,
)

PATH = "/responses"
ENCRYPTED_REASONING = "reasoning.encrypted_content"

ELSEWHERE = ("previous_response_id", "conversation", "prompt")
"""Fields that point to what only OpenAI's servers hold."""

# Towards the provider -----------------------------------------------------------------------------


def encode_request(request: ChatRequest) -> HttpRequest:
    body = without_none(
        {
            "model": request.model,
            "input": [item for message in request.messages for item in _encode_message(message)],
            "max_output_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "reasoning": {"effort": request.reasoning_effort} if request.reasoning_effort else None,
            "include": _encode_include(request),
            "service_tier": request.service_tier,
            "metadata": dict(request.metadata) or None,
            "tools": [_encode_tool(tool) for tool in request.tools] or None,
            **encode_tool_options(request, named={"type": "function", "name": request.tool_choice}),
            "text": _encode_schema(request),
            "store": bool(request.metadata),  # labels are for finding what was stored
            "stream": True if request.is_stream else None,
        }
    )
    return HttpRequest(method="POST", path=PATH, headers={}, body=dumps(body | dict(request.extra)))


def _encode_include(request: ChatRequest) -> list[str] | None:
    """Ask for encrypted reasoning. OpenAI sends it unasked by now, others may not.

    Models that do not reason answer 400 to the wish, so that it takes a sign that this one does.
    """
    return [ENCRYPTED_REASONING] if request.reasoning_effort else None


def _encode_message(message: Message) -> Iterator[dict[str, Json]]:
    """Yield the items of a message: each tool result, and each part of an answer, is one of its own."""
    results = [part for part in message.content if isinstance(part, ToolResult)]
    yield from map(_encode_result, results)
    rest = tuple(part for part in message.content if not isinstance(part, ToolResult))
    if message.role == "assistant":
        items = (encode_answer_item(part) for part in rest if not _is_refused(part))
        yield from (item for item in items if item is not None)
    elif rest or not results:
        role = "user" if message.role == "tool" else message.role
        yield {"type": "message", "role": role, "content": encode_content(rest)}


def _is_refused(part: Part) -> bool:
    """Whether the API would refuse the whole request for this part: reasoning that it cannot read."""
    return isinstance(part, Thinking) and not (part.id and part.signature)


def _encode_result(result: ToolResult) -> dict[str, Json]:
    content = result.content
    output = content if isinstance(content, str) else encode_content(content)
    return {"type": "function_call_output", "call_id": result.id, "output": output}


def _encode_tool(tool: Tool) -> dict[str, Json]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
        "strict": False,  # what is not said is true here, and a schema not made for it is refused
    }


def _encode_schema(request: ChatRequest) -> dict[str, Json] | None:
    if request.schema is None:
        return None
    return {"format": {"type": "json_schema"} | named_schema(request.schema_name, request.schema)}


# From a client ------------------------------------------------------------------------------------


def decode_request(request: HttpRequest) -> ChatRequest:
    body = parse_request(request.body)
    for name in ELSEWHERE:
        if body.get(name) is not None:
            raise invalid_request(f"no conversations are kept here: send it whole as input, without {name}")
    schema = (body.get("text") or {}).get("format") or {}
    return ChatRequest(
        model=body["model"],
        messages=(*_decode_instructions(body.get("instructions")), *_decode_input(body["input"])),
        is_stream=bool(body.get("stream")),
        max_tokens=body.get("max_output_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        reasoning_effort=(body.get("reasoning") or {}).get("effort"),
        service_tier=body.get("service_tier"),
        metadata=body.get("metadata") or {},
        tools=tuple(_decode_tool(tool) for tool in body.get("tools") or ()),
        tool_choice=_decode_tool_choice(body.get("tool_choice")),
        parallel_tool_calls=body.get("parallel_tool_calls"),
        schema=schema.get("schema"),
        schema_name=schema.get("name") or "answer",
    )


def _decode_instructions(text: str | None) -> Iterator[Message]:
    if text:
        yield system(text)


def _decode_input(items: str | list[dict[str, Json]]) -> Iterator[Message]:
    """Yield the messages; items of an answer that follow one another are one turn."""
    if isinstance(items, str):
        yield user(items)
        return
    for is_answer, group in groupby(items, _is_answer):
        if is_answer:
            yield _decode_answer(group)
        else:
            yield from map(_decode_message, group)


def _is_answer(item: dict[str, Json]) -> bool:
    return item.get("type") in ("reasoning", "function_call") or item.get("role") == "assistant"


def _decode_answer(items: Iterable[dict[str, Json]]) -> Message:
    return assistant(*(part for item in items for part in decode_answer_item(item)))


def _decode_message(item: dict[str, Json]) -> Message:
    match item:
        case {"role": "user", "content": content}:
            return user(*decode_content(content))
        case {"role": "system" | "developer", "content": content}:
            return system(*decode_content(content))
        case {"type": "function_call_output", "call_id": id, "output": output}:
            content = output if isinstance(output, str) else tuple(decode_content(output))
            return Message("tool", (ToolResult(id=id, content=content),))
        case _:
            word = item.get("type") or item.get("role")
            raise invalid_request(f"cannot read an input item of type {word!r}")


def _decode_tool(tool: dict[str, Json]) -> Tool:
    if tool["type"] != "function":
        raise invalid_request(f"cannot call a tool of type {tool['type']!r}: only functions")
    return Tool(
        name=tool["name"],
        description=tool.get("description") or "",
        parameters=tool.get("parameters") or {},
    )


def _decode_tool_choice(choice: Json) -> ToolChoice | None:
    match choice:
        case None | str():
            return choice
        case {"type": "function", "name": str(name)}:
            return name
        case _:
            raise invalid_request(f"cannot read a tool_choice of type {choice.get('type')!r}")
