"""Names, units and buckets of the GenAI semantic conventions, in two editions. Values only.

The default is the last released text, v1.41. The newest text lives in semantic-conventions-genai, has no
release yet and renames most metrics; OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental picks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SECONDS_BUCKETS = tuple(0.01 * 2**n for n in range(14))
TOKEN_BUCKETS = tuple(4**n for n in range(14))
BATCH_BUCKETS = tuple(2**n for n in range(14))

PROVIDER_NAMES = {"bedrock": "aws.bedrock", "openai-responses": "openai"}
"""Ours -> the conventions', where they differ."""

API_TYPES = {"openai": "chat_completions", "openai-responses": "responses"}
"""Our name of a provider -> `openai.api.type`."""

DEFAULT_URLS = {
    "openai": "https://api.openai.com",
    "openai-responses": "https://api.openai.com",
    "anthropic": "https://api.anthropic.com",
}
"""Where a call goes whose SDK keeps the address to itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMetric:
    """Where one count of `Usage` is measured. Histograms are for percentiles, counters for totals."""

    count: str
    name: str
    is_counter: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What the editions of the conventions do not agree on."""

    duration: str
    time_to_first_chunk: str
    time_per_output_chunk: str
    cache_write_tokens: str
    top_k_type: type[int] | type[float]
    has_finish_reason_in_messages: bool
    token_metrics: tuple[TokenMetric, ...]


V1_41 = Edition(
    duration="gen_ai.client.operation.duration",
    time_to_first_chunk="gen_ai.client.operation.time_to_first_chunk",
    time_per_output_chunk="gen_ai.client.operation.time_per_output_chunk",
    cache_write_tokens="gen_ai.usage.cache_creation.input_tokens",
    top_k_type=float,
    has_finish_reason_in_messages=True,
    token_metrics=tuple(
        TokenMetric(
            count=f"{kind}_tokens", name="gen_ai.client.token.usage", attributes={"gen_ai.token.type": kind}
        )
        for kind in ("input", "output")
    ),
)

COUNTERS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_input_tokens": "cache_read.input_tokens",
    "cache_write_tokens": "cache_write.input_tokens",
    "reasoning_tokens": "reasoning.output_tokens",
}
"""Count of `Usage` -> how the newest text names its counter."""

LATEST = Edition(
    duration="gen_ai.client.inference.duration",
    time_to_first_chunk="gen_ai.client.inference.time_to_first_chunk",
    time_per_output_chunk="gen_ai.client.inference.time_per_output_chunk",
    cache_write_tokens="gen_ai.usage.cache_write.input_tokens",
    top_k_type=int,
    has_finish_reason_in_messages=False,
    token_metrics=(
        *(
            TokenMetric(count=count, name=f"gen_ai.client.inference.operation.{count}")
            for count in ("input_tokens", "output_tokens")
        ),
        *(
            TokenMetric(
                count=count,
                name=f"gen_ai.client.inference.usage.{name}",
                is_counter=True,
                # "The provider gave no breakdown": guessing `text` would invent data.
                attributes={"gen_ai.token.modality": "unknown"},
            )
            for count, name in COUNTERS.items()
        ),
    ),
)
