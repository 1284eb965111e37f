"""The wire format of the mock: OpenAI's, without the limits of OpenAI's models."""

from __future__ import annotations

from tapeline.capabilities import Capabilities
from tapeline.providers.openai import OpenAICodec


class MockCodec(OpenAICodec):
    """OpenAI's format under the mock's own name."""

    provider = "mock"

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities()
