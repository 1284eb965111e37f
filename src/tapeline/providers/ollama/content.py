"""One message, in both directions: its text, thinking, pictures and tool calls."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from tapeline.media import Image
from tapeline.providers.bodies import dumps, without_none
from tapeline.providers.errors import invalid_request
from tapeline.providers.ollama import wire
from tapeline.providers.tools import arguments_as_object, arguments_as_text
from tapeline.types import Json, Message, Part, Text, Thinking, ToolCall

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


def call_id(number: int) -> str:
    """Return the id of a call that came without one; so the result that comes back finds its call."""
    return f"call_{number}"


# From a client ------------------------------------------------------------------------------------


def decode_call(call: dict[str, Json], number: int) -> ToolCall:
    function = call["function"]
    return ToolCall(
        id=call.get("id") or call_id(number),
        name=function["name"],
        raw_arguments=dumps(function.get("arguments") or {}).decode(),
    )


def decode_image(data: str) -> Image:
    return Image(media_type="image/*", data=base64.b64decode(data, validate=True))


# Towards either -----------------------------------------------------------------------------------


def encode_message(message: Message) -> dict[str, Json]:
    parts = message.content
    return without_none(
        {
            "role": message.role,
            "content": message.text,
            "thinking": "".join(part.text for part in parts if isinstance(part, Thinking)) or None,
            "images": [_encode_image(part) for part in parts if isinstance(part, Image)] or None,
            "tool_calls": [_encode_call(part) for part in parts if isinstance(part, ToolCall)] or None,
        }
    )


def _encode_image(image: Image) -> str:
    if image.data is None:
        raise invalid_request(
            f"Ollama takes the bytes of a picture, not its URL ({image.url}): "
            "load it first, then pass Image(media_type=, data=)"
        )
    return base64.b64encode(image.data).decode()


def _encode_call(call: ToolCall) -> dict[str, Json]:
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments_as_object(call)}}
