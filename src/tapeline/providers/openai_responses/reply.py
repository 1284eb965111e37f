"""A whole answer, in both directions: its content, why it ended, what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tapeline.providers.assembly import joined
from tapeline.providers.bodies import dumps, parse, without_none
from tapeline.providers.errors import empty
from tapeline.providers.openai_responses import wire
from tapeline.providers.openai_responses.content import encode_answer_item, parts_of
from tapeline.providers.openai_responses.errors import NO_REASON, error_in_body
from tapeline.types import FinishReason, Json, Message, Part, Reply, ToolCall, Usage

UNFINISHED = frozenset({"queued", "in_progress"})
"""States of a response that runs in the background: it has no end yet."""

INCOMPLETE: Mapping[str, FinishReason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
REASONS: Mapping[FinishReason, str] = {reason: word for word, reason in INCOMPLETE.items()}
ITEM_IDS = {"message": "msg", "reasoning": "rs", "function_call": "fc"}


def decode_response(body: bytes) -> Reply:
    response = parse(body, wire.RESPONSE)
    if response.error is not None or response.status == "failed":
        raise error_in_body(response.error or NO_REASON)
    if response.output is None:
        raise empty("no output")
    parts = joined(parts_of(response.output))
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    return Reply(
        message=Message("assistant", parts),
        finish_reason=decode_finish_reason(response, has_calls=has_calls),
        usage=decode_usage(response.usage) if response.usage else Usage(),
        model=response.model,
        id=response.id,
        wire=body,
    )


def encode_response(reply: Reply) -> bytes:
    return dumps(
        response_head(reply.id, reply.model)
        | response_end(encode_output(reply.message.content), reply.finish_reason, reply.usage)
    )


def response_head(id: str | None, model: str | None) -> dict[str, Json]:
    return {"id": id, "object": "response", "model": model, "error": None}


def response_end(output: list[dict[str, Json]], reason: FinishReason | None, usage: Usage) -> dict[str, Json]:
    """Return the fields that are known at the end."""
    word = REASONS.get(reason) if reason else None
    return {
        "status": "incomplete" if word else "completed",
        "incomplete_details": {"reason": word} if word else None,
        "output": output,
        "usage": encode_usage(usage),
    }


def encode_output(parts: Iterable[Part]) -> list[dict[str, Json]]:
    items = [item for part in parts if (item := encode_answer_item(part)) is not None]
    return [numbered(item, index) for index, item in enumerate(items)]


def numbered(item: dict[str, Json], index: int) -> dict[str, Json]:
    """Return an item with what it has only in an answer: its state and, if it has none, an id."""
    return {"id": f"{ITEM_IDS[item['type']]}_{index}", "status": "completed"} | item


def decode_finish_reason(response: wire.Response, *, has_calls: bool) -> FinishReason | None:
    if response.status in UNFINISHED:
        return None
    if response.status == "cancelled":
        return "error"
    if response.status == "incomplete":
        details = response.incomplete_details or wire.IncompleteDetails()
        return INCOMPLETE.get(details.reason or "", "length")
    return "tool_calls" if has_calls else "stop"


def decode_usage(usage: wire.Usage) -> Usage:
    into = usage.input_tokens_details or wire.InputDetails()
    out = usage.output_tokens_details or wire.OutputDetails()
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=into.cached_tokens,
        cache_write_tokens=into.cache_write_tokens,
        reasoning_tokens=out.reasoning_tokens,
    )


def encode_usage(usage: Usage) -> dict[str, Json]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": without_none(
            {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens}
        ),
        "output_tokens": usage.output_tokens,
        "output_tokens_details": without_none({"reasoning_tokens": usage.reasoning_tokens}),
        "total_tokens": usage.total_tokens,
    }
