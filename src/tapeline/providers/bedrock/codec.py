"""Converse behind the one interface of all codecs."""

from __future__ import annotations

from tapeline.providers.bedrock import capabilities, errors, reply, request, stream


class BedrockCodec:
    """Converse in both directions. All static: a codec keeps nothing between two calls."""

    provider = "bedrock"
    stream_media_type = "application/vnd.amazon.eventstream"

    encode_request = staticmethod(request.encode_request)
    decode_request = staticmethod(request.decode_request)
    decode_response = staticmethod(reply.decode_response)
    encode_response = staticmethod(reply.encode_response)
    stream_decoder = stream.BedrockStreamDecoder
    encode_stream = staticmethod(stream.encode_stream)
    decode_error = staticmethod(errors.decode_error)
    encode_error = staticmethod(errors.encode_error)
    error_type = staticmethod(errors.error_type)
    capabilities = staticmethod(capabilities.capabilities)
