"""Responses behind the one interface of all codecs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tapeline.capabilities import Capabilities
from tapeline.providers.openai import capabilities as chat
from tapeline.providers.openai_responses import errors, reply, request, stream

NOT_HERE: Mapping[str, str] = {
    "top_k": "the Responses API has no such field: leave it out, or narrow top_p",
    "stop": "the Responses API takes no stop sequences: leave them out, and cut the answer yourself",
    "frequency_penalty": "the Responses API takes no penalties: use the provider 'openai', or leave it out",
    "presence_penalty": "the Responses API takes no penalties: use the provider 'openai', or leave it out",
}


class OpenAIResponsesCodec:
    """Responses in both directions. All static: a codec keeps nothing between two calls."""

    provider = "openai-responses"
    stream_media_type = "text/event-stream"

    encode_request = staticmethod(request.encode_request)
    decode_request = staticmethod(request.decode_request)
    decode_response = staticmethod(reply.decode_response)
    encode_response = staticmethod(reply.encode_response)
    stream_decoder = stream.ResponsesStreamDecoder
    encode_stream = staticmethod(stream.encode_stream)
    decode_error = staticmethod(errors.decode_error)
    encode_error = staticmethod(errors.encode_error)

    def capabilities(self, model: str) -> Capabilities:
        """Return what Chat Completions knows of the model, less what this API has no field for."""
        known = chat.capabilities(model)
        return replace(known, audio=False, refused={**known.refused, **NOT_HERE})
