"""A request path tells which wire format is spoken, whoever the host is."""

from __future__ import annotations

import pytest

from tapeline.providers.paths import codec_for

PROVIDERS = {
    "/v1/chat/completions": "openai",
    "/openai/deployments/mine/chat/completions?api-version=1": "openai",
    "/v1/responses": "openai-responses",
    "/v1/messages": "anthropic",
    "/v1/messages?beta=true": "anthropic",
    "/model/us.amazon.nova-micro-v1%3A0/converse": "bedrock",
    "/model/us.amazon.nova-micro-v1%3A0/converse-stream": "bedrock",
    "/api/chat": "ollama",
    "/": None,
    "/v1/embeddings": None,
    "/v1/messages/count_tokens": None,
    "/v1/models?next=/v1/messages": None,
}


@pytest.mark.parametrize(("path", "provider"), PROVIDERS.items())
def test_a_path_has_its_codec(path: str, provider: str | None) -> None:
    codec = codec_for(path)

    assert (codec and codec.provider) == provider
