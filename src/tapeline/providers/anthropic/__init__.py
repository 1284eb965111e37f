"""Anthropic Messages, and the servers that speak it. Pure: bytes in, values out.

Source: https://docs.claude.com/en/api/messages. Tolerated, because real servers send it: events without
their `event:` line, blocks, deltas and events of unknown types, a tool's input in its block's start, [DONE].
What servers' own tools did, and citations, stay in `raw`. Not done here: the `anthropic-version` header (the
SDK that carries the request adds it), and refusing what a model does not take, which `capabilities` says.
"""

from tapeline.providers.anthropic.codec import AnthropicCodec
from tapeline.providers.anthropic.stream import AnthropicStreamDecoder

__all__ = ["AnthropicCodec", "AnthropicStreamDecoder"]
