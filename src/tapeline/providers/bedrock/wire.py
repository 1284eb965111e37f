"""The JSON of a request, an answer and an event: only the fields we map, the rest stays in `raw`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tapeline.providers import bodies
from tapeline.providers.errors import malformed, preview

# Content ------------------------------------------------------------------------------------------

SERVER_TOOL = "server_tool_use"
"""The type of a tool that Bedrock runs itself: a caller must not run it again."""


class S3Location(msgspec.Struct, gc=False):
    uri: str = ""


class Source(msgspec.Struct, gc=False, rename="camel"):
    data: bytes | None = msgspec.field(default=None, name="bytes")  # msgspec reads the base64 itself
    s3_location: S3Location | None = None
    text: str | None = None


class Media(msgspec.Struct, gc=False):
    """A picture or a sound."""

    format: str = ""
    source: Source | None = None


class Document(Media, gc=False):
    name: str = ""


class HasMedia(msgspec.Struct, gc=False):
    image: Media | None = None
    audio: Media | None = None
    document: Document | None = None


class ToolUse(msgspec.Struct, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    type: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class Piece(HasMedia, gc=False):
    """A piece of a tool's result, or of a text with citations."""

    text: str | None = None
    json: Any = None


class ToolResult(msgspec.Struct, rename="camel"):
    tool_use_id: str = ""
    content: list[Piece] = []
    status: str | None = None


class ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str | None = None


class Reasoning(msgspec.Struct, rename="camel"):
    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None  # base64, kept as it is: only the model can read it


class Citations(msgspec.Struct):
    content: list[Piece] = []


class CachePoint(msgspec.Struct, gc=False):
    ttl: Literal["5m", "1h"] | None = None


class Block(HasMedia, gc=False, rename="camel"):
    """One content block: exactly one of these is set."""

    text: str | None = None
    tool_use: ToolUse | None = None
    tool_result: ToolResult | None = None
    reasoning_content: Reasoning | None = None
    citations_content: Citations | None = None
    cache_point: CachePoint | None = None


class Message(msgspec.Struct):
    role: str = ""
    content: list[Block] = []


# Answers ------------------------------------------------------------------------------------------


class Usage(msgspec.Struct, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class Output(msgspec.Struct):
    message: Message | None = None


class Answer(msgspec.Struct, rename="camel"):
    output: Output | None = None
    stop_reason: str | None = None
    usage: Usage | None = None


# Events of a stream -------------------------------------------------------------------------------


class ToolUseDelta(msgspec.Struct):
    input: str = ""


class ReasoningDelta(msgspec.Struct, rename="camel"):
    text: str = ""
    signature: str | None = None
    redacted_content: str | None = None


class Delta(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: ToolUseDelta | None = None
    reasoning_content: ReasoningDelta | None = None


class Start(msgspec.Struct, rename="camel"):
    tool_use: ToolUse | None = None


class DeltaEvent(msgspec.Struct, rename="camel"):
    """The payload of the event a stream is made of."""

    delta: Delta | None = None
    content_block_index: int | None = None


class Event(msgspec.Struct, rename="camel"):
    """The payload of any other event: their fields do not collide."""

    content_block_index: int | None = None
    start: Start | None = None
    stop_reason: str | None = None
    usage: Usage | None = None


# Requests -----------------------------------------------------------------------------------------


class InferenceConfig(msgspec.Struct, rename="camel"):
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] = []


class InputSchema(msgspec.Struct):
    json: dict[str, Any] = {}


class ToolSpec(msgspec.Struct, rename="camel"):
    name: str
    description: str = ""
    input_schema: InputSchema = msgspec.field(default_factory=InputSchema)


class Tool(msgspec.Struct, rename="camel"):
    tool_spec: ToolSpec | None = None  # else a cache point or a tool of Bedrock's own


class NamedTool(msgspec.Struct):
    name: str = ""


class ToolChoice(msgspec.Struct):
    """Exactly one of these is set."""

    auto: dict[str, Any] | None = None
    any: dict[str, Any] | None = None
    tool: NamedTool | None = None


class ToolConfig(msgspec.Struct, rename="camel"):
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None


class JsonSchema(msgspec.Struct):
    schema: str = "{}"
    name: str = "answer"


class Structure(msgspec.Struct, rename="camel"):
    json_schema: JsonSchema | None = None


class TextFormat(msgspec.Struct):
    structure: Structure | None = None


Effort = Literal["low", "medium", "high", "xhigh", "max"]


class OutputConfig(msgspec.Struct, rename="camel"):
    text_format: TextFormat | None = None
    effort: Effort | None = None


class ServiceTier(msgspec.Struct):
    type: str


class Thinking(msgspec.Struct):
    type: str = ""


class ReasoningConfig(msgspec.Struct, rename="camel"):
    type: str = ""
    max_reasoning_effort: Effort | None = None


class ModelInferenceConfig(msgspec.Struct, rename="camel"):
    top_k: int | None = None


class ModelFields(msgspec.Struct):
    """What Converse hands on to the model as it is: each maker has some of these fields."""

    seed: int | None = None
    top_k: int | None = None
    thinking: Thinking = msgspec.field(default_factory=Thinking)
    reasoning_effort: Effort | None = None
    reasoning_config: Effort | None = None
    nova_reasoning: ReasoningConfig = msgspec.field(name="reasoningConfig", default_factory=ReasoningConfig)
    nova_inference: ModelInferenceConfig = msgspec.field(
        name="inferenceConfig", default_factory=ModelInferenceConfig
    )


class Request(msgspec.Struct, rename="camel"):
    messages: list[Message] = []
    system: list[Block] = []
    inference_config: InferenceConfig | None = None
    tool_config: ToolConfig | None = None
    output_config: OutputConfig | None = None
    additional_model_request_fields: ModelFields = msgspec.field(default_factory=ModelFields)
    service_tier: ServiceTier | None = None
    request_metadata: dict[str, str] = {}


# Decoders -----------------------------------------------------------------------------------------

REQUEST = msgspec.json.Decoder(Request)
ANSWER = msgspec.json.Decoder(Answer)
DELTA_EVENT = msgspec.json.Decoder(DeltaEvent)
EVENT = msgspec.json.Decoder(Event)


def parse(body: bytes, decoder: msgspec.json.Decoder[bodies.W]) -> bodies.W:
    """Decode JSON. Text in fields we do not map is checked too: msgspec skips it, readers of `raw` do not."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise malformed(f"{error}: {preview(body)}") from error
    return bodies.parse(body, decoder)
