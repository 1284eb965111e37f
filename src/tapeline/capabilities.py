"""What a model can do, and whether its provider can be used: facts, for whoever decides by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

StructuredOutput: TypeAlias = Literal["native", "tool", "prompt"]
"""How a model is made to follow a schema: by the API, by a tool it must call, or by being told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What one model takes. Known facts refuse a request before it is sent; what is unknown is let through.

    ranges: option -> lowest and highest value, both allowed. refused: options the model does not take,
    each with what to do instead. tool_choices: which of auto, none, required and named it knows.
    """

    structured_output: StructuredOutput = "native"
    tools: bool = True
    tool_choices: frozenset[str] = frozenset({"auto", "none", "required", "named"})
    images: bool = True
    documents: bool = True
    audio: bool = True
    thinking: bool = True
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Which model this is, and what it can do."""

    name: str
    provider: str
    capabilities: Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a provider is. Each later fact is None where an earlier one is False and hides it.

    latency_s: of the one call that was made. detail: what is wrong, in a sentence; empty if nothing is.
    """

    is_reachable: bool
    is_authenticated: bool | None = None
    has_model: bool | None = None
    latency_s: float | None = None
    detail: str = ""

    @property
    def is_healthy(self) -> bool:
        return bool(self.is_reachable and self.is_authenticated and self.has_model)
