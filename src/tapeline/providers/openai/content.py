"""The parts of one message: text, media, thinking, refusals and tool calls, in both directions."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from tapeline.media import Audio, Document, Image
from tapeline.providers.bodies import dumps
from tapeline.providers.errors import invalid_request
from tapeline.providers.inline import base64_of, data_url, document_text, image_of, parse_data_url
from tapeline.providers.openai import wire
from tapeline.providers.tools import call_id
from tapeline.types import Json, Message, Part, Refusal, Text, Thinking, ToolCall

AUDIO_FORMATS = {"audio/wav": "wav", "audio/mpeg": "mp3"}

# Towards the provider -----------------------------------------------------------------------------


def encode_content(message: Message) -> str | list[dict[str, Json]]:
    if any(isinstance(part, Image | Document | Audio) for part in message.content):
        return [encoded for part in message.content if (encoded := _encode_part(part)) is not None]
    return message.text


def _encode_part(part: Part) -> dict[str, Json] | None:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image(url=url):
            return {"type": "image_url", "image_url": {"url": url or data_url(part)}}
        case Document():
            return _encode_document(part)
        case Audio():
            return _encode_audio(part)
        case _:
            return None


def _encode_document(document: Document) -> dict[str, Json]:
    if document.url is not None:
        raise invalid_request(
            f"Chat Completions takes the bytes of a document, not its URL ({document.url}): "
            "load it first, then pass Document(media_type=, data=)"
        )
    text = document_text(document)
    if text is not None:  # of files the API takes only PDF, which it says itself of any other
        return {"type": "text", "text": text}
    file = {"filename": document.name or "document", "file_data": data_url(document)}
    return {"type": "file", "file": file}


def _encode_audio(audio: Audio) -> dict[str, Json]:
    if audio.data is None:
        raise invalid_request(
            f"Chat Completions takes the bytes of a sound, not its URL ({audio.url}): "
            "load it first, then pass Audio(media_type=, data=)"
        )
    if audio.media_type not in AUDIO_FORMATS:
        raise invalid_request(
            f"Chat Completions takes no {audio.media_type}: convert it to {' or '.join(AUDIO_FORMATS)}"
        )
    sound = {"data": base64_of(audio), "format": AUDIO_FORMATS[audio.media_type]}
    return {"type": "input_audio", "input_audio": sound}


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
            return image_of(url)
        case {"type": "file", "file": {"file_data": url} as file}:
            media_type, data = parse_data_url(url)
            return Document(media_type=media_type, data=data, name=file.get("filename"))
        case {"type": "input_audio", "input_audio": {"data": data, "format": format}}:
            media_type = next((name for name, word in AUDIO_FORMATS.items() if word == format), "")
            return Audio(media_type=media_type, data=base64.b64decode(data, validate=True))
        case _:
            raise invalid_request(f"cannot read a content part of type {part.get('type')!r}")


# Of an assistant's message, in an answer or in a request -------------------------------------------


def parts_of(message: wire.Message) -> Iterator[Part]:
    if thinking := thinking_of(message):
        yield Thinking(text=thinking)
    if text := text_of(message.content):
        yield Text(text)
    if refusal := refusal_of(message):
        yield Refusal(refusal)
    for number, call in enumerate(message.tool_calls or ()):
        function = call.function or wire.Function()
        arguments = arguments_of(function) or "{}"
        yield ToolCall(id=call.id or call_id(number), name=function.name or "", raw_arguments=arguments)


def text_of(content: str | list[wire.Piece] | None) -> str:
    if isinstance(content, list):
        return _joined(piece.text for piece in content)
    return content or ""


def thinking_of(message: wire.Message) -> str:
    if isinstance(message.content, list):
        return "".join(text_of(piece.thinking) for piece in message.content)
    return message.reasoning_content or message.reasoning or ""


def refusal_of(message: wire.Message) -> str:
    if message.refusal is None and isinstance(message.content, list):
        return _joined(piece.refusal for piece in message.content)
    return message.refusal or ""


def _joined(texts: Iterable[Any]) -> str:
    return "".join(text for text in texts if isinstance(text, str))


def arguments_of(function: wire.Function) -> str:
    """Return the arguments as text, which some servers send as the object itself."""
    arguments = function.arguments
    return dumps(arguments).decode() if isinstance(arguments, dict) else arguments or ""
