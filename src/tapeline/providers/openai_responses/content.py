"""Items and the parts of messages, in both directions."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Iterator

import msgspec

from tapeline.media import Audio, Document, Image
from tapeline.providers.bodies import parse, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.inline import data_url, image_of, parse_data_url
from tapeline.providers.openai_responses import wire
from tapeline.types import Json, Part, Refusal, Text, Thinking, ToolCall

KNOWN_ITEMS = frozenset({"message", "reasoning", "function_call"})

# From the provider --------------------------------------------------------------------------------


def parts_of(output: Iterable[msgspec.Raw]) -> Iterator[Part]:
    """Yield what we know of an answer; other kinds of items are skipped."""
    for raw in output:
        if (item := known_item(raw)) is not None:
            yield from _parts_of_item(item)


def known_item(raw: msgspec.Raw) -> wire.Item | None:
    """Decode an item, or return None if we do not know its type: then its fields may be anything."""
    item = bytes(raw)
    return parse(item, wire.ITEM) if parse(item, wire.KIND).type in KNOWN_ITEMS else None


def _parts_of_item(item: wire.Item) -> Iterator[Part]:
    match item.type:
        case "message":
            yield from _parts_of_message(item.content or ())
        case "reasoning":
            yield Thinking(
                text=_thinking_of(item), signature=item.encrypted_content or None, id=item.id or None
            )
        case _:
            yield ToolCall(id=call_id_of(item), name=item.name or "", raw_arguments=item.arguments or "{}")


def _parts_of_message(content: Iterable[wire.Piece]) -> Iterator[Part]:
    for piece in content:
        if piece.text:
            yield Text(piece.text)
        if piece.refusal:
            yield Refusal(piece.refusal)


def _thinking_of(item: wire.Item) -> str:
    """Return the paragraphs of a summary; open models have none, but their reasoning itself."""
    return "\n\n".join(piece.text for piece in (*(item.summary or ()), *(item.content or ())) if piece.text)


def call_id_of(item: wire.Item) -> str:
    """Return the id a tool's result refers to. That of the item is another one."""
    return item.call_id or item.id or ""


# From a client ------------------------------------------------------------------------------------


def decode_content(content: str | list[dict[str, Json]]) -> list[Part]:
    return [Text(content)] if isinstance(content, str) else [_decode_part(part) for part in content]


def _decode_part(part: dict[str, Json]) -> Part:
    match part:
        case {"type": "input_text" | "output_text", "text": text}:
            return Text(text)
        case {"type": "refusal", "refusal": text}:
            return Refusal(text)
        case {"type": "input_image", "image_url": str(url)}:
            return image_of(url)
        case {"type": "input_file", "file_url": str(url)}:
            return Document(media_type="application/*", url=url)
        case {"type": "input_file", "file_data": str(url)}:
            return _decode_document(url, part.get("filename"))
        case _:
            raise invalid_request(f"cannot read a content part of type {part.get('type')!r}")


def _decode_document(url: str, name: str | None) -> Document:
    media_type, data = parse_data_url(url)
    return Document(media_type=media_type, data=data, name=None if name == _file_name(media_type) else name)


def decode_answer_item(item: dict[str, Json]) -> list[Part]:
    """Return the parts of an item that belongs to an assistant's turn."""
    match item:
        case {"type": "function_call", "call_id": id, "name": name, "arguments": arguments}:
            return [ToolCall(id=id, name=name, raw_arguments=arguments or "{}")]
        case {"type": "reasoning"}:
            text = "\n\n".join(piece["text"] for piece in item.get("summary") or () if piece["text"])
            signature, id = item.get("encrypted_content") or None, item.get("id") or None
            return [Thinking(text=text, signature=signature, id=id)]
        case _:
            return decode_content(item["content"])


# Towards either -----------------------------------------------------------------------------------


def encode_content(parts: tuple[Part, ...]) -> str | list[dict[str, Json]]:
    """Return the content of a message that is not the assistant's, or that of a tool's result."""
    match parts:
        case (Text(text=text),):
            return text
        case _:
            return [encoded for part in parts if (encoded := _encode_part(part)) is not None]


def _encode_part(part: Part) -> dict[str, Json] | None:
    match part:
        case Text(text=text):
            return {"type": "input_text", "text": text}
        case Image(url=url):
            return {"type": "input_image", "image_url": url or data_url(part)}
        case Document(url=str(url)):
            return {"type": "input_file", "file_url": url}  # beside it the API takes no filename
        case Document():
            name = part.name or _file_name(part.media_type)
            return {"type": "input_file", "filename": name, "file_data": data_url(part)}
        case Audio():
            raise invalid_request(
                "the Responses API takes no sound: use the provider 'openai', with a model that hears"
            )
        case _:
            return None


def _file_name(media_type: str) -> str:
    """Return a name for a document without one: the API goes by its ending, whatever the data URL says."""
    return f"document{mimetypes.guess_extension(media_type) or ''}"


def encode_answer_item(part: Part) -> dict[str, Json] | None:
    """Return a part of an assistant's turn as the item it is; None for what the API has no item for."""
    match part:
        case Text(text=text):
            return _answer_message({"type": "output_text", "text": text, "annotations": []})
        case Refusal(text=text):
            return _answer_message({"type": "refusal", "refusal": text})
        case Thinking(redacted=None):
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            item = {"type": "reasoning", "id": part.id, "summary": summary}
            return without_none(item | {"encrypted_content": part.signature})
        case ToolCall(id=id, name=name, raw_arguments=arguments):
            return {"type": "function_call", "call_id": id, "name": name, "arguments": arguments}
        case _:
            return None


def _answer_message(piece: dict[str, Json]) -> dict[str, Json]:
    return {"type": "message", "role": "assistant", "content": [piece]}
