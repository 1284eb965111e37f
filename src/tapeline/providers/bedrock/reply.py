"""A whole answer, in both directions: its content, why it ended, what it cost.

Tokens: Bedrock's `inputTokens` leaves out what the cache read and wrote, ours includes it. Recorded with
claude-sonnet-4-5: inputTokens 2, cacheWriteInputTokens 1322, outputTokens 5, totalTokens 1329.
"""

from __future__ import annotations

from collections.abc import Mapping

from tapeline.providers.assembly import joined
from tapeline.providers.bedrock import wire
from tapeline.providers.bedrock.content import answer_parts, encode_part
from tapeline.providers.bedrock.errors import malformed_tool_use
from tapeline.providers.bodies import dumps, without_none
from tapeline.providers.errors import empty, preview
from tapeline.types import FinishReason, Json, Message, Reply, Usage

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "refusal": "refusal",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
# Any other word is newer than this table and means a regular end. Of two words for one reason, the
# first is the one we write.


def decode_response(body: bytes) -> Reply:
    answer = wire.parse(body, wire.ANSWER)
    if answer.output is None or answer.output.message is None:
        raise empty(f"no message in {preview(body)}")
    reply = Reply(
        message=Message("assistant", joined(answer_parts(answer.output.message.content))),
        finish_reason=decode_stop_reason(answer.stop_reason),
        usage=decode_usage(answer.usage) if answer.usage else Usage(),
        wire=body,
    )
    if answer.stop_reason == "malformed_tool_use":
        raise malformed_tool_use(partial=reply)
    return reply


def encode_response(reply: Reply) -> bytes:
    message = {"role": "assistant", "content": [encode_part(part) for part in reply.message.content]}
    body = {
        "output": {"message": message},
        "stopReason": encode_stop_reason(reply.finish_reason),
        "usage": encode_usage(reply.usage),
        "metrics": {"latencyMs": round(reply.timing.total_s * 1000)},
    }
    return dumps(without_none(body))


def decode_stop_reason(word: str | None) -> FinishReason | None:
    return None if word is None else FINISH_REASONS.get(word, "stop")


def encode_stop_reason(reason: FinishReason | None) -> str | None:
    return next((word for word, known in FINISH_REASONS.items() if known == reason), None)


def decode_usage(usage: wire.Usage) -> Usage:
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_write_input_tokens or 0)
    return Usage(
        input_tokens=None if usage.input_tokens is None else usage.input_tokens + cached,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cache_read_input_tokens,
        cache_write_tokens=usage.cache_write_input_tokens,
    )


def encode_usage(usage: Usage) -> dict[str, Json]:
    cached = (usage.cached_input_tokens or 0) + (usage.cache_write_tokens or 0)
    return without_none(
        {
            "inputTokens": None if usage.input_tokens is None else usage.input_tokens - cached,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.total_tokens,
            "cacheReadInputTokens": usage.cached_input_tokens,
            "cacheWriteInputTokens": usage.cache_write_tokens,
        }
    )
