"""tapeline: record, replay, test and measure calls to large language models.

    import tapeline

    model = tapeline.chat_model("mock:echo")
    print(model.generate("Hello!").text)

Names are imported when first used, so that `import tapeline` costs next to nothing and loads no SDK.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapeline.capabilities import Capabilities, Health, ModelInfo
    from tapeline.cassettes import use_cassette
    from tapeline.client import LLM, AsyncReplyStream, ProviderModel, ReplyStream, ToolRun, chat_model
    from tapeline.clock import Clock, SystemClock, VirtualClock
    from tapeline.disk_cache import DiskCache
    from tapeline.errors import (
        BudgetExceededError,
        CassetteError,
        CassetteMissError,
        ConfigError,
        ErrorCode,
        InvalidCassetteError,
        LLMError,
        ScenarioError,
    )
    from tapeline.media import Audio, Document, Image
    from tapeline.policies.breaker import CircuitBreaker
    from tapeline.policies.cache import MemoryCache, ResponseCache
    from tapeline.policies.pricing import Price
    from tapeline.policies.ratelimit import RateLimit, RateLimiter
    from tapeline.policies.retry import RetryBudget, RetryPolicy
    from tapeline.policies.routing import (
        CapabilityRoute,
        ChainedRoute,
        CostRoute,
        LatencyRoute,
        OrderedRoute,
        PromptSizeRoute,
        Route,
    )
    from tapeline.providers.mock import Mock
    from tapeline.registry import register_provider
    from tapeline.tools import tool
    from tapeline.types import (
        CachePoint,
        ChatModel,
        Chunk,
        Generator,
        HealthChecker,
        Message,
        Refusal,
        Reply,
        Streamer,
        Text,
        Thinking,
        Timing,
        Tool,
        ToolCall,
        ToolCallDelta,
        ToolResult,
        Usage,
        assistant,
        system,
        tool_result,
        user,
    )

__version__ = "0.1.0"

_HOMES = {
    "tapeline.capabilities": ("Capabilities", "Health", "ModelInfo"),
    "tapeline.cassettes": ("use_cassette",),
    "tapeline.client": (
        "LLM",
        "AsyncReplyStream",
        "ProviderModel",
        "ReplyStream",
        "ToolRun",
        "chat_model",
    ),
    "tapeline.clock": ("Clock", "SystemClock", "VirtualClock"),
    "tapeline.disk_cache": ("DiskCache",),
    "tapeline.errors": (
        "BudgetExceededError",
        "CassetteError",
        "CassetteMissError",
        "ConfigError",
        "ErrorCode",
        "InvalidCassetteError",
        "LLMError",
        "ScenarioError",
    ),
    "tapeline.media": ("Audio", "Document", "Image"),
    "tapeline.policies.breaker": ("CircuitBreaker",),
    "tapeline.policies.cache": (
        "MemoryCache",
        "ResponseCache",
    ),
    "tapeline.policies.pricing": ("Price",),
    "tapeline.policies.ratelimit": ("RateLimit", "RateLimiter"),
    "tapeline.policies.retry": ("RetryBudget", "RetryPolicy"),
    "tapeline.policies.routing": (
        "CapabilityRoute",
        "ChainedRoute",
        "CostRoute",
        "LatencyRoute",
        "OrderedRoute",
        "PromptSizeRoute",
        "Route",
    ),
    "tapeline.providers.mock": ("Mock",),
    "tapeline.registry": ("register_provider",),
    "tapeline.tools": ("tool",),
    "tapeline.types": (
        "CachePoint",
        "ChatModel",
        "Chunk",
        "Generator",
        "Streamer",
        "HealthChecker",
        "Message",
        "Refusal",
        "Reply",
        "Text",
        "Thinking",
        "Timing",
        "Tool",
        "ToolCall",
        "ToolCallDelta",
        "ToolResult",
        "Usage",
        "assistant",
        "system",
        "tool_result",
        "user",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "LLM",
    "AsyncReplyStream",
    "Audio",
    "BudgetExceededError",
    "CachePoint",
    "Capabilities",
    "CapabilityRoute",
    "CassetteError",
    "CassetteMissError",
    "ChainedRoute",
    "ChatModel",
    "Chunk",
    "CircuitBreaker",
    "Clock",
    "ConfigError",
    "CostRoute",
    "DiskCache",
    "Document",
    "ErrorCode",
    "Generator",
    "Health",
    "HealthChecker",
    "Image",
    "InvalidCassetteError",
    "LLMError",
    "LatencyRoute",
    "MemoryCache",
    "Message",
    "Mock",
    "ModelInfo",
    "OrderedRoute",
    "Price",
    "PromptSizeRoute",
    "ProviderModel",
    "RateLimit",
    "RateLimiter",
    "Refusal",
    "Reply",
    "ReplyStream",
    "ResponseCache",
    "RetryBudget",
    "RetryPolicy",
    "Route",
    "ScenarioError",
    "Streamer",
    "SystemClock",
    "Text",
    "Thinking",
    "Timing",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolResult",
    "ToolRun",
    "Usage",
    "VirtualClock",
    "assistant",
    "chat_model",
    "register_provider",
    "system",
    "tool",
    "tool_result",
    "use_cassette",
    "user",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tapeline' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
