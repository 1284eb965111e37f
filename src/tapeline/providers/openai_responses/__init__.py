"""OpenAI Responses, and the servers that speak it. Pure: bytes in, values out.

Source: https://platform.openai.com/docs/api-reference/responses. A response is a list of items; we map
messages, reasoning and function calls. What the API's own tools did (searches, code, MCP calls, pictures),
citations and items of later APIs stay in `raw`. Tolerated, because real servers send it: events without
their `event:` line, text or arguments that only the end of an item or of the response brings, [DONE].

Each request says it all, and asks the API to keep nothing (`store: false`): reasoning is given back whole,
encrypted, with its item's id. The API checks the ids of stored items against each other, and answers 400
to a reasoning item whose message has lost its own. `extra={"store": True}` keeps responses all the same,
as `previous_response_id`, `conversation` and `background` need it.
Not carried: the `phase` of a message, and the namespace of a call.
"""

from tapeline.providers.openai_responses.codec import OpenAIResponsesCodec
from tapeline.providers.openai_responses.stream import ResponsesStreamDecoder

__all__ = ["OpenAIResponsesCodec", "ResponsesStreamDecoder"]
