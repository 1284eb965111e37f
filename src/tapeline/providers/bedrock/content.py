"""Content blocks, the parts of one message, in both directions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import TypeAlias, TypeVar

from tapeline.media import Audio, Document, Image, Media
from tapeline.providers.bedrock import wire
from tapeline.providers.bodies import dumps, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.inline import TEXT_TYPES
from tapeline.providers.tools import arguments_as_object
from tapeline.types import CachePoint, Json, Part, Refusal, Text, Thinking, ToolCall, ToolResult

Block: TypeAlias = dict[str, Json]
M = TypeVar("M", bound=Media)

IMAGE_FORMATS = {f"image/{name}": name for name in ("png", "jpeg", "gif", "webp")}
AUDIO_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/x-m4a": "m4a",
    **{f"audio/{name}": name for name in ("aac", "flac", "mp4", "ogg", "opus", "webm")},
}
DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
"""Media type -> Converse's word for it; of the other media types, text documents go as txt."""

NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9()\[\]-]+")
NAME_LENGTH = 200

# Decoding -----------------------------------------------------------------------------------------


def parts_of(blocks: Iterable[wire.Block]) -> Iterator[Part]:
    """Yield what we know of a message; other kinds of blocks are skipped."""
    for block in blocks:
        if (part := decode_block(block)) is not None:
            yield part


def answer_parts(blocks: Iterable[wire.Block]) -> Iterator[Part]:
    """Yield what we know of an answer, but for pictures, which stay in `raw`.

    A chunk of a stream has no place for a picture, and both forms shall give the same message.
    """
    return (part for part in parts_of(blocks) if isinstance(part, Text | Thinking | ToolCall))


def decode_block(block: wire.Block) -> Part | None:
    """Return the part a block holds, or None if it is of a kind we do not know."""
    if block.text is not None:
        return Text(block.text)
    if block.reasoning_content is not None:
        return _decode_reasoning(block.reasoning_content)
    if block.tool_use is not None:
        return _decode_tool_use(block.tool_use)
    if block.tool_result is not None:
        return _decode_tool_result(block.tool_result)
    if block.citations_content is not None:
        return Text(_text_of(block.citations_content.content))
    if block.cache_point is not None:
        return CachePoint(ttl=block.cache_point.ttl)
    return _decode_media(block)


def _decode_reasoning(reasoning: wire.Reasoning) -> Thinking | None:
    if reasoning.redacted_content is not None:
        return Thinking(redacted=reasoning.redacted_content)
    if reasoning.reasoning_text is None:
        return None
    return Thinking(text=reasoning.reasoning_text.text, signature=reasoning.reasoning_text.signature or None)


def _decode_tool_use(tool_use: wire.ToolUse) -> ToolCall | None:
    if tool_use.type == wire.SERVER_TOOL:
        return None
    return ToolCall(id=tool_use.tool_use_id, name=tool_use.name, raw_arguments=bytes(tool_use.input).decode())


def _decode_tool_result(result: wire.ToolResult) -> ToolResult:
    parts = tuple(part for piece in result.content if (part := _decode_piece(piece)) is not None)
    match parts:
        case ():
            content: str | tuple[Text | Image | Document, ...] = ""
        case (Text(text=text),):
            content = text
        case _:
            content = parts
    return ToolResult(id=result.tool_use_id, content=content, is_error=result.status == "error")


def _decode_piece(piece: wire.Piece) -> Text | Image | Document | None:
    part = _decode_media(piece)
    return part if isinstance(part, Image | Document) else Text(_text_of([piece]))


def _decode_media(block: wire.HasMedia) -> Image | Document | Audio | None:
    if block.image is not None:
        return _decoded(Image, block.image, IMAGE_FORMATS)
    if block.audio is not None:
        return _decoded(Audio, block.audio, AUDIO_FORMATS)
    if block.document is not None:
        return _decode_document(block.document)
    return None


def _decode_document(document: wire.Document) -> Document | None:
    name = document.name or None
    if document.source is not None and document.source.text is not None:
        return Document(media_type="text/plain", data=document.source.text.encode(), name=name)
    decoded = _decoded(Document, document, DOCUMENT_FORMATS)
    if decoded is None:
        return None
    return Document(media_type=decoded.media_type, data=decoded.data, url=decoded.url, name=name)


def _decoded(kind: type[M], media: wire.Media, formats: Mapping[str, str]) -> M | None:
    """Return a medium from its bytes or its place in S3, or None for a source or format we do not know."""
    media_type = next((name for name, word in formats.items() if word == media.format), None)
    if media_type is None or media.source is None:
        return None
    if media.source.s3_location is not None:
        return kind(media_type=media_type, url=media.source.s3_location.uri)
    return None if media.source.data is None else kind(media_type=media_type, data=media.source.data)


def _text_of(pieces: Iterable[wire.Piece]) -> str:
    return "".join(
        dumps(piece.json).decode() if piece.text is None and piece.json is not None else piece.text or ""
        for piece in pieces
    )


# Encoding -----------------------------------------------------------------------------------------


def encode_part(part: Part) -> Block:
    match part:
        case Text(text=text) | Refusal(text=text):
            return {"text": text}
        case Thinking():
            return {"reasoningContent": _encode_reasoning(part)}
        case ToolCall(id=id, name=name):
            return {"toolUse": {"toolUseId": id, "name": name, "input": arguments_as_object(part)}}
        case ToolResult():
            return {"toolResult": _encode_tool_result(part)}
        case CachePoint(ttl=ttl):
            return {"cachePoint": without_none({"type": "default", "ttl": ttl})}
        case Image() | Audio() | Document():
            return _encode_media(part)


def _encode_reasoning(thinking: Thinking) -> Block:
    if thinking.redacted is not None:
        return {"redactedContent": thinking.redacted}
    return {"reasoningText": without_none({"text": thinking.text, "signature": thinking.signature})}


def _encode_tool_result(result: ToolResult) -> Block:
    return {
        "toolUseId": result.id,
        "content": [encode_part(part) for part in result.parts],
        "status": "error" if result.is_error else "success",
    }


def _encode_media(media: Image | Audio | Document) -> Block:
    match media:
        case Image():
            return {"image": _encode_bytes(media, IMAGE_FORMATS.get(media.media_type))}
        case Audio():
            return {"audio": _encode_bytes(media, AUDIO_FORMATS.get(media.media_type))}
        case Document():
            is_text = media.media_type.startswith(TEXT_TYPES)
            format = DOCUMENT_FORMATS.get(media.media_type) or ("txt" if is_text else None)
            return {"document": {"name": _document_name(media.name), **_encode_bytes(media, format)}}


def _document_name(name: str | None) -> str:
    """Return a name as Converse wants it, who refuses all but letters, digits, spaces, and `()[]-`."""
    return NOT_IN_A_NAME.sub(" ", PurePath(name or "").stem).strip()[:NAME_LENGTH].strip() or "document"


def _encode_bytes(media: Media, format: str | None) -> Block:
    """msgspec writes bytes as base64."""
    kind = type(media).__name__
    if media.url is not None and not media.url.startswith("s3://"):
        raise invalid_request(
            f"Converse takes bytes or a place in S3, no other URL: load {media.url}, and pass {kind}(data=)"
        )
    if format is None:
        raise invalid_request(f"Converse takes no {kind.lower()} of type {media.media_type}: convert it")
    source = {"bytes": media.data} if media.url is None else {"s3Location": {"uri": media.url}}
    return {"format": format, "source": source}
