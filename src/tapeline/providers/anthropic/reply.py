"""A whole answer, in both directions: its content, why it ended, what it cost.

Tokens: the API's `input_tokens` leaves out what the cache read and wrote, ours includes it.
"""

from __future__ import annotations

from collections.abc import Mapping

from tapeline.providers.anthropic import wire
from tapeline.providers.anthropic.content import encode_parts, parts_of
from tapeline.providers.anthropic.errors import error_in_body
from tapeline.providers.assembly import joined
from tapeline.providers.bodies import dumps, parse, without_none
from tapeline.providers.errors import empty
from tapeline.types import FinishReason, Json, Message, Part, Refusal, Reply, Usage

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
STOP_REASONS: Mapping[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
}


def decode_response(body: bytes) -> Reply:
    message = parse(body, wire.MESSAGE)
    if message.error is not None:
        raise error_in_body(body)
    if message.content is None:
        raise empty("no content")
    return Reply(
        message=Message("assistant", _decode_content(message)),
        finish_reason=decode_stop_reason(message.stop_reason),
        usage=decode_usage(message.usage) if message.usage else Usage(),
        model=message.model,
        id=message.id,
        wire=body,
    )


def _decode_content(message: wire.Message) -> tuple[Part, ...]:
    content = joined(parts_of(message.content or ()))
    refusal = decode_stop_details(message.stop_details)
    return (*content, Refusal(refusal)) if refusal else content


def encode_response(reply: Reply) -> bytes:
    content = [part for part in reply.message.content if not isinstance(part, Refusal)]
    body = {"content": encode_parts(content, before=[]), "usage": encode_usage(reply.usage)}
    return dumps(message_head(reply.id, reply.model) | body | encode_stop(reply.finish_reason, reply.refusal))


def message_head(id: str | None, model: str | None) -> dict[str, Json]:
    return {"id": id, "type": "message", "role": "assistant", "model": model}


def decode_stop_reason(word: str | None) -> FinishReason | None:
    return None if word is None else FINISH_REASONS.get(word, "stop")


def decode_stop_details(details: wire.StopDetails | None) -> str:
    """Return why the model refused, which the API tells apart from the text that came before."""
    return (details.explanation or "") if details else ""


def encode_stop(reason: FinishReason | None, refusal: str) -> dict[str, Json]:
    word = None if reason is None else STOP_REASONS.get(reason, "end_turn")
    stop: dict[str, Json] = {"stop_reason": word, "stop_sequence": None}
    details = {"type": "refusal", "category": None, "explanation": refusal}
    return stop | ({"stop_details": details} if refusal else {})


def decode_usage(usage: wire.Usage) -> Usage:
    details = usage.output_tokens_details or wire.OutputDetails()
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return Usage(
        input_tokens=None if usage.input_tokens is None else usage.input_tokens + cached,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cache_read_input_tokens,
        cache_write_tokens=usage.cache_creation_input_tokens,
        reasoning_tokens=details.thinking_tokens,
    )


def encode_usage(usage: Usage) -> dict[str, Json]:
    cached = (usage.cached_input_tokens or 0) + (usage.cache_write_tokens or 0)
    thinking = usage.reasoning_tokens
    return without_none(
        {
            "input_tokens": None if usage.input_tokens is None else usage.input_tokens - cached,
            "cache_creation_input_tokens": usage.cache_write_tokens,
            "cache_read_input_tokens": usage.cached_input_tokens,
            "output_tokens": usage.output_tokens,
            "output_tokens_details": None if thinking is None else {"thinking_tokens": thinking},
        }
    )
