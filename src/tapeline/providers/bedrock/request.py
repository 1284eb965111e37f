"""A whole request, in both directions: the model is in its path, all else in its body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.bedrock import wire
from tapeline.providers.bedrock.content import decode_block, encode_part, parts_of, text_of
from tapeline.providers.bodies import dumps, without_none
from tapeline.providers.errors import NOT_JSON, invalid_request
from tapeline.types import (
    ChatRequest,
    HttpRequest,
    Json,
    Message,
    Part,
    Text,
    Tool,
    assistant,
    system,
    tool_result,
    user,
)

_PATH = re.compile(r"/model/(?P<model>[^?]+)/converse(?P<stream>-stream)?(?:\?|$)")
_SCHEMA = msgspec.json.Decoder(dict[str, Any])

# Towards the provider -----------------------------------------------------------------------------


def encode_request(request: ChatRequest) -> HttpRequest:
    verb = "converse-stream" if request.is_stream else "converse"
    body = without_none(
        {
            "messages": _encode_messages(request.messages),
            "system": _encode_system(request.messages) or None,
            "inferenceConfig": _encode_inference_config(request) or None,
            "toolConfig": _encode_tools(request.tools),
            "outputConfig": _encode_schema(request),
            # Converse has no field for a seed; this is what it hands on to the model as it is.
            "additionalModelRequestFields": None if request.seed is None else {"seed": request.seed},
        }
    )
    return HttpRequest(
        method="POST",
        path=f"/model/{quote(request.model, safe='')}/{verb}",
        headers={},
        body=dumps(_with_extra(body, request.extra)),
    )


def _encode_messages(messages: Iterable[Message]) -> list[dict[str, Json]]:
    """Return the turns. Tool results are the user's; neighbours of one role become one turn.

    Converse refuses two turns of the same role, and all results of one answer must stand in one turn.
    """
    turns: list[dict[str, Json]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += [encode_part(part) for part in message.content]
    return turns


def _encode_system(messages: Iterable[Message]) -> list[dict[str, Json]]:
    """Return the system blocks. Empty texts are left out: Converse refuses them here."""
    parts = [part for message in messages if message.role == "system" for part in message.content]
    return [{"text": part.text} for part in parts if isinstance(part, Text) and part.text]


def _encode_inference_config(request: ChatRequest) -> dict[str, Json]:
    return without_none(
        {
            "maxTokens": request.max_tokens,
            "temperature": request.temperature,
            "topP": request.top_p,
            "stopSequences": list(request.stop) or None,
        }
    )


def _encode_tools(tools: Iterable[Tool]) -> dict[str, Json] | None:
    specs = [
        {
            "toolSpec": without_none({"name": tool.name, "description": tool.description or None})
            | {"inputSchema": {"json": dict(tool.parameters)}}
        }
        for tool in tools
    ]
    return {"tools": specs} if specs else None


def _encode_schema(request: ChatRequest) -> dict[str, Json] | None:
    if request.schema is None:
        return None
    schema = {"name": request.schema_name, "schema": dumps(dict(request.schema)).decode()}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


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
    return ChatRequest(
        model=model,
        messages=tuple(_decode_messages(body)),
        is_stream=is_stream,
        max_tokens=config.max_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        stop=tuple(config.stop_sequences),
        seed=fields.seed if fields else None,
        tools=tuple(_decode_tools(body.tool_config)),
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
    if texts := [block.text for block in body.system if block.text is not None]:
        yield system(*texts)
    for message in body.messages:
        match message.role:
            case "user":
                yield from _decode_user(message.content)
            case "assistant":
                yield assistant(*parts_of(message.content))
            case "system":
                yield system(*parts_of(message.content))
            case role:
                raise invalid_request(f"unknown message role {role!r}")


def _decode_user(blocks: list[wire.Block]) -> Iterator[Message]:
    """Yield one message for each tool result in a turn, then one for the rest of it."""
    for block in blocks:
        if (result := block.tool_result) is not None:
            is_error = result.status == "error"
            yield tool_result(result.tool_use_id, text_of(result.content), is_error=is_error)
    others = [block for block in blocks if block.tool_result is None and block.cache_point is None]
    if others or not blocks:
        yield user(*(_decode_user_block(block) for block in others))


def _decode_user_block(block: wire.Block) -> Part:
    part = decode_block(block)
    if part is None:
        # Unlike in an answer: a model that never saw the document would answer something else.
        raise invalid_request("a content block that is neither text nor image bytes nor a tool's result")
    return part


def _decode_tools(config: wire.ToolConfig | None) -> Iterator[Tool]:
    for tool in config.tools if config else ():
        if (spec := tool.tool_spec) is not None:
            yield Tool(name=spec.name, description=spec.description, parameters=spec.input_schema.json)


def _json_schema(body: wire.Request) -> wire.JsonSchema | None:
    text_format = body.output_config.text_format if body.output_config else None
    return text_format.structure.json_schema if text_format and text_format.structure else None


def _decode_schema(text: str) -> dict[str, Json]:
    try:
        return _SCHEMA.decode(text)
    except NOT_JSON as error:
        raise invalid_request(f"outputConfig holds no JSON schema: {error}") from error
