"""A whole answer, in both directions: its content, why it ended, what it cost."""

from __future__ import annotations

from collections.abc import Mapping

from tapeline.providers.bodies import dumps, parse, without_none
from tapeline.providers.errors import empty
from tapeline.providers.openai import wire
from tapeline.providers.openai.content import encode_call, parts_of
from tapeline.providers.openai.errors import error_in_body
from tapeline.types import FinishReason, Json, Message, Reply, Usage

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "error": "error",
}
# Any other word ("eos", "end_turn") comes from a compatible server and means a regular end.


def decode_response(body: bytes) -> Reply:
    answer = parse(body, wire.ANSWER)
    if answer.error is not None:
        raise error_in_body(answer.error)
    if not answer.choices:
        raise empty("no choices")
    choice = answer.choices[0]
    message = choice.message or wire.Message()
    return Reply(
        message=Message("assistant", tuple(parts_of(message))),
        finish_reason=decode_finish_reason(choice.finish_reason),
        usage=decode_usage(answer.usage) if answer.usage else Usage(),
        model=answer.model,
        id=answer.id,
        wire=body,
    )


def encode_response(reply: Reply) -> bytes:
    message = without_none(
        {
            "role": "assistant",
            "reasoning_content": reply.thinking or None,
            "refusal": reply.refusal or None,
            "tool_calls": [encode_call(call) for call in reply.tool_calls] or None,
        }
    ) | {"content": reply.text or None}
    return dumps(
        {
            "id": reply.id,
            "object": "chat.completion",
            "model": reply.model,
            "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason}],
            "usage": encode_usage(reply.usage),
        }
    )


def decode_finish_reason(word: str | None) -> FinishReason | None:
    return None if word is None else FINISH_REASONS.get(word, "stop")


def decode_usage(usage: wire.Usage) -> Usage:
    into = usage.prompt_tokens_details or wire.InputDetails()
    out = usage.completion_tokens_details or wire.OutputDetails()
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_input_tokens=into.cached_tokens,
        cache_write_tokens=into.cache_write_tokens,
        reasoning_tokens=out.reasoning_tokens,
    )


def encode_usage(usage: Usage) -> dict[str, Json]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": without_none(
            {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens}
        ),
        "completion_tokens_details": without_none({"reasoning_tokens": usage.reasoning_tokens}),
    }
