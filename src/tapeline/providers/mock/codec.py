"""The wire format of the mock: OpenAI's, without the limits of OpenAI's models."""

from __future__ import annotations

from tapeline.providers.openai import OpenAICodec
from tapeline.types import Capabilities


class MockCodec(OpenAICodec):
    """OpenAI's format under the mock's own name."""

    provider = "mock"

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities()
