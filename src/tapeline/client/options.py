"""What may be said per call, and what a model takes of it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from typing import Any

from tapeline.capabilities import Capabilities
from tapeline.config import Settings
from tapeline.errors import ConfigError
from tapeline.policies.routing import needed_media
from tapeline.types import ChatRequest, ToolChoice

OPTIONS = frozenset(
    {
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "reasoning_effort",
        "service_tier",
        "metadata",
        "tool_choice",
        "parallel_tool_calls",
        "extra",
    }
)
"""Options of a call that are also settings of a model; `schema` and `tools` besides."""

POLICY_NAMES = frozenset(
    {"retry", "rate_limit", "breaker", "fallback", "route", "cache", "prices", "deadline_s"}
)
"""What people put among the options though it belongs to `with_`; a test holds it against the policies."""

UNSET: Mapping[str, Any] = {
    field.name: field.default if field.default_factory is MISSING else field.default_factory()
    for field in fields(ChatRequest)
    if field.name in OPTIONS
}
"""Option -> its value where it was not given."""


def with_options(request: ChatRequest, options: Mapping[str, Any]) -> ChatRequest:
    """Return `request` with validated options over its own. Raises ConfigError."""
    if not options:
        return request
    if unknown := sorted(set(options) - OPTIONS):
        raise ConfigError(_unknown(unknown[0]))
    from pydantic import ValidationError

    try:
        valid = Settings.model_validate(dict(options))
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        raise ConfigError(f"option {problem['loc'][0]}: {problem['msg']}") from None
    return replace(request, **{name: getattr(valid, name) for name in options})


def _unknown(option: str) -> str:
    if option in POLICY_NAMES:
        return f"{option} is a policy, not an option of a call: model.with_({option}=...)"
    if option == "schema":
        return "a schema goes with each call: generate(..., schema=...)"
    near = difflib.get_close_matches(option, OPTIONS, n=1)
    hint = f"did you mean {near[0]}? Known" if near else "known"
    return (
        f"unknown option {option}; {hint} are {', '.join(sorted(OPTIONS))}, schema, tools; "
        "anything else goes into extra={...}"
    )


def check(request: ChatRequest, model: str, capabilities: Capabilities) -> None:
    """Raise ConfigError, which says what to do instead, for what a model does not take."""
    for option, advice in capabilities.refused.items():
        if getattr(request, option) != UNSET[option]:
            raise ConfigError(f"{model} does not take {option}: {advice}")
    for option in _out_of_range(request, capabilities):
        lowest, highest = capabilities.ranges[option]
        value = getattr(request, option)
        raise ConfigError(f"{option} of {model} goes from {lowest:g} to {highest:g}, not {value:g}")
    _check_tools(request, model, capabilities)
    _check_media(request, model, capabilities)


def _out_of_range(request: ChatRequest, capabilities: Capabilities) -> list[str]:
    return [
        option
        for option, (lowest, highest) in capabilities.ranges.items()
        if (value := getattr(request, option)) is not None and not lowest <= value <= highest
    ]


def _check_tools(request: ChatRequest, model: str, capabilities: Capabilities) -> None:
    if request.tools and not capabilities.tools:
        raise ConfigError(f"{model} knows no tools")
    choice = request.tool_choice
    if choice is None:
        return
    kind = _kind(choice)
    if kind not in capabilities.tool_choices:
        known = ", ".join(sorted(capabilities.tool_choices))
        raise ConfigError(f"{model} does not know the tool choice {choice!r}, only {known or 'none at all'}")
    if kind == "named" and choice not in {tool.name for tool in request.tools}:
        raise ConfigError(f"tool_choice {choice!r} is neither auto, none or required nor one of the tools")


def _kind(choice: ToolChoice) -> str:
    return choice if choice in {"auto", "none", "required"} else "named"


def _check_media(request: ChatRequest, model: str, capabilities: Capabilities) -> None:
    refused = [need for need in sorted(needed_media(request)) if not getattr(capabilities, need)]
    if refused:
        raise ConfigError(f"{model} takes no {' and no '.join(refused)}")


def fitted(request: ChatRequest, capabilities: Capabilities) -> ChatRequest:
    """Return the request without the options a model does not take: for a model that steps in for another."""
    unwanted = {*capabilities.refused, *_out_of_range(request, capabilities)}
    if request.tool_choice is not None and _kind(request.tool_choice) not in capabilities.tool_choices:
        unwanted.add("tool_choice")
    return replace(request, **{option: UNSET[option] for option in unwanted}) if unwanted else request
