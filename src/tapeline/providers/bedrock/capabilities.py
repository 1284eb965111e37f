"""What the models on Bedrock take, by their maker: Converse is one API, but they are not one model.

Bedrock refuses a request for any field of `additionalModelRequestFields` that its model does not know.
What nothing is known about is let through.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide (structured-output, conversation-inference,
prompt-caching), https://docs.aws.amazon.com/nova/latest/nova2-userguide, and what Bedrock answered each
model in https://github.com/pydantic/pydantic-ai (providers/bedrock.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tapeline.capabilities import Capabilities, StructuredOutput
from tapeline.providers.anthropic.capabilities import NEVER_FORCED, THINKS_ON_A_BUDGET, thinking_mode
from tapeline.types import Json, ReasoningEffort

_MODEL = re.compile(r"(?:^|[./])(?P<maker>[a-z0-9]+)\.(?P<name>[a-z][^./]*(\.\d[^./]*)*)$")
"""The end of a model id or of an ARN, as in us.anthropic.claude-haiku-4-5-20251001-v1:0."""

REFUSES_SAMPLING = re.compile(r"claude-(opus-4-[78]|[a-z]+-5)")

NO_SCHEMA = re.compile(
    r"anthropic\.claude-(3|opus-4-[178]|(opus|sonnet)-4-\d{8}|opus-5)"
    r"|(amazon|meta|cohere|ai21|writer)\.|deepseek\.r1|mistral\.mi[sx]tral-(7b|8x7b|small|large-24)"
)
"""Models that do not take `outputConfig.textFormat`."""

NO_TOOLS = re.compile(r"deepseek\.r1|amazon\.titan")

NO_REASONING = re.compile(
    r"amazon\.(nova-(micro|lite|pro|premier)|titan)|(ai21|cohere|deepseek|meta|mistral|writer)\."
)
"""Models that do not reason, or as they like."""

NO_PENALTY = "Converse has no such field: leave it out"
NO_TOP_K = (
    "Converse has no field for it, and this model none that is known: leave it out, or pass "
    'extra={"additionalModelRequestFields": {...}} in the words of the model'
)
NO_SAMPLING = "this model samples in its own way: leave it out, and say it in the prompt"
NO_EFFORT = (
    "this model thinks on a budget of tokens: leave it out, or pass "
    'extra={"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}}}'
)
NO_REASONING_EFFORT = "this model does not let itself be told how much to think: leave it out"

RANGES = {"temperature": (0.0, 1.0), "top_p": (0.0, 1.0)}


# What has no field in Converse ----------------------------------------------------------------------

Fields: TypeAlias = dict[str, Json]
"""Some of `additionalModelRequestFields`."""


def _of_three(effort: ReasoningEffort) -> str:
    return {"medium": "medium", "high": "high", "xhigh": "high", "max": "high"}.get(effort, "low")


def _claude_reasoning(effort: ReasoningEffort) -> Fields:
    return {"thinking": thinking_mode(effort)}


def _nova_reasoning(effort: ReasoningEffort) -> Fields:
    if effort == "none":
        return {"reasoningConfig": {"type": "disabled"}}
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": _of_three(effort)}}


def _flat_top_k(top_k: int) -> Fields:
    return {"top_k": top_k}


def _no_reasoning(effort: ReasoningEffort) -> Fields:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How the models of one maker are told what Converse has no field for, or not for each of them.

    top_k, reasoning: the model's own fields for a value. has_effort: whether Converse's `effort` counts.
    """

    top_k: Callable[[int], Fields] = _flat_top_k
    reasoning: Callable[[ReasoningEffort], Fields] = _no_reasoning
    has_effort: bool = False
    has_seed: bool = False
    has_cache: bool = False
    has_cache_ttl: bool = False


UNKNOWN = Family(has_effort=True, has_seed=True, has_cache=True, has_cache_ttl=True)
FAMILIES: Mapping[str, Family] = {
    "anthropic": Family(reasoning=_claude_reasoning, has_effort=True, has_cache=True, has_cache_ttl=True),
    "amazon": Family(
        top_k=lambda top_k: {"inferenceConfig": {"topK": top_k}}, reasoning=_nova_reasoning, has_cache=True
    ),
    "openai": Family(reasoning=lambda effort: {"reasoning_effort": _of_three(effort)}, has_seed=True),
    "qwen": Family(reasoning=lambda effort: {"reasoning_config": _of_three(effort)}, has_seed=True),
    "deepseek": Family(has_seed=True),
    **dict.fromkeys(("ai21", "cohere", "meta", "mistral", "writer"), Family()),
}


def family_of(model: str) -> Family:
    """Return what is known of the maker of a model, given its id or its ARN."""
    return FAMILIES.get(_maker_and_name(model)[0], UNKNOWN)


# What is refused before it is sent ------------------------------------------------------------------


def capabilities(model: str) -> Capabilities:
    """Return what is known of a model, given its id or its ARN."""
    maker, name = _maker_and_name(model)
    return Capabilities(
        structured_output=_structured_output(maker, name),
        tools=not NO_TOOLS.match(f"{maker}.{name}"),
        tool_choices=_tool_choices(maker, name),
        ranges=RANGES,
        refused=_refused(maker, name),
    )


def _maker_and_name(model: str) -> tuple[str, str]:
    match = _MODEL.search(model)
    return (match["maker"], match["name"]) if match else ("", model)


def _structured_output(maker: str, name: str) -> StructuredOutput:
    if not NO_SCHEMA.match(f"{maker}.{name}"):
        return "native"
    is_forcible = not (NEVER_FORCED.match(name) or NO_TOOLS.match(f"{maker}.{name}"))
    return "tool" if is_forcible else "prompt"


def _tool_choices(maker: str, name: str) -> frozenset[str]:
    """Return the choices a model takes; that of one tool is Claude's and Nova's alone."""
    if NEVER_FORCED.match(name):
        return frozenset({"auto", "none"})
    if maker in FAMILIES and maker not in {"anthropic", "amazon"}:
        return frozenset({"auto", "none", "required"})
    return frozenset({"auto", "none", "required", "named"})


def _refused(maker: str, name: str) -> Mapping[str, str]:
    refused = dict.fromkeys(("frequency_penalty", "presence_penalty"), NO_PENALTY)
    if maker not in {"anthropic", "amazon"}:
        refused["top_k"] = NO_TOP_K
    if REFUSES_SAMPLING.match(name):
        refused |= dict.fromkeys(("temperature", "top_p", "top_k"), NO_SAMPLING)
    if THINKS_ON_A_BUDGET.match(name):
        refused["reasoning_effort"] = NO_EFFORT
    if NO_REASONING.match(f"{maker}.{name}"):
        refused["reasoning_effort"] = NO_REASONING_EFFORT
    return refused
