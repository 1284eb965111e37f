"""Requests and replies that every wire format can carry, as hypothesis strategies.

`Can` names what one format can carry besides. Values are in the shape a decoder gives back: one thinking
part, one text, then the tool calls; arguments as compact JSON. Not here: what only one format can say.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import msgspec
from hypothesis import strategies as st

from tapeline.media import Audio, Document, Image, media_type_of
from tapeline.types import (
    ChatRequest,
    FinishReason,
    Message,
    Part,
    Refusal,
    Reply,
    Text,
    Thinking,
    Tool,
    ToolCall,
    Usage,
    assistant,
    system,
    tool_result,
    user,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Can:
    """What a format can carry beyond text, tools, sampling options and the two token counts.

    options: of those in `OPTIONS`, which. tool_choices: which of auto, none, required and named.
    """

    image_media_types: tuple[str, ...]
    image_urls: bool = False
    document_media_types: tuple[str, ...] = ()
    audio_media_types: tuple[str, ...] = ()
    tool_errors: bool = False
    tool_images: bool = False
    options: frozenset[str] = frozenset()
    tool_choices: tuple[str, ...] = ()
    parallel_tool_calls: bool = False
    refusals: bool = False
    stop: bool = True
    seed: bool = False
    schema: bool = True
    schema_name: bool = False
    no_max_tokens: bool = True
    thinking_in_requests: bool = False
    signatures: bool = False
    thinking_ids: bool = False
    redacted: bool = False
    cached_tokens: bool = False
    reasoning_tokens: bool = False
    ids: bool = True
    models: bool = True
    finish_reasons: tuple[FinishReason, ...] = ("stop", "length")


texts = st.text(min_size=1, max_size=30)
names = st.from_regex(r"[a-z][a-z0-9_]{0,15}", fullmatch=True)
opaque = st.binary(min_size=1, max_size=12).map(lambda data: base64.b64encode(data).decode())
counts = st.integers(0, 100_000)
pictured = st.binary(min_size=1, max_size=12).filter(lambda data: media_type_of(data) is None)

OPTIONS: dict[str, st.SearchStrategy[object]] = {
    "top_k": st.integers(1, 99),
    "frequency_penalty": st.sampled_from([-0.5, 0.5]),
    "presence_penalty": st.sampled_from([-0.5, 0.5]),
    "reasoning_effort": st.sampled_from(["none", "low", "medium", "high", "max"]),
    "service_tier": st.sampled_from(["auto", "default"]),
    "metadata": st.dictionaries(names, texts, max_size=2),
}
"""Options that not every format has."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(names, json_values, max_size=3)
raw_arguments = json_objects.map(lambda value: msgspec.json.encode(value).decode())
schemas = st.dictionaries(names, st.just({"type": "string"}), max_size=2).map(
    lambda properties: {"type": "object", "properties": properties}
)
tools = st.builds(Tool, name=names, description=st.just("") | texts, parameters=schemas)


def thinkings(can: Can) -> st.SearchStrategy[Thinking]:
    return st.builds(
        Thinking,
        text=texts,
        signature=opaque if can.signatures else st.none(),
        id=names if can.thinking_ids else st.none(),
    )


def images(can: Can) -> st.SearchStrategy[Image]:
    media_types = st.sampled_from(can.image_media_types)
    of_bytes = st.builds(Image, media_type=media_types, data=pictured)
    of_url = st.builds(Image, media_type=st.just("image/*"), url=names.map("https://example.org/{}".format))
    return of_bytes | of_url if can.image_urls else of_bytes


@st.composite
def answers(draw: st.DrawFn, can: Can, *, has_thinking: bool, first_call: int = 0) -> Message:
    """An assistant's message, maybe empty. first_call: makes the ids of its calls differ from others."""
    parts: list[Part] = []
    if has_thinking:
        parts += draw(st.lists(thinkings(can), max_size=1))
    if has_thinking and can.redacted:
        parts += draw(st.lists(st.builds(Thinking, redacted=opaque), max_size=2))
    parts += draw(st.lists(st.builds(Text, texts), max_size=1))
    if can.refusals:
        parts += draw(st.lists(st.builds(Refusal, texts), max_size=1))
    for number in range(draw(st.integers(0, 2))):
        call_id = f"call_{first_call + number}"
        parts.append(ToolCall(id=call_id, name=draw(names), raw_arguments=draw(raw_arguments)))
    return assistant(*parts)


@st.composite
def conversations(draw: st.DrawFn, can: Can) -> tuple[Message, ...]:
    """Maybe a system message, then turns; each tool call has its result."""
    messages = [system(text) for text in draw(st.lists(texts, max_size=1))]
    for turn in range(draw(st.integers(0, 2))):
        messages.append(draw(questions(can)))
        spoken = answers(can, has_thinking=can.thinking_in_requests, first_call=10 * turn)
        answer = draw(spoken.filter(lambda message: message.content))
        messages.append(answer)
        for call in (part for part in answer.content if isinstance(part, ToolCall)):
            is_error = draw(st.booleans()) if can.tool_errors else False
            pictures = draw(st.lists(images(can), max_size=1)) if can.tool_images else []
            messages.append(tool_result(call.id, draw(texts), *pictures, is_error=is_error))
    return (*messages, draw(questions(can)))


def questions(can: Can) -> st.SearchStrategy[Message]:
    media = images(can)
    if can.document_media_types:
        media |= st.builds(
            Document, media_type=st.sampled_from(can.document_media_types), data=pictured, name=names
        )
    if can.audio_media_types:
        media |= st.builds(Audio, media_type=st.sampled_from(can.audio_media_types), data=pictured)
    return st.builds(lambda text, shown: user(text, *shown), texts, st.lists(media, max_size=2))


@st.composite
def tool_options(draw: st.DrawFn, can: Can) -> dict[str, object]:
    """Maybe tools, and how they may be called."""
    options: dict[str, object] = {"tools": (offered := tuple(draw(st.lists(tools, max_size=2))))}
    if offered and can.tool_choices:
        choice = draw(st.none() | st.sampled_from(can.tool_choices))
        options["tool_choice"] = offered[0].name if choice == "named" else choice
    if offered and can.parallel_tool_calls:
        options["parallel_tool_calls"] = draw(st.none() | st.booleans())
    return options


@st.composite
def requests(draw: st.DrawFn, can: Can) -> ChatRequest:
    limits = st.integers(1, 9999)
    return ChatRequest(
        model=draw(names),
        messages=draw(conversations(can)),
        is_stream=draw(st.booleans()),
        max_tokens=draw(st.none() | limits if can.no_max_tokens else limits),
        temperature=draw(st.none() | st.sampled_from([0.0, 0.5, 1.0])),
        top_p=draw(st.none() | st.sampled_from([0.25, 0.5])),
        stop=tuple(draw(st.lists(texts, max_size=2))) if can.stop else (),
        seed=draw(st.none() | counts) if can.seed else None,
        **draw(tool_options(can)),
        **{name: draw(OPTIONS[name]) for name in sorted(can.options) if draw(st.booleans())},
        schema=(schema := draw(st.none() | schemas) if can.schema else None),
        schema_name=draw(names) if can.schema_name and schema is not None else "answer",
    )


@st.composite
def usages(draw: st.DrawFn, can: Can) -> Usage:
    cached = draw(st.none() | counts) if can.cached_tokens else None
    written = draw(st.none() | counts) if can.cached_tokens else None
    return Usage(
        input_tokens=draw(counts) + (cached or 0) + (written or 0),
        output_tokens=draw(counts),
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=draw(st.none() | counts) if can.reasoning_tokens else None,
    )


@st.composite
def replies(draw: st.DrawFn, can: Can) -> Reply:
    message = draw(answers(can, has_thinking=True))
    has_calls = any(isinstance(part, ToolCall) for part in message.content)
    return Reply(
        message=message,
        finish_reason="tool_calls" if has_calls else draw(st.sampled_from(can.finish_reasons)),
        usage=draw(usages(can)),
        model=draw(names) if can.models else None,
        id=draw(names) if can.ids else None,
    )
