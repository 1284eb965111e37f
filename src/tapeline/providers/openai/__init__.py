"""OpenAI Chat Completions, and the many servers that speak it. Pure: bytes in, values out.

Source: https://platform.openai.com/docs/api-reference/chat. Tolerated, because real servers send it:
null `choices`, usage on every chunk, a missing [DONE], tool calls without index or id, `reasoning`
beside `reasoning_content`, content as a list of pieces (Mistral), an error object inside a 200.
What the format cannot say: documents and sound by URL, sound but wav and mp3 (all refused here), pictures
in a tool result (sent after it, as the user's), cache marks and errors of tools (left out).
"""

from tapeline.providers.openai.codec import OpenAICodec
from tapeline.providers.openai.stream import OpenAIStreamDecoder, ToolSlots

__all__ = ["OpenAICodec", "OpenAIStreamDecoder", "ToolSlots"]
