"""What Ollama's chat API takes. What a model of it can do only the server knows: that is let through."""

from __future__ import annotations

from tapeline.capabilities import Capabilities

CAPABILITIES = Capabilities(
    audio=False,
    tool_choices=frozenset({"auto", "none"}),
    refused={
        "metadata": "Ollama stores nothing with a call: leave it out",
        "parallel_tool_calls": "Ollama leaves it to the model: leave it out, and ask for it in the prompt",
        "service_tier": "Ollama has one tier only: leave it out",
    },
)


def capabilities(model: str) -> Capabilities:
    return CAPABILITIES
