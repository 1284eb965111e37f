"""OpenAI Chat Completions, and the many servers that speak it. Pure: bytes in, values out.

Source: https://platform.openai.com/docs/api-reference/chat. Tolerated, because real servers send it:
null `choices`, usage on every chunk, a missing [DONE], tool calls without index or id, `reasoning`
beside `reasoning_content`, content as a list of pieces (Mistral), an error object inside a 200.
"""

from tapeline.providers.openai.codec import OpenAICodec
from tapeline.providers.openai.stream import OpenAIStreamDecoder, ToolSlots

__all__ = ["OpenAICodec", "OpenAIStreamDecoder", "ToolSlots"]
