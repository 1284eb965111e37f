"""Which wire format a request speaks, by the end of its path: hosts differ, paths are the vendors'."""

from __future__ import annotations

from tapeline.providers.codec import Codec


def codec_for(path: str) -> Codec | None:
    """Return the codec that a request path belongs to, or None if it is no chat request.

    Codecs are imported one by one, when they are asked for: all five take 80 ms.
    """
    path = path.partition("?")[0]
    if path.endswith("/chat/completions"):
        return _openai()
    if path.endswith("/responses"):
        return _openai_responses()
    if path.endswith("/v1/messages"):
        return _anthropic()
    if path.endswith(("/converse", "/converse-stream")):
        return _bedrock()
    return _ollama() if path.endswith("/api/chat") else None


def _openai() -> Codec:
    from tapeline.providers.openai import OpenAICodec

    return OpenAICodec()


def _openai_responses() -> Codec:
    from tapeline.providers.openai_responses import OpenAIResponsesCodec

    return OpenAIResponsesCodec()


def _anthropic() -> Codec:
    from tapeline.providers.anthropic import AnthropicCodec

    return AnthropicCodec()


def _bedrock() -> Codec:
    from tapeline.providers.bedrock import BedrockCodec

    return BedrockCodec()


def _ollama() -> Codec:
    from tapeline.providers.ollama import OllamaCodec

    return OllamaCodec()
