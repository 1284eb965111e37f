"""Targets as a scenario file names them: a model, where it is reached, and the options of its calls."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, PositiveInt, field_validator

from tapeline.scenarios.strict import Strict
from tapeline.types import ReasoningEffort


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Texts: TypeAlias = Annotated[
    tuple[str, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | list[str])
]


class Options(Strict):
    """Options of the call, as `model.generate` takes them."""

    max_tokens: PositiveInt | None = Field(default=None, description="Output tokens at most.")
    temperature: float | None = Field(default=None, ge=0, le=2, description="0: the likeliest token always.")
    top_p: float | None = Field(
        default=None, ge=0, le=1, description="Sample from the likeliest tokens up to this probability."
    )
    top_k: int | None = Field(default=None, ge=0, description="Sample from so many of the likeliest tokens.")
    stop: Texts = Field(default=(), description="Texts before which the answer ends.")
    seed: int | None = Field(default=None, description="Of the provider's sampling.")
    frequency_penalty: float | None = Field(
        default=None, ge=-2, le=2, description="Against tokens by how often they came."
    )
    presence_penalty: float | None = Field(
        default=None, ge=-2, le=2, description="Against tokens that came at all."
    )
    reasoning_effort: ReasoningEffort | None = Field(
        default=None, description="How much the model thinks before it answers."
    )
    service_tier: str | None = Field(default=None, description="In the provider's own words.")
    metadata: dict[str, str] = Field(
        default_factory=dict, description="Labels the provider stores with the call."
    )
    parallel_tool_calls: bool | None = Field(
        default=None, description="Whether an answer may call several tools."
    )
    extra: dict[str, Any] = Field(
        default_factory=dict, description="Fields put into the request body as they are."
    )

    def given(self) -> dict[str, Any]:
        """Return the options that were set."""
        return self.model_dump(exclude_defaults=True)


class Target(Strict):
    """A model to try. In a file, `openai:gpt-5.4-mini` alone is short for `{model: ...}`."""

    model: str = Field(description='"provider:model".')
    name: str = Field(
        default="", description="What tells it from others of its provider; names its cassette."
    )
    base_url: str | None = Field(default=None, description="Where it is reached, if not as usual.")
    options: Options = Field(default=Options(), description="Options over those of the scenario.")
    price_as: str | None = Field(
        default=None, description="Price its tokens like that model's; for models on your own machine."
    )
    upstream: str | None = Field(default=None, description="What really answered: stored with recordings.")

    @field_validator("model", "price_as")
    @classmethod
    def _has_provider(cls, model: str | None) -> str | None:
        if model is not None and not re.fullmatch(r"[\w-]+:.+", model):
            raise ValueError(f'{model!r} is no model name; write "provider:model"')
        return model

    @property
    def provider(self) -> str:
        return self.model.partition(":")[0]

    @property
    def id(self) -> str:
        """What tells targets of one scenario apart, and names their cassettes."""
        return self.name or self.provider


def _target(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


Targets: TypeAlias = tuple[
    Annotated[Target, BeforeValidator(_target, json_schema_input_type=str | Target)], ...
]
