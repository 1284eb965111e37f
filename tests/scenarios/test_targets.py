"""Targets and options: named, reached, and taken as `model.generate` takes them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tapeline.client.options import OPTIONS
from tapeline.config import Settings
from tapeline.scenarios.targets import Options, Target


def test_the_options_are_those_of_a_call() -> None:
    """All but the choice of tools, which stands beside the tools."""
    assert Options.model_fields.keys() == OPTIONS - {"tool_choice"}


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 9, "temperature": 0, "top_p": 0.5, "top_k": 3, "seed": 1},
        {"frequency_penalty": -2, "presence_penalty": 2, "reasoning_effort": "low"},
        {"service_tier": "flex", "metadata": {"run": "1"}, "parallel_tool_calls": False, "extra": {"x": [1]}},
    ],
)
def test_what_is_given_is_what_settings_take(options: dict[str, Any]) -> None:
    given = Options.model_validate(options).given()

    assert given == options
    assert Settings.model_validate(given)


def test_one_stop_may_stand_alone() -> None:
    assert Options.model_validate({"stop": "."}).given() == {"stop": (".",)}


@pytest.mark.parametrize(
    ("model", "hint"), [("gpt", "provider:model"), ("openai:", "provider:model"), (":m", "provider:model")]
)
def test_a_model_has_a_provider(model: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        Target(model=model)
