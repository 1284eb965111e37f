"""A whole answer, in both directions: its content, why it ended, what it cost.

Tokens: the API's `input_tokens` leaves out what the cache read and wrote, ours includes it.
"""

from __future__ import annotations

from collections.abc import Mapping

from tapeline.providers.anthropic import wire
from tapeline.providers.anthropic.content import encode_part, parts_of
from tapeline.providers.anthropic.errors import error_inside_success
from tapeline.providers.bodies import dumps, parse, without_none
from tapeline.providers.errors import empty
from tapeline.types import FinishReason, Json, Message, Reply, Usage

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
        raise error_inside_success(body)
    if message.content is None:
        raise empty("no content")
    return Reply(
        message=Message("assistant", tuple(parts_of(message.content))),
        finish_reason=decode_stop_reason(message.stop_reason),
        usage=decode_usage(message.usage) if message.usage else Usage(),
        model=message.model,
        id=message.id,
        wire=body,
    )


def encode_response(reply: Reply) -> bytes:
    end = {
        "content": [encode_part(part) for part in reply.message.content],
        "stop_reason": encode_stop_reason(reply.finish_reason),
        "stop_sequence": None,
        "usage": encode_usage(reply.usage),
    }
    return dumps(message_head(reply.id, reply.model) | end)


def message_head(id: str | None, model: str | None) -> dict[str, Json]:
    return {"id": id, "type": "message", "role": "assistant", "model": model}


def decode_stop_reason(word: str | None) -> FinishReason | None:
    return None if word is None else FINISH_REASONS.get(word, "stop")


def encode_stop_reason(reason: FinishReason | None) -> str | None:
    return None if reason is None else STOP_REASONS.get(reason, "end_turn")


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
