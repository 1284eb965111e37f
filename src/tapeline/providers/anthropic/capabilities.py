"""What Anthropic's own models take. Any other name is let through: compatible servers know theirs.

Sources: https://platform.claude.com/docs/en/api/migration-2026-10-21, the parameter types of the SDK, and
what the API answered each model in https://github.com/pydantic/pydantic-ai (profiles/anthropic.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tapeline.capabilities import Capabilities
from tapeline.types import Json, ReasoningEffort

OWN = re.compile(r"claude-")
THINKS_ON_A_BUDGET = re.compile(r"claude-(3|(sonnet|haiku)-4-5|(opus|sonnet)-4(-[015]\b|-\d{8}|$))")
"""Models from before adaptive thinking, which an effort would make an error."""

NEVER_FORCED = re.compile(r"claude-((fable|mythos)-5-\d\b|(opus|sonnet)-5-5\b)")
"""Models that answer a tool choice of "any", or of one tool, with an error."""

NO_SAMPLING = (
    "Anthropic's API of 2026-10-21 refuses it for every model: leave it out, and say it in the prompt"
)
NO_PENALTY = "the Messages API has no such field: leave it out"
NO_EFFORT = (
    "this model thinks on a budget of tokens: leave it out, or pass "
    'extra={"thinking": {"type": "enabled", "budget_tokens": 2048}} and more max_tokens than that'
)

RANGES = {"temperature": (0.0, 1.0), "top_p": (0.0, 1.0)}


def capabilities(model: str) -> Capabilities:
    """Return what is known of a model."""
    choices = {"auto", "none"} if NEVER_FORCED.match(model) else {"auto", "none", "required", "named"}
    return Capabilities(audio=False, tool_choices=frozenset(choices), ranges=RANGES, refused=_refused(model))


def _refused(model: str) -> Mapping[str, str]:
    refused = dict.fromkeys(("frequency_penalty", "presence_penalty"), NO_PENALTY)
    if OWN.match(model):
        refused |= dict.fromkeys(("temperature", "top_p", "top_k"), NO_SAMPLING)
    if THINKS_ON_A_BUDGET.match(model):
        refused["reasoning_effort"] = NO_EFFORT
    return refused


# How much to think, which Converse says in the same words ------------------------------------------------


def nearest_effort(effort: ReasoningEffort | None) -> str | None:
    """Return the nearest effort that Claude knows. None for none: that is said by the mode."""
    return None if effort == "none" else "low" if effort == "minimal" else effort


def thinking_mode(effort: ReasoningEffort) -> dict[str, Json]:
    return {"type": "disabled" if effort == "none" else "adaptive"}
