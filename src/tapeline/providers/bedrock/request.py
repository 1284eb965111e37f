"""A whole request, in both directions: the model is in its path, all else in its body."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.anthropic.capabilities import nearest_effort
from tapeline.providers.bedrock import wire
from tapeline.providers.bedrock.capabilities import Family, family_of
from tapeline.providers.bedrock.content import Block, decode_block, encode_part, parts_of
from tapeline.providers.bodies import dumps, without_none
from tapeline.providers.errors import NOT_JSON, invalid_request
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
    ToolCall,
    ToolResult,
    assistant,
    system,
)

_PATH = re.compile(r"/model/(?P<model>[^?]+)/converse(?P<stream>-stream)?(?:\?|$)")
_SCHEMA = msgspec.json.Decoder(dict[str, Any])

# Towards the provider -----------------------------------------------------------------------------


def encode_request(request: ChatRequest) -> HttpRequest:
    verb = "converse-stream" if request.is_stream else "converse"
    family = family_of(request.model)
    body = without_none(
        {
            **_encode_prompt(request.messages, family),
            "inferenceConfig": _encode_inference_config(request) or None,
            "toolConfig": _encode_tools(request),
            "outputConfig": _encode_output_config(request, family) or None,
            "additionalModelRequestFields": _encode_model_fields(request, family) or None,
            "serviceTier": None if request.service_tier is None else {"type": request.service_tier},
            "requestMetadata": dict(request.metadata) or None,
        }
    )
    return HttpRequest(
        method="POST",
        path=f"/model/{quote(request.model, safe='')}/{verb}",
        headers={},
        body=dumps(_with_extra(body, request.extra)),
    )


def _encode_prompt(messages: Iterable[Message], family: Family) -> dict[str, Json]:
    """Return system and turns. Tool results are the user's; neighbours of one role become one turn.

    Converse refuses two turns of the same role, and all results of one answer must stand in one turn.
    """
    system: list[Block] = []
    turns: list[dict[str, Json]] = []
    for message in messages:
        before = turns[-1]["content"] if turns else system
        if message.role == "system":
            _add_parts(system, message, family, before=system)
            continue
        role = "assistant" if message.role == "assistant" else "user"
        is_next = not turns or turns[-1]["role"] != role
        content: list[Block] = [] if is_next else before
        _add_parts(content, message, family, before=before)
        if is_next and (content or role == "user"):  # an assistant's turn without content is refused
            turns.append({"role": role, "content": content})
    _tell_documents_apart(turns)
    return {"messages": turns, "system": system or None}


def _add_parts(content: list[Block], message: Message, family: Family, *, before: list[Block]) -> None:
    """Add the blocks of a message. before: what stands in front of it, if it begins with a cache point."""
    for part in message.content:
        if isinstance(part, CachePoint):
            _add_cache_point(content or before, part, family)
        elif _is_taken(part, message.role):
            content.append(encode_part(part))


def _add_cache_point(blocks: list[Block], point: CachePoint, family: Family) -> None:
    if blocks and family.has_cache:
        blocks.append(encode_part(point if family.has_cache_ttl else CachePoint()))


def _is_taken(part: Part, role: str) -> bool:
    """Whether Converse takes a part: it would refuse the whole request for an empty text, for instance.

    Of thinking, only what carries its maker's proof goes back; the rest may be another provider's.
    """
    match part:
        case Text(text=text):
            return bool(text)
        case Thinking():
            return not part.id and bool(part.signature or part.redacted)
        case _:
            return role != "system"


def _tell_documents_apart(turns: Iterable[Mapping[str, Json]]) -> None:
    """Number the documents of one name: Converse refuses two that are called the same."""
    seen: Counter[str] = Counter()
    for block in _blocks_of(turns):
        if document := block.get("document"):
            name = document["name"]
            seen[name] += 1
            if seen[name] > 1:
                document["name"] = f"{name} {seen[name]}"


def _blocks_of(turns: Iterable[Mapping[str, Json]]) -> Iterator[Block]:
    for turn in turns:
        for block in turn["content"]:
            yield block
            yield from block.get("toolResult", {}).get("content", ())


def _encode_inference_config(request: ChatRequest) -> dict[str, Json]:
    return without_none(
        {
            "maxTokens": request.max_tokens,
            "temperature": request.temperature,
            "topP": request.top_p,
            "stopSequences": list(request.stop) or None,
        }
    )


def _encode_tools(request: ChatRequest) -> dict[str, Json] | None:
    """Return the tools and the choice. Converse cannot say "none": then the tools are left out.

    But not under calls made before, which it refuses without them: there a model may call again.
    """
    if request.parallel_tool_calls is False:
        raise invalid_request(
            "Converse cannot forbid parallel tool calls: leave parallel_tool_calls out, and run them in turn"
        )
    if not request.tools or (request.tool_choice == "none" and not _has_calls(request.messages)):
        return None
    config: dict[str, Json] = {"tools": [_encode_tool(tool) for tool in request.tools]}
    choice = _encode_tool_choice(request.tool_choice)
    return config if choice is None else config | {"toolChoice": choice}


def _has_calls(messages: Iterable[Message]) -> bool:
    return any(isinstance(part, ToolCall | ToolResult) for message in messages for part in message.content)


def _encode_tool(tool: Tool) -> Block:
    named = without_none({"name": tool.name, "description": tool.description or None})
    return {"toolSpec": named | {"inputSchema": {"json": dict(tool.parameters)}}}


def _encode_tool_choice(choice: str | None) -> Block | None:
    match choice:
        case None | "none":
            return None
        case "auto":
            return {"auto": {}}
        case "required":
            return {"any": {}}
        case name:
            return {"tool": {"name": name}}


def _encode_output_config(request: ChatRequest, family: Family) -> dict[str, Json]:
    return without_none(
        {
            "textFormat": None if request.schema is None else _encode_schema(request),
            "effort": nearest_effort(request.reasoning_effort) if family.has_effort else None,
        }
    )


def _encode_schema(request: ChatRequest) -> Block:
    schema = {"name": request.schema_name, "schema": dumps(dict(request.schema or {})).decode()}
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _encode_model_fields(request: ChatRequest, family: Family) -> dict[str, Json]:
    """Return what Converse has no field for, in the words of the model's maker."""
    fields: dict[str, Json] = {}
    if request.seed is not None and family.has_seed:  # else left out: a seed is best effort everywhere
        fields["seed"] = request.seed
    if request.top_k is not None:
        fields |= family.top_k(request.top_k)
    if request.reasoning_effort is not None:
        fields |= family.reasoning(request.reasoning_effort)
    return fields


def _with_extra(body: dict[str, Json], extra: Mapping[str, Json]) -> dict[str, Json]:
    """Put `extra` over the body. Objects join, or a seed would be lost to `additionalModelRequestFields`."""
    merged = dict(body)
    for name, value in extra.items():
        ours = body.get(name)
        merged[name] = ours | value if isinstance(ours, dict) and isinstance(value, dict) else value
    return merged


# From a client ------------------------------------------------------------------------------------


def decode_request(request: HttpRequest) -> ChatRequest:
    model, is_stream = _decode_path(request.path)
    body = _decode_body(request.body)
    config = body.inference_config or wire.InferenceConfig()
    schema = _json_schema(body)
    fields = body.additional_model_request_fields
    top_k = fields.nova_inference.top_k if fields.top_k is None else fields.top_k
    return ChatRequest(
        model=model,
        messages=tuple(_decode_messages(body)),
        is_stream=is_stream,
        max_tokens=config.max_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=top_k,
        stop=tuple(config.stop_sequences),
        seed=fields.seed,
        reasoning_effort=_decode_effort(body),
        service_tier=body.service_tier.type if body.service_tier else None,
        metadata=body.request_metadata,
        tools=tuple(_decode_tools(body.tool_config)),
        tool_choice=_decode_tool_choice(body.tool_config),
        schema=_decode_schema(schema.schema) if schema else None,
        schema_name=schema.name if schema else "answer",
    )


def _decode_path(path: str) -> tuple[str, bool]:
    """Return the model, and whether it shall stream."""
    match = _PATH.search(path)
    if match is None:
        raise LLMError(
            f"{path} is not /model/{{model}}/converse or /model/{{model}}/converse-stream",
            code=ErrorCode.NOT_FOUND,
        )
    return unquote(match["model"]), match["stream"] is not None


def _decode_body(body: bytes) -> wire.Request:
    try:
        body.decode()  # msgspec would skip over text it does not map
        return wire.REQUEST.decode(body)
    except NOT_JSON as error:
        raise invalid_request(f"cannot decode the request: {error}") from error


def _decode_messages(body: wire.Request) -> Iterator[Message]:
    if body.system:
        yield system(*map(_decode_part, body.system))
    for message in body.messages:
        match message.role:
            case "user":
                yield from split_turn(map(_decode_part, message.content))
            case "assistant":
                yield assistant(*parts_of(message.content))
            case "system":
                yield system(*map(_decode_part, message.content))
            case role:
                raise invalid_request(f"unknown message role {role!r}")


def _decode_part(block: wire.Block) -> Part:
    part = decode_block(block)
    if part is None:
        # Unlike in an answer: a model that never saw the document would answer something else.
        raise invalid_request("cannot read a content block: it holds no text, media or tool's result we know")
    return part


def _decode_tools(config: wire.ToolConfig | None) -> Iterator[Tool]:
    for tool in config.tools if config else ():
        if (spec := tool.tool_spec) is not None:
            yield Tool(name=spec.name, description=spec.description, parameters=spec.input_schema.json)


def _decode_tool_choice(config: wire.ToolConfig | None) -> str | None:
    choice = (config.tool_choice if config else None) or wire.ToolChoice()
    if choice.tool is not None:
        return choice.tool.name
    return "required" if choice.any is not None else "auto" if choice.auto is not None else None


def _decode_effort(body: wire.Request) -> ReasoningEffort | None:
    """Return the effort, wherever the maker of the model has its place."""
    fields, output = body.additional_model_request_fields, body.output_config or wire.OutputConfig()
    if "disabled" in (fields.thinking.type, fields.nova_reasoning.type):
        return "none"
    nova = fields.nova_reasoning.max_reasoning_effort
    return output.effort or nova or fields.reasoning_effort or fields.reasoning_config


def _json_schema(body: wire.Request) -> wire.JsonSchema | None:
    text_format = body.output_config.text_format if body.output_config else None
    return text_format.structure.json_schema if text_format and text_format.structure else None


def _decode_schema(text: str) -> dict[str, Json]:
    try:
        return _SCHEMA.decode(text)
    except NOT_JSON as error:
        raise invalid_request(f"outputConfig holds no JSON schema: {error}") from error
