"""Ollama's own chat API. Pure: bytes in, values out.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md. A stream is one JSON object a line.
What the API cannot say: pictures by URL, sound, documents but text (all refused here), refusals (sent as
text), the media type of a picture, the id of an answer, which tool to call.
Tool calls have ids only since 0.12; where they have none they are "call_0", "call_1", ... in each answer.
"""

from tapeline.providers.ollama.codec import OllamaCodec
from tapeline.providers.ollama.stream import OllamaStreamDecoder

__all__ = ["OllamaCodec", "OllamaStreamDecoder"]
