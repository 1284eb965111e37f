"""Content blocks, the parts of one message, in both directions."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

import msgspec

from tapeline.media import Audio, Document, Image
from tapeline.providers.anthropic import wire
from tapeline.providers.bodies import dumps, parse, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.inline import TEXT_TYPES, base64_of, text_of
from tapeline.providers.tools import arguments_as_object, arguments_as_text
from tapeline.types import (
    CachePoint,
    Json,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

Block: TypeAlias = dict[str, Json]

KNOWN_BLOCKS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
KNOWN_DELTAS = frozenset({"text_delta", "thinking_delta", "signature_delta", "input_json_delta"})
UNMARKED_BLOCKS = frozenset({"thinking", "redacted_thinking"})
"""Blocks that take no cache mark; they are cached with what follows them."""

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


def known_delta(raw: msgspec.Raw) -> wire.Delta | None:
    """Decode the delta of a block, or return None if we do not know its type."""
    delta = bytes(raw)
    return parse(delta, wire.DELTA) if parse(delta, wire.KIND).type in KNOWN_DELTAS else None


def _part_of(block: wire.Block) -> Part | None:
    match block.type:
        case "text":
            return Text(block.text or "")
        case "thinking":
            return Thinking(text=block.thinking or "", signature=block.signature or None)
        case "redacted_thinking":
            return Thinking(redacted=block.data)
        case _:
            return ToolCall(
                id=block.id or "", name=block.name or "", raw_arguments=arguments_as_text(block.input)
            )


# From a client ------------------------------------------------------------------------------------


def decode_content(content: str | list[Block]) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    return [part for block in content for part in _decode_block(block)]


def _decode_block(block: Block) -> Iterator[Part]:
    yield _decode_part(block)
    if mark := block.get("cache_control"):
        yield CachePoint(ttl=mark.get("ttl"))


def _decode_part(block: Block) -> Part:
    match block:
        case {"type": "image", "source": source}:
            return _decode_image(source)
        case {"type": "document", "source": source}:
            return replace(_decode_document(source), name=block.get("title"))
        case {"type": "tool_result", "tool_use_id": id}:
            return ToolResult(
                id=id,
                content=_decode_result(block.get("content") or ""),
                is_error=bool(block.get("is_error")),
            )
        case {"type": "tool_use", "id": id, "name": name, "input": arguments}:
            return ToolCall(id=id, name=name, raw_arguments=dumps(arguments).decode())
        case {"type": "text", "text": text}:
            return Text(text)
        case {"type": "thinking", "thinking": text}:
            return Thinking(text=text, signature=block.get("signature") or None)
        case {"type": "redacted_thinking", "data": data}:
            return Thinking(redacted=data)
        case _:
            raise invalid_request(f"cannot read a content block of type {block.get('type')!r}")


def _decode_result(content: str | list[Block]) -> str | tuple[Text | Image | Document, ...]:
    if isinstance(content, str):
        return content
    parts = decode_content(content)
    return tuple(part for part in parts if isinstance(part, Text | Image | Document))


def _decode_image(source: Block) -> Image:
    match source:
        case {"type": "url", "url": url}:
            return Image.from_url(url)
        case {"type": "base64", "media_type": media_type, "data": data}:
            return Image(media_type=media_type, data=base64.b64decode(data, validate=True))
        case _:
            raise invalid_request(f"cannot read an image from a source of type {source.get('type')!r}")


def _decode_document(source: Block) -> Document:
    match source:
        case {"type": "url", "url": url}:
            return Document.from_url(url)
        case {"type": "base64", "media_type": media_type, "data": data}:
            return Document(media_type=media_type, data=base64.b64decode(data, validate=True))
        case {"type": "text", "data": text}:
            return Document(media_type="text/plain", data=text.encode())
        case _:
            raise invalid_request(f"cannot read a document from a source of type {source.get('type')!r}")


# Towards either -----------------------------------------------------------------------------------


def encode_parts(parts: Iterable[Part], *, before: list[Block]) -> list[Block]:
    """Return the blocks of one message. before: the blocks in front of it, which a first mark may mark."""
    blocks: list[Block] = []
    for part in parts:
        if isinstance(part, CachePoint):
            _mark(blocks or before, part)
        else:
            blocks.append(encode_part(part))
    return blocks


def _mark(blocks: list[Block], point: CachePoint) -> None:
    for block in reversed(blocks):
        if block["type"] not in UNMARKED_BLOCKS:
            block["cache_control"] = without_none({"type": "ephemeral", "ttl": point.ttl})
            return


def encode_part(part: Part) -> Block:
    match part:
        case Text(text=text) | Refusal(text=text):
            return {"type": "text", "text": text}
        case Thinking(redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case Thinking(text=text, signature=signature):
            return {"type": "thinking", "thinking": text, "signature": signature or ""}
        case ToolCall(id=id, name=name):
            return {"type": "tool_use", "id": id, "name": name, "input": arguments_as_object(part)}
        case ToolResult():
            return _encode_result(part)
        case Image():
            return {"type": "image", "source": _encode_image(part)}
        case Document():
            source = _encode_document(part)
            return without_none({"type": "document", "source": source, "title": part.name})
        case _:
            raise invalid_request(
                f"Anthropic takes no {type(part).__name__.lower()} here: "
                + ("send a transcript as text." if isinstance(part, Audio) else "leave it out.")
            )


def _encode_result(result: ToolResult) -> Block:
    content = result.content
    encoded: str | list[Block] = content if isinstance(content, str) else list(map(encode_part, content))
    block = {"type": "tool_result", "tool_use_id": result.id, "content": encoded}
    return block | ({"is_error": True} if result.is_error else {})


def _encode_image(image: Image) -> Block:
    if image.url is not None:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type, "data": base64_of(image)}


def _encode_document(document: Document) -> Block:
    """Return the source of a document: a PDF as it is; anything else that is text, as plain text."""
    if document.url is not None:
        return {"type": "url", "url": document.url}
    if document.media_type.startswith(TEXT_TYPES):
        return {"type": "text", "media_type": "text/plain", "data": text_of(document)}
    if document.media_type != "application/pdf":
        raise invalid_request(
            f"Anthropic takes documents as PDF or text, not as {document.media_type}: convert it first"
        )
    return {"type": "base64", "media_type": document.media_type, "data": base64_of(document)}
