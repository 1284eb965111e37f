"""A whole answer, in both directions: its content, why it ended, what it cost."""

from __future__ import annotations

from tapeline.providers.bodies import dumps, parse, without_none
from tapeline.providers.errors import empty
from tapeline.providers.ollama import wire
from tapeline.providers.ollama.content import encode_message, parts_of
from tapeline.providers.ollama.errors import error_inside_success
from tapeline.types import FinishReason, Json, Message, Reply, Usage

LOADED = frozenset({"load", "unload"})
"""The done_reason of an answer to a request that only moved a model into memory or out of it."""


def decode_response(body: bytes) -> Reply:
    answer = parse(body, wire.ANSWER)
    if answer.error is not None:
        raise error_inside_success(answer.error)
    if answer.message is None:
        raise empty("no message")
    parts = tuple(parts_of(answer.message))
    if not parts and answer.done_reason in LOADED:
        raise empty(f"done_reason {answer.done_reason}")
    return Reply(
        message=Message("assistant", parts),
        finish_reason=decode_done_reason(answer, has_called=bool(answer.message.tool_calls)),
        usage=decode_usage(answer),
        model=answer.model,
        wire=body,
    )


def encode_response(reply: Reply) -> bytes:
    return dumps({"model": reply.model, "message": encode_message(reply.message)} | encode_end(reply))


def encode_end(reply: Reply) -> dict[str, Json]:
    """Return the fields that end an answer, plain or streamed."""
    return without_none(
        {
            "done": True,
            "done_reason": "length" if reply.finish_reason == "length" else "stop",
            "prompt_eval_count": reply.usage.input_tokens,
            "eval_count": reply.usage.output_tokens,
        }
    )


def decode_done_reason(answer: wire.Answer, *, has_called: bool) -> FinishReason | None:
    """Return why the answer ended. has_called: whether there were tool calls, in any of its lines."""
    if not answer.done:
        return None
    if answer.done_reason == "length":
        return "length"
    return "tool_calls" if has_called else "stop"  # the API says "stop" in both cases


def decode_usage(answer: wire.Answer) -> Usage:
    return Usage(input_tokens=answer.prompt_eval_count, output_tokens=answer.eval_count)
