"""The parts of one message: text, pictures, thinking and tool calls, in both directions."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from tapeline.media import Image
from tapeline.providers.errors import invalid_request
from tapeline.providers.openai import wire
from tapeline.types import Json, Message, Part, Text, Thinking, ToolCall

# Towards the provider -----------------------------------------------------------------------------


def encode_content(message: Message) -> str | list[dict[str, Json]]:
    if any(isinstance(part, Image) for part in message.content):
        return [encoded for part in message.content if (encoded := _encode_part(part)) is not None]
    return message.text


def _encode_part(part: Part) -> dict[str, Json] | None:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image(url=str(url)):
            return {"type": "image_url", "image_url": {"url": url}}
        case Image(media_type=media_type, data=data):
            encoded = base64.b64encode(data or b"").decode()
            return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{encoded}"}}
        case _:
            return None


def encode_call(call: ToolCall) -> dict[str, Json]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.raw_arguments},
    }


# From a client ------------------------------------------------------------------------------------


def decode_content(content: str | list[dict[str, Json]]) -> list[Part]:
    return [Text(content)] if isinstance(content, str) else [_decode_part(part) for part in content]


def _decode_part(part: dict[str, Json]) -> Part:
    match part:
        case {"type": "text", "text": text}:
            return Text(text)
        case {"type": "image_url", "image_url": {"url": url}}:
            return _decode_image(url)
        case _:
            raise invalid_request(f"unknown content part {part.get('type')!r}")


def _decode_image(url: str) -> Image:
    if not url.startswith("data:"):
        return Image(media_type="image/*", url=url)
    media_type, _, data = url.removeprefix("data:").partition(";base64,")
    return Image(media_type=media_type, data=base64.b64decode(data, validate=True))


# Of an assistant's message, in an answer or in a request -------------------------------------------


def parts_of(message: wire.Message) -> Iterator[Part]:
    if thinking := thinking_of(message):
        yield Thinking(text=thinking)
    if text := text_of(message.content) or message.refusal:
        yield Text(text)
    for call in message.tool_calls or ():
        function = call.function or wire.Function()
        yield ToolCall(id=call.id or "", name=function.name or "", raw_arguments=function.arguments or "{}")


def text_of(content: str | list[wire.Piece] | None) -> str:
    if isinstance(content, list):
        return "".join(piece.text or "" for piece in content)
    return content or ""


def thinking_of(message: wire.Message) -> str:
    if isinstance(message.content, list):
        return "".join(text_of(piece.thinking) for piece in message.content)
    return message.reasoning_content or message.reasoning or ""
