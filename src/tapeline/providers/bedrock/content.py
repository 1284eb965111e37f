"""Content blocks, the parts of one message, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tapeline.media import Image
from tapeline.providers.bedrock import wire
from tapeline.providers.bodies import dumps, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.tools import arguments_as_object
from tapeline.types import Json, Part, Text, Thinking, ToolCall, ToolResult

# Decoding -----------------------------------------------------------------------------------------


def parts_of(blocks: Iterable[wire.Block]) -> Iterator[Part]:
    """Yield what we know of a message; other kinds of blocks are skipped."""
    for block in blocks:
        if (part := decode_block(block)) is not None:
            yield part


def decode_block(block: wire.Block) -> Part | None:
    """Return the part a block holds, or None if it is of a kind we do not know."""
    if block.text is not None:
        return Text(block.text)
    if block.reasoning_content is not None:
        return _decode_reasoning(block.reasoning_content)
    if block.tool_use is not None:
        return _decode_tool_use(block.tool_use)
    if block.image is not None:
        return _decode_image(block.image)
    if block.citations_content is not None:
        return Text(text_of(block.citations_content.content))
    return None


def _decode_reasoning(reasoning: wire.Reasoning) -> Thinking | None:
    if reasoning.redacted_content is not None:
        return Thinking(redacted=reasoning.redacted_content)
    if reasoning.reasoning_text is None:
        return None
    return Thinking(text=reasoning.reasoning_text.text, signature=reasoning.reasoning_text.signature)


def _decode_tool_use(tool_use: wire.ToolUse) -> ToolCall | None:
    if tool_use.type == wire.SERVER_TOOL:
        return None
    return ToolCall(id=tool_use.tool_use_id, name=tool_use.name, raw_arguments=bytes(tool_use.input).decode())


def _decode_image(image: wire.Image) -> Image | None:
    if image.source is None or image.source.data is None:
        return None  # a place in S3, which is no URL we could give
    return Image(media_type=f"image/{image.format}", data=image.source.data)


def text_of(pieces: Iterable[wire.Piece]) -> str:
    return "".join(
        dumps(piece.json).decode() if piece.text is None and piece.json is not None else piece.text or ""
        for piece in pieces
    )


# Encoding -----------------------------------------------------------------------------------------


def encode_part(part: Part) -> dict[str, Json]:
    match part:
        case Text(text=text):
            return {"text": text}
        case Image():
            return {"image": _encode_image(part)}
        case Thinking(redacted=str(redacted)):
            return {"reasoningContent": {"redactedContent": redacted}}
        case Thinking(text=text, signature=signature):
            reasoning_text = without_none({"text": text, "signature": signature})
            return {"reasoningContent": {"reasoningText": reasoning_text}}
        case ToolCall(id=id, name=name):
            return {"toolUse": {"toolUseId": id, "name": name, "input": arguments_as_object(part)}}
        case ToolResult(id=id, content=content, is_error=is_error):
            status = "error" if is_error else "success"
            return {"toolResult": {"toolUseId": id, "content": [{"text": content}], "status": status}}


def _encode_image(image: Image) -> dict[str, Json]:
    if image.data is None:
        raise invalid_request(
            f"Bedrock takes the bytes of an image, not its URL: download {image.url} and pass Image(data=)"
        )
    # msgspec writes bytes as base64.
    return {"format": image.media_type.removeprefix("image/"), "source": {"bytes": image.data}}
