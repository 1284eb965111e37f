"""One message, in both directions: its text, thinking, pictures and tool calls."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from tapeline.media import Audio, Document, Image
from tapeline.providers.bodies import dumps, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.inline import base64_of, document_text
from tapeline.providers.ollama import wire
from tapeline.providers.tools import arguments_as_object, arguments_as_text, call_id
from tapeline.types import Json, Message, Part, Refusal, Text, Thinking, ToolCall

# From the provider --------------------------------------------------------------------------------


def parts_of(message: wire.Message) -> Iterator[Part]:
    if message.thinking:
        yield Thinking(text=message.thinking)
    if message.content:
        yield Text(message.content)
    yield from calls_of(message, first_call=0)


def calls_of(message: wire.Message, *, first_call: int) -> Iterator[ToolCall]:
    """Yield the tool calls. first_call: how many came before these, which names those without an id."""
    for number, call in enumerate(message.tool_calls or (), first_call):
        function = call.function or wire.Function()
        yield ToolCall(
            id=call.id or call_id(number),
            name=function.name,
            raw_arguments=arguments_as_text(function.arguments),
        )


# From a client ------------------------------------------------------------------------------------


def decode_call(call: dict[str, Json], number: int) -> ToolCall:
    function = call["function"]
    return ToolCall(
        id=call.get("id") or call_id(number),
        name=function["name"],
        raw_arguments=dumps(function.get("arguments") or {}).decode(),
    )


def decode_images(message: dict[str, Json]) -> list[Image]:
    images = message.get("images") or ()
    return [Image(media_type="image/*", data=base64.b64decode(data, validate=True)) for data in images]


# Towards either -----------------------------------------------------------------------------------


def encode_message(message: Message) -> dict[str, Json]:
    parts = message.content
    thoughts = (part.text for part in parts if isinstance(part, Thinking) and part.id is None)
    return without_none(
        {
            "role": message.role,
            "content": encode_text(parts),
            "thinking": "".join(thoughts) or None,  # reasoning with an id is another API's
            "images": encode_images(parts) or None,
            "tool_calls": [_encode_call(part) for part in parts if isinstance(part, ToolCall)] or None,
        }
    )


def encode_text(parts: Iterable[Part]) -> str:
    """Return all that is text, or can be: the API has no other place for documents and refusals."""
    return "".join(map(_encode_text, parts))


def _encode_text(part: Part) -> str:
    match part:
        case Text(text=text) | Refusal(text=text):
            return text
        case Document():
            written = document_text(part)
            if written is None:
                raise invalid_request(
                    f"Ollama takes documents only as text, not {part.url or part.media_type}: "
                    "turn it into text, or its pages into pictures"
                )
            return written
        case Audio():
            raise invalid_request("Ollama takes no sound: turn it into text first")
        case _:
            return ""


def encode_images(parts: Iterable[Part]) -> list[str]:
    return [_encode_image(part) for part in parts if isinstance(part, Image)]


def _encode_image(image: Image) -> str:
    if image.data is None:
        raise invalid_request(
            f"Ollama takes the bytes of a picture, not its URL ({image.url}): "
            "load it first, then pass Image(media_type=, data=)"
        )
    return base64_of(image)


def _encode_call(call: ToolCall) -> dict[str, Json]:
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments_as_object(call)}}
