"""Content blocks, the parts of one message, in both directions."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

import msgspec

from tapeline.media import Image
from tapeline.providers.anthropic import wire
from tapeline.providers.bodies import dumps, parse
from tapeline.providers.errors import invalid_request
from tapeline.providers.tools import arguments_as_object, arguments_as_text
from tapeline.types import Json, Part, Text, Thinking, ToolCall, ToolResult, user

KNOWN_BLOCKS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})

# From the provider --------------------------------------------------------------------------------


def parts_of(content: Iterable[msgspec.Raw]) -> Iterator[Part]:
    """Yield what we know of an answer; other kinds of blocks are skipped."""
    for raw in content:
        block = known_block(raw)
        if block is not None and (part := _part_of(block)) is not None:
            yield part


def known_block(raw: msgspec.Raw) -> wire.Block | None:
    """Decode a block, or return None if we do not know its type: then its fields may be anything."""
    block = bytes(raw)
    return parse(block, wire.BLOCK) if parse(block, wire.KIND).type in KNOWN_BLOCKS else None


def _part_of(block: wire.Block) -> Part | None:
    match block.type:
        case "text":
            return Text(block.text) if block.text else None
        case "thinking":
            return Thinking(text=block.thinking or "", signature=block.signature or None)
        case "redacted_thinking":
            return Thinking(redacted=block.data)
        case _:
            return ToolCall(
                id=block.id or "", name=block.name or "", raw_arguments=arguments_as_text(block.input)
            )


# From a client ------------------------------------------------------------------------------------


def decode_content(content: str | list[dict[str, Json]]) -> list[Part]:
    return [Text(content)] if isinstance(content, str) else [_decode_part(block) for block in content]


def _decode_part(block: dict[str, Json]) -> Part:
    match block:
        case {"type": "image", "source": source}:
            return _decode_image(source)
        case {"type": "tool_result", "tool_use_id": id}:
            text = user(*decode_content(block.get("content") or [])).text
            return ToolResult(id=id, content=text, is_error=bool(block.get("is_error")))
        case {"type": "tool_use", "id": id, "name": name, "input": arguments}:
            return ToolCall(id=id, name=name, raw_arguments=dumps(arguments).decode())
        case {"type": "text", "text": text}:
            return Text(text)
        case {"type": "thinking", "thinking": text}:
            return Thinking(text=text, signature=block.get("signature") or None)
        case {"type": "redacted_thinking", "data": data}:
            return Thinking(redacted=data)
        case _:
            raise invalid_request(f"unknown content block {block.get('type')!r}")


def _decode_image(source: dict[str, Json]) -> Image:
    match source:
        case {"type": "url", "url": url}:
            return Image(media_type="image/*", url=url)
        case {"type": "base64", "media_type": media_type, "data": data}:
            return Image(media_type=media_type, data=base64.b64decode(data, validate=True))
        case _:
            raise invalid_request(f"unknown image source {source.get('type')!r}")


# Towards either -----------------------------------------------------------------------------------


def encode_part(part: Part) -> dict[str, Json]:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Thinking(redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case Thinking(text=text, signature=signature):
            return {"type": "thinking", "thinking": text, "signature": signature or ""}
        case ToolCall(id=id, name=name):
            return {"type": "tool_use", "id": id, "name": name, "input": arguments_as_object(part)}
        case ToolResult(id=id, content=content, is_error=is_error):
            result = {"type": "tool_result", "tool_use_id": id, "content": content}
            return result | ({"is_error": True} if is_error else {})
        case Image():
            return {"type": "image", "source": _encode_image(part)}


def _encode_image(image: Image) -> dict[str, Json]:
    if image.url is not None:
        return {"type": "url", "url": image.url}
    encoded = base64.b64encode(image.data or b"").decode()
    return {"type": "base64", "media_type": image.media_type, "data": encoded}
