"""What OpenAI's own models take. Any other name is let through: compatible servers know theirs.

Sources: https://platform.openai.com/docs/guides/reasoning, and what the API answered each model in
https://github.com/pydantic/pydantic-ai/pull/6414.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tapeline.capabilities import Capabilities

RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}

ALWAYS_REASONS = re.compile(r"(ft:)?(o[134]\b|gpt-5(?![.\d]|-chat)|gpt-5\.1-codex|gpt-5\.\d+-(pro|chat))")
"""Models that cannot be told not to reason: they sample in their own way. gpt-5.1 and later can be told."""

NEVER_REASONS = re.compile(r"(ft:)?(gpt-3\.5|gpt-4|chatgpt-4o|gpt-5-chat)")

WANTS_REASONING_BACK = re.compile(r"deepseek|kimi", re.IGNORECASE)
"""Models that refuse a tool call of their own without the reasoning before it.

Nobody else gets reasoning back: OpenAI's API and others refuse the field. Source:
https://api-docs.deepseek.com/guides/thinking_mode#tool-calls.
"""

KNOWS_NO_STOP = re.compile(r"(ft:)?(o3|o4-mini)\b")

NO_TOP_K = (
    "Chat Completions has no such field: leave it out; "
    'for a compatible server that takes it, pass extra={"top_k": ...}'
)
NO_SAMPLING = "this model always reasons and samples in its own way: leave it out, or set reasoning_effort"
NO_REASONING = "this model does not reason: leave it out, or take a later model"
NO_STOP = "this model takes no stop sequences: leave them out, and cut the answer yourself"


def capabilities(model: str) -> Capabilities:
    """Return what is known of a model. What hangs on another option, as sampling on effort, is not judged."""
    return Capabilities(
        thinking=not NEVER_REASONS.match(model),
        ranges=RANGES,
        refused=_refused(model),
    )


def _refused(model: str) -> Mapping[str, str]:
    refused = {"top_k": NO_TOP_K}
    if ALWAYS_REASONS.match(model):
        refused |= dict.fromkeys(RANGES, NO_SAMPLING)
    if NEVER_REASONS.match(model):
        refused["reasoning_effort"] = NO_REASONING
    if KNOWS_NO_STOP.match(model):
        refused["stop"] = NO_STOP
    return refused
