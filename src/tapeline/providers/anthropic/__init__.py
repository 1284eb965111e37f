"""Anthropic Messages, and the servers that speak it. Pure: bytes in, values out.

Source: https://docs.claude.com/en/api/messages. Tolerated, because real servers send it: events without
their `event:` line, blocks and events of unknown types, a tool's input in its block's start, [DONE].
Not done here: the `anthropic-version` header (the SDK that carries the request adds it), and knowing
what a model supports (`temperature` is passed on although the API of 2026-10-21 rejects it).
"""

from tapeline.providers.anthropic.codec import AnthropicCodec
from tapeline.providers.anthropic.stream import AnthropicStreamDecoder

__all__ = ["AnthropicCodec", "AnthropicStreamDecoder"]
