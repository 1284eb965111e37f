"""A whole request, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tapeline.providers.bodies import dumps, parse_request, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.ollama.content import (
    decode_call,
    decode_images,
    encode_images,
    encode_message,
    encode_text,
)
from tapeline.providers.tools import call_id, decode_function_tool, encode_function_tool
from tapeline.types import (
    ChatRequest,
    HttpRequest,
    Json,
    Message,
    ReasoningEffort,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    assistant,
    system,
    tool_result,
    user,
)

PATH = "/api/chat"
EFFORTS = ("low", "medium", "high", "max")
"""What `think` takes besides true and false; max only since 0.35."""

# Towards the provider -----------------------------------------------------------------------------


def encode_request(request: ChatRequest) -> HttpRequest:
    extra = dict(request.extra)
    options = _encode_options(request) | (extra.pop("options", None) or {})  # num_ctx keeps num_predict
    body = without_none(
        {
            "model": request.model,
            "messages": _encode_messages(request.messages),
            "tools": _encode_tools(request) or None,
            "format": None if request.schema is None else dict(request.schema),
            "options": options or None,
            "think": _encode_effort(request.reasoning_effort),
            "stream": request.is_stream,  # said in both cases: left out, it means true
        }
    )
    return HttpRequest(method="POST", path=PATH, headers={}, body=dumps(body | extra))


def _encode_options(request: ChatRequest) -> dict[str, Json]:
    return without_none(
        {
            "num_predict": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": request.top_k,
            "seed": request.seed,
            "frequency_penalty": request.frequency_penalty,
            "presence_penalty": request.presence_penalty,
            "stop": list(request.stop) or None,
        }
    )


def _encode_tools(request: ChatRequest) -> list[dict[str, Json]]:
    """Return the tools, or none if none may be called: the API cannot say that in another way."""
    return [] if request.tool_choice == "none" else [encode_function_tool(tool) for tool in request.tools]


def _encode_effort(effort: ReasoningEffort | None) -> str | bool | None:
    """Return our word, or the nearest that Ollama knows."""
    match effort:
        case "none":
            return False
        case "minimal":
            return "low"
        case "xhigh":
            return "max"
        case _:
            return effort


def _encode_messages(messages: Iterable[Message]) -> list[dict[str, Json]]:
    """Return the wire messages: each tool result is one of its own, and names the tool it is of."""
    encoded: list[dict[str, Json]] = []
    name_of_call: dict[str, str] = {}
    for message in messages:
        name_of_call |= {part.id: part.name for part in message.content if isinstance(part, ToolCall)}
        results = [part for part in message.content if isinstance(part, ToolResult)]
        encoded += [_encode_result(result, name_of_call.get(result.id)) for result in results]
        if not results:
            encoded.append(encode_message(message))
    return encoded


def _encode_result(result: ToolResult, tool_name: str | None) -> dict[str, Json]:
    return without_none(
        {
            "role": "tool",
            "content": encode_text(result.parts),
            "images": encode_images(result.parts) or None,
            "tool_name": tool_name,
            "tool_call_id": result.id,
        }
    )


# From a client ------------------------------------------------------------------------------------


def decode_request(request: HttpRequest) -> ChatRequest:
    body = parse_request(request.body)
    options = body.get("options") or {}
    stop = options.get("stop") or ()
    return ChatRequest(
        model=body["model"],
        messages=tuple(_decode_messages(body["messages"])),
        is_stream=body.get("stream") is not False,
        max_tokens=options.get("num_predict"),
        temperature=options.get("temperature"),
        top_p=options.get("top_p"),
        top_k=options.get("top_k"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        seed=options.get("seed"),
        frequency_penalty=options.get("frequency_penalty"),
        presence_penalty=options.get("presence_penalty"),
        reasoning_effort=_decode_think(body.get("think")),
        tools=tuple(decode_function_tool(tool) for tool in body.get("tools") or ()),
        schema=body.get("format") if isinstance(body.get("format"), dict) else None,
    )


def _decode_think(think: Json) -> ReasoningEffort | None:
    """Return the effort; Ollama itself takes a bare true for medium."""
    if isinstance(think, bool):
        return "medium" if think else "none"
    effort: ReasoningEffort | None = think
    return effort


def _decode_messages(messages: list[dict[str, Json]]) -> Iterator[Message]:
    results = 0
    for message in messages:
        results = results + 1 if message["role"] == "tool" else 0
        yield _decode_message(message, result_number=results - 1)


def _decode_message(message: dict[str, Json], *, result_number: int) -> Message:
    text = message.get("content") or ""
    if not isinstance(text, str):
        raise invalid_request("a message's content must be text")
    said = [Text(text)] if text else []
    match message["role"]:
        case "system":
            return system(*said)
        case "user":
            return user(*said, *decode_images(message))
        case "assistant":
            thinking = [Thinking(text=message["thinking"])] if message.get("thinking") else []
            calls = (decode_call(call, n) for n, call in enumerate(message.get("tool_calls") or ()))
            return assistant(*thinking, *said, *calls)
        case "tool":  # without an id, results come in the order of the calls
            id = message.get("tool_call_id") or call_id(result_number)
            images = decode_images(message)
            return tool_result(id, *said, *images) if images else tool_result(id, text)
        case role:
            raise invalid_request(f"unknown message role {role!r}")
