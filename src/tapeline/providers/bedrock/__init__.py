"""AWS Bedrock's Converse and ConverseStream, in both directions. Pure: bytes in, values out.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. The model
stands in the path, and the answer names neither model nor id. What Converse has no field for goes to each
maker's models in their own words. Guardrail traces, citations and what Bedrock's own tools did stay in `raw`.
Finding credentials and signing are the carrier's business. Tolerated: event types, content blocks and fields
of later versions of the API.
"""

from tapeline.providers.bedrock.codec import BedrockCodec
from tapeline.providers.bedrock.stream import BedrockStreamDecoder

__all__ = ["BedrockCodec", "BedrockStreamDecoder"]
