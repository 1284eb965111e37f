"""AWS Bedrock's Converse and ConverseStream, in both directions. Pure: bytes in, values out.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. The model
stands in the path, and the answer names neither model nor id. Finding credentials and signing are the
carrier's business. Tolerated: event types, content blocks and fields of later versions of the API.

Tokens: Bedrock's `inputTokens` leaves out what the cache read and wrote, ours includes it. Recorded with
claude-sonnet-4-5: inputTokens 2, cacheWriteInputTokens 1322, outputTokens 5, totalTokens 1329.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers import codec
from tapeline.providers.eventstream import EventStreamDecoder, Frame, encode_event
from tapeline.types import (
    ChatRequest,
    Chunk,
    FinishReason,
    HttpRequest,
    Image,
    Json,
    Message,
    Part,
    Reply,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    assistant,
    system,
    tool_result,
    user,
)

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "refusal": "refusal",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
# Any other word is newer than this table and means a regular end. Of two words for one reason, the
# first is the one we write.

ERROR_CODES: Mapping[str, ErrorCode] = {
    "AccessDeniedException": ErrorCode.AUTHORIZATION_ERROR,
    "UnrecognizedClientException": ErrorCode.AUTHENTICATION_ERROR,
    "ExpiredTokenException": ErrorCode.AUTHENTICATION_ERROR,
    "InvalidSignatureException": ErrorCode.AUTHENTICATION_ERROR,
    "MissingAuthenticationToken": ErrorCode.AUTHENTICATION_ERROR,
    "MissingAuthenticationTokenException": ErrorCode.AUTHENTICATION_ERROR,
    "IncompleteSignature": ErrorCode.AUTHENTICATION_ERROR,
    "IncompleteSignatureException": ErrorCode.AUTHENTICATION_ERROR,
    "ThrottlingException": ErrorCode.RATE_LIMIT,
    "TooManyRequestsException": ErrorCode.RATE_LIMIT,
    "ServiceQuotaExceededException": ErrorCode.QUOTA_EXCEEDED,
    "ServiceUnavailableException": ErrorCode.OVERLOADED,
    "InternalServerException": ErrorCode.INTERNAL_ERROR,
    "ModelErrorException": ErrorCode.INTERNAL_ERROR,
    "ModelTimeoutException": ErrorCode.TIMEOUT,
    "ModelStreamErrorException": ErrorCode.STREAM_ERROR,
    "ResourceNotFoundException": ErrorCode.MODEL_NOT_AVAILABLE,
    "ModelNotReadyException": ErrorCode.MODEL_NOT_AVAILABLE,
    "UnknownOperationException": ErrorCode.NOT_FOUND,
    "ValidationException": ErrorCode.INVALID_REQUEST,
}

RETRYABLE_TYPES: Mapping[str, bool] = {
    "ModelNotReadyException": True,  # it is being loaded: AWS asks to try again
    "ModelErrorException": False,  # the same input fails again
}
"""Where an exception's type says more about another try than its code does."""

# Bedrock has no type of its own for these two, so here alone the prose decides. The first is a quota
# that comes back tomorrow, told apart from a throttle of seconds by nothing else.
DAILY_QUOTA = "too many tokens per day"
INPUT_TOO_LONG = ("input is too long", "prompt is too long")

SERVER_TOOL = "server_tool_use"  # a tool that Bedrock runs itself: a caller must not run it again
_PATH = re.compile(r"/model/(?P<model>[^?]+)/converse(?P<stream>-stream)?(?:\?|$)")


# Wire shapes: only the fields we map; the rest stays reachable through `raw` ------------------------


class _ImageSource(msgspec.Struct):
    data: bytes | None = msgspec.field(default=None, name="bytes")  # msgspec reads the base64 itself


class _Image(msgspec.Struct):
    format: str = ""
    source: _ImageSource | None = None


class _ToolUse(msgspec.Struct, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    type: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Piece(msgspec.Struct):
    """A piece of a tool's result, or of a text with citations."""

    text: str | None = None
    json: Any = None


class _ToolResult(msgspec.Struct, rename="camel"):
    tool_use_id: str = ""
    content: list[_Piece] = []
    status: str | None = None


class _ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str | None = None


class _Reasoning(msgspec.Struct, rename="camel"):
    reasoning_text: _ReasoningText | None = None
    redacted_content: str | None = None  # base64, kept as it is: only the model can read it


class _Citations(msgspec.Struct):
    content: list[_Piece] = []


class _Block(msgspec.Struct, rename="camel"):
    """One content block: exactly one of these is set."""

    text: str | None = None
    image: _Image | None = None
    tool_use: _ToolUse | None = None
    tool_result: _ToolResult | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Citations | None = None
    cache_point: Any = None


class _Message(msgspec.Struct):
    role: str = ""
    content: list[_Block] = []


class _Usage(msgspec.Struct, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None

    def to_usage(self) -> Usage:
        cached = (self.cache_read_input_tokens or 0) + (self.cache_write_input_tokens or 0)
        return Usage(
            input_tokens=None if self.input_tokens is None else self.input_tokens + cached,
            output_tokens=self.output_tokens,
            cached_input_tokens=self.cache_read_input_tokens,
            cache_write_tokens=self.cache_write_input_tokens,
        )


class _Output(msgspec.Struct):
    message: _Message | None = None


class _Answer(msgspec.Struct, rename="camel"):
    output: _Output | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class _ToolUseDelta(msgspec.Struct):
    input: str = ""


class _ReasoningDelta(msgspec.Struct, rename="camel"):
    text: str = ""
    signature: str | None = None
    redacted_content: str | None = None


class _Delta(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _ToolUseDelta | None = None
    reasoning_content: _ReasoningDelta | None = None


class _Start(msgspec.Struct, rename="camel"):
    tool_use: _ToolUse | None = None


class _Event(msgspec.Struct, rename="camel"):
    """The payload of any event: their fields do not collide."""

    content_block_index: int | None = None
    start: _Start | None = None
    delta: _Delta | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class _InferenceConfig(msgspec.Struct, rename="camel"):
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] = []


class _InputSchema(msgspec.Struct):
    json: dict[str, Any] = {}


class _ToolSpec(msgspec.Struct, rename="camel"):
    name: str
    description: str = ""
    input_schema: _InputSchema = msgspec.field(default_factory=_InputSchema)


class _Tool(msgspec.Struct, rename="camel"):
    tool_spec: _ToolSpec | None = None  # else a cache point or a tool of Bedrock's own


class _ToolConfig(msgspec.Struct):
    tools: list[_Tool] = []


class _JsonSchema(msgspec.Struct):
    schema: str = "{}"
    name: str = "answer"


class _Structure(msgspec.Struct, rename="camel"):
    json_schema: _JsonSchema | None = None


class _TextFormat(msgspec.Struct):
    structure: _Structure | None = None


class _OutputConfig(msgspec.Struct, rename="camel"):
    text_format: _TextFormat | None = None


class _ModelFields(msgspec.Struct):
    seed: int | None = None


class _Request(msgspec.Struct, rename="camel"):
    messages: list[_Message] = []
    system: list[_Block] = []
    inference_config: _InferenceConfig | None = None
    tool_config: _ToolConfig | None = None
    output_config: _OutputConfig | None = None
    additional_model_request_fields: _ModelFields | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_EVENT = msgspec.json.Decoder(_Event)
_REQUEST = msgspec.json.Decoder(_Request)
_SCHEMA = msgspec.json.Decoder(dict[str, Any])


# Codec --------------------------------------------------------------------------------------------


class BedrockCodec:
    """Converse in both directions."""

    provider = "bedrock"
    stream_media_type = "application/vnd.amazon.eventstream"

    def encode_request(self, request: ChatRequest) -> HttpRequest:
        verb = "converse-stream" if request.is_stream else "converse"
        body = codec.without_none(
            {
                "messages": _encode_messages(request.messages),
                "system": _encode_system(request.messages) or None,
                "inferenceConfig": _encode_inference_config(request) or None,
                "toolConfig": _encode_tools(request.tools),
                "outputConfig": _encode_schema(request),
                # Converse has no field for a seed; this is what it hands on to the model as it is.
                "additionalModelRequestFields": None if request.seed is None else {"seed": request.seed},
            }
        )
        return HttpRequest(
            method="POST",
            path=f"/model/{quote(request.model, safe='')}/{verb}",
            headers={},
            body=codec.dumps(_with_extra(body, request.extra)),
        )

    def decode_response(self, body: bytes) -> Reply:
        answer = _parse(body, _ANSWER)
        if answer.output is None or answer.output.message is None:
            raise codec.empty(f"no message in {codec.preview(body)}")
        reply = Reply(
            message=Message("assistant", tuple(_parts_of(answer.output.message.content))),
            finish_reason=_finish_reason(answer.stop_reason),
            usage=answer.usage.to_usage() if answer.usage else Usage(),
            wire=body,
        )
        if answer.stop_reason == "malformed_tool_use":
            raise _malformed_tool_use(partial=reply)
        return reply

    def stream_decoder(self) -> BedrockStreamDecoder:
        return BedrockStreamDecoder()

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        facts = codec.error_object(body)
        message = _message(facts)
        type = _type_name(headers.get("x-amzn-errortype") or str(facts.get("__type") or ""))
        error = codec.http_error(
            status, headers, message=message, code=_error_code(type, message), provider_code=type or None
        )
        error.retryable = RETRYABLE_TYPES.get(type, error.retryable)
        return error

    def decode_request(self, request: HttpRequest) -> ChatRequest:
        model, is_stream = _decode_path(request.path)
        body = _decode_body(request.body)
        config = body.inference_config or _InferenceConfig()
        schema = _json_schema(body)
        fields = body.additional_model_request_fields
        return ChatRequest(
            model=model,
            messages=tuple(_decode_messages(body)),
            is_stream=is_stream,
            max_tokens=config.max_tokens,
            temperature=config.temperature,
            top_p=config.top_p,
            stop=tuple(config.stop_sequences),
            seed=fields.seed if fields else None,
            tools=tuple(_decode_tools(body.tool_config)),
            schema=_decode_schema(schema.schema) if schema else None,
            schema_name=schema.name if schema else "answer",
        )

    def encode_response(self, reply: Reply) -> bytes:
        message = {"role": "assistant", "content": [_encode_part(part) for part in reply.message.content]}
        body = {
            "output": {"message": message},
            "stopReason": _stop_reason(reply.finish_reason),
            "usage": _encode_usage(reply.usage),
            "metrics": {"latencyMs": round(reply.timing.total_s * 1000)},
        }
        return codec.dumps(codec.without_none(body))

    def encode_stream(self, chunks: Iterable[Chunk], *, model: str) -> Iterator[bytes]:
        blocks = _BlockWriter()
        end = Chunk()
        yield _encode_event("messageStart", {"role": "assistant"})
        for chunk in chunks:
            yield from blocks.write(chunk)
            end.finish_reason = chunk.finish_reason or end.finish_reason
            end.usage = chunk.usage or end.usage
            end.at_s = chunk.at_s
        yield from blocks.close()
        if end.finish_reason is not None:  # without one the answer did not end, and the client shall see it
            yield _encode_event("messageStop", {"stopReason": _stop_reason(end.finish_reason)})
        if end.usage is not None:
            metrics = {"latencyMs": round(end.at_s * 1000)}
            yield _encode_event("metadata", {"usage": _encode_usage(end.usage), "metrics": metrics})

    def encode_error(self, error: LLMError) -> bytes:
        message = error.message
        if error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED and INPUT_TOO_LONG[0] not in message.lower():
            message = f"Input is too long for requested model: {message}"  # the only sign there is
        return codec.dumps({"message": message})

    def error_type(self, error: LLMError) -> str:
        """Return the value of the `x-amzn-errortype` header that goes with the body of an error."""
        named = next((name for name, code in ERROR_CODES.items() if code == error.code), None)
        return named or ("InternalServerException" if error.retryable else "ValidationException")


class BedrockStreamDecoder:
    """Decodes one ConverseStream."""

    def __init__(self) -> None:
        self._frames = EventStreamDecoder()
        self._delivery = codec.Delivery()
        self._call_of_block: dict[int | None, int | None] = {}
        self._calls = 0
        self._has_frames = False
        self._has_ended = False
        self._stop_reason: str | None = None

    def feed(self, block: bytes) -> list[Chunk]:
        self._delivery.raise_held()  # it came before whatever the next frames hold
        return self._delivery.collect(self._decode, self._frames.feed(block))

    def finish(self) -> list[Chunk]:
        self._delivery.raise_held()
        self._frames.finish()
        if not self._has_frames:
            raise codec.no_events(b"")
        if not self._has_ended:
            raise codec.closed("no messageStop came")
        if self._stop_reason == "malformed_tool_use":
            raise _malformed_tool_use()  # only now: the usage comes after the stop reason
        return []

    def _decode(self, frame: Frame) -> Chunk | None:
        self._has_frames = True
        if frame.message_type != "event":
            raise _frame_error(frame)
        head = _RAW_HEADS.get(frame.type)
        if head is None:
            return None
        payload = frame.payload or b"{}"
        event = _parse(payload, _EVENT)
        chunk = Chunk(raw=b"%b%b}" % (head, payload))
        if event.delta is not None:
            self._add_delta(chunk, event.delta, event.content_block_index)
        elif frame.type == "messageStop":
            self._has_ended = True
            self._stop_reason = event.stop_reason
            chunk.finish_reason = _finish_reason(event.stop_reason)
        elif event.usage is not None:
            chunk.usage = event.usage.to_usage()
        elif event.start is not None and event.start.tool_use is not None:
            self._start_call(chunk, event.start.tool_use, event.content_block_index)
        return chunk

    def _add_delta(self, chunk: Chunk, delta: _Delta, block: int | None) -> None:
        if delta.text is not None:
            chunk.text = delta.text
        elif delta.reasoning_content is not None:
            chunk.thinking = delta.reasoning_content.text
            chunk.signature = delta.reasoning_content.signature
            chunk.redacted = delta.reasoning_content.redacted_content
        elif delta.tool_use is not None:
            if block not in self._call_of_block:
                raise codec.malformed(f"a tool's input in content block {block}, which never started")
            if (call := self._call_of_block[block]) is not None:
                chunk.tool_call_deltas = (ToolCallDelta(index=call, arguments=delta.tool_use.input),)

    def _start_call(self, chunk: Chunk, tool_use: _ToolUse, block: int | None) -> None:
        if tool_use.type == SERVER_TOOL:
            self._call_of_block[block] = None
            return
        self._call_of_block[block] = self._calls
        chunk.tool_call_deltas = (
            ToolCallDelta(index=self._calls, id=tool_use.tool_use_id, name=tool_use.name),
        )
        self._calls += 1


_RAW_HEADS: Mapping[str, bytes] = {
    name: b'{"%b":' % name.encode()
    for name in (
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    )
}
"""The event types we know, and what makes their payload an object that names its type."""


class _BlockWriter:
    """Writes chunks as content blocks: numbers them, opens and closes them as the kind of content changes.

    Fragments of tool calls that alternate go to the block of their call, even though it was closed:
    numbered right they are read right, and holding them back would cost the streaming.
    """

    def __init__(self) -> None:
        self._blocks = 0
        self._open_kind: str | None = None
        self._block_of_call: dict[int, int] = {}

    def write(self, chunk: Chunk) -> Iterator[bytes]:
        if chunk.thinking or chunk.signature:
            yield from self._open("thinking")
            yield from self._reasoning("text", chunk.thinking)
            yield from self._reasoning("signature", chunk.signature)
        if chunk.redacted:
            yield from self._open("redacted")
            yield from self._reasoning("redactedContent", chunk.redacted)
        if chunk.text:
            yield from self._open("text")
            yield self._delta({"text": chunk.text})
        for delta in chunk.tool_call_deltas:
            yield from self._tool_use(delta)

    def close(self) -> Iterator[bytes]:
        if self._open_kind is not None:
            yield _encode_event("contentBlockStop", {"contentBlockIndex": self._blocks - 1})
        self._open_kind = None

    def _open(self, kind: str) -> Iterator[bytes]:
        if kind == self._open_kind:
            return
        yield from self.close()
        self._open_kind = kind
        self._blocks += 1

    def _reasoning(self, field: str, value: str | None) -> Iterator[bytes]:
        if value:
            yield self._delta({"reasoningContent": {field: value}})

    def _tool_use(self, delta: ToolCallDelta) -> Iterator[bytes]:
        if delta.index not in self._block_of_call:
            yield from self._open(f"call {delta.index}")
            block = self._block_of_call[delta.index] = self._blocks - 1
            tool_use = {"toolUseId": delta.id or "", "name": delta.name or ""}
            yield _encode_event(
                "contentBlockStart", {"start": {"toolUse": tool_use}, "contentBlockIndex": block}
            )
        if delta.arguments:
            yield self._delta({"toolUse": {"input": delta.arguments}}, self._block_of_call[delta.index])

    def _delta(self, delta: Json, block: int | None = None) -> bytes:
        index = self._blocks - 1 if block is None else block
        return _encode_event("contentBlockDelta", {"delta": delta, "contentBlockIndex": index})


# Decoding -----------------------------------------------------------------------------------------


def _parse(body: bytes, decoder: msgspec.json.Decoder[codec.W]) -> codec.W:
    """Decode JSON. Text in fields we do not map is checked too: msgspec skips it, readers of `raw` do not."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise codec.malformed(f"{error}: {codec.preview(body)}") from error
    return codec.parse(body, decoder)


def _parts_of(blocks: Iterable[_Block]) -> Iterator[Part]:
    """Yield what we know of an answer; other kinds of blocks are skipped."""
    for block in blocks:
        if (part := _decode_block(block)) is not None:
            yield part


def _decode_block(block: _Block) -> Part | None:
    if block.text is not None:
        return Text(block.text)
    if block.reasoning_content is not None:
        return _decode_reasoning(block.reasoning_content)
    if block.tool_use is not None:
        return _decode_tool_use(block.tool_use)
    if block.image is not None:
        return _decode_image(block.image)
    if block.citations_content is not None:
        return Text(_text_of(block.citations_content.content))
    return None


def _decode_reasoning(reasoning: _Reasoning) -> Thinking | None:
    if reasoning.redacted_content is not None:
        return Thinking(redacted=reasoning.redacted_content)
    if reasoning.reasoning_text is None:
        return None
    return Thinking(text=reasoning.reasoning_text.text, signature=reasoning.reasoning_text.signature)


def _decode_tool_use(tool_use: _ToolUse) -> ToolCall | None:
    if tool_use.type == SERVER_TOOL:
        return None
    return ToolCall(id=tool_use.tool_use_id, name=tool_use.name, raw_arguments=bytes(tool_use.input).decode())


def _decode_image(image: _Image) -> Image | None:
    if image.source is None or image.source.data is None:
        return None  # a place in S3, which is no URL we could give
    return Image(media_type=f"image/{image.format}", data=image.source.data)


def _text_of(pieces: Iterable[_Piece]) -> str:
    return "".join(
        codec.dumps(piece.json).decode()
        if piece.text is None and piece.json is not None
        else piece.text or ""
        for piece in pieces
    )


def _finish_reason(word: str | None) -> FinishReason | None:
    return None if word is None else FINISH_REASONS.get(word, "stop")


def _malformed_tool_use(partial: Reply | None = None) -> LLMError:
    return LLMError(
        "the model wrote a tool call that Bedrock could not read (malformed_tool_use)",
        code=ErrorCode.TOOL_CALL_ERROR,
        provider_code="malformed_tool_use",
        partial=partial,
    )


def _frame_error(frame: Frame) -> LLMError:
    """The error that a frame inside the stream reports: an exception of the API, or one of the transport."""
    message = _message(codec.error_object(frame.payload)) or str(
        dict(frame.headers).get(":error-message", "")
    )
    name = frame.type[:1].upper() + frame.type[1:]  # throttlingException here, ThrottlingException elsewhere
    error = LLMError(
        message or f"Bedrock broke off the stream with {frame.type}",
        code=_error_code(name, message) or ErrorCode.STREAM_ERROR,
        provider_code=frame.type,
    )
    error.retryable = RETRYABLE_TYPES.get(name, error.retryable)
    return error


def _message(facts: Mapping[str, Json]) -> str:
    return str(facts.get("message") or facts.get("Message") or "")


def _type_name(text: str) -> str:
    """Return the bare type of "prefix#ValidationException:http://internal.amazon.com/..."."""
    return text.partition(":")[0].rpartition("#")[2]


def _error_code(type: str, message: str) -> ErrorCode | None:
    code = ERROR_CODES.get(type)
    text = message.lower()
    if code is ErrorCode.RATE_LIMIT and DAILY_QUOTA in text:
        return ErrorCode.QUOTA_EXCEEDED
    if code is ErrorCode.INVALID_REQUEST and any(phrase in text for phrase in INPUT_TOO_LONG):
        return ErrorCode.CONTEXT_LENGTH_EXCEEDED
    return code


def _decode_path(path: str) -> tuple[str, bool]:
    """Return the model, and whether it shall stream."""
    match = _PATH.search(path)
    if match is None:
        raise LLMError(
            f"{path} is not /model/{{model}}/converse or /model/{{model}}/converse-stream",
            code=ErrorCode.NOT_FOUND,
        )
    return unquote(match["model"]), match["stream"] is not None


def _decode_body(body: bytes) -> _Request:
    try:
        body.decode()  # msgspec would skip over text it does not map
        return _REQUEST.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(f"cannot decode the request: {error}") from error


def _invalid(what: str) -> LLMError:
    return LLMError(what, code=ErrorCode.INVALID_REQUEST)


def _decode_messages(body: _Request) -> Iterator[Message]:
    if texts := [block.text for block in body.system if block.text is not None]:
        yield system(*texts)
    for message in body.messages:
        match message.role:
            case "user":
                yield from _decode_user(message.content)
            case "assistant":
                yield assistant(*_parts_of(message.content))
            case "system":
                yield system(*_parts_of(message.content))
            case role:
                raise _invalid(f"unknown message role {role!r}")


def _decode_user(blocks: list[_Block]) -> Iterator[Message]:
    """Yield one message for each tool result in a turn, then one for the rest of it."""
    for block in blocks:
        if (result := block.tool_result) is not None:
            is_error = result.status == "error"
            yield tool_result(result.tool_use_id, _text_of(result.content), is_error=is_error)
    others = [block for block in blocks if block.tool_result is None and block.cache_point is None]
    if others or not blocks:
        yield user(*(_decode_user_block(block) for block in others))


def _decode_user_block(block: _Block) -> Part:
    part = _decode_block(block)
    if part is None:
        # Unlike in an answer: a model that never saw the document would answer something else.
        raise _invalid("a content block that is neither text nor image bytes nor a tool's result")
    return part


def _decode_tools(config: _ToolConfig | None) -> Iterator[Tool]:
    for tool in config.tools if config else ():
        if (spec := tool.tool_spec) is not None:
            yield Tool(name=spec.name, description=spec.description, parameters=spec.input_schema.json)


def _json_schema(body: _Request) -> _JsonSchema | None:
    text_format = body.output_config.text_format if body.output_config else None
    return text_format.structure.json_schema if text_format and text_format.structure else None


def _decode_schema(text: str) -> dict[str, Json]:
    try:
        return _SCHEMA.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _invalid(f"outputConfig holds no JSON schema: {error}") from error


# Encoding -----------------------------------------------------------------------------------------


def _encode_messages(messages: Iterable[Message]) -> list[dict[str, Json]]:
    """Return the turns. Tool results are the user's; neighbours of one role become one turn.

    Converse refuses two turns of the same role, and all results of one answer must stand in one turn.
    """
    turns: list[dict[str, Json]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += [_encode_part(part) for part in message.content]
    return turns


def _encode_system(messages: Iterable[Message]) -> list[dict[str, Json]]:
    """Return the system blocks. Empty texts are left out: Converse refuses them here."""
    parts = [part for message in messages if message.role == "system" for part in message.content]
    return [{"text": part.text} for part in parts if isinstance(part, Text) and part.text]


def _encode_part(part: Part) -> dict[str, Json]:
    match part:
        case Text(text=text):
            return {"text": text}
        case Image():
            return {"image": _encode_image(part)}
        case Thinking(redacted=str(redacted)):
            return {"reasoningContent": {"redactedContent": redacted}}
        case Thinking(text=text, signature=signature):
            return {
                "reasoningContent": {
                    "reasoningText": codec.without_none({"text": text, "signature": signature})
                }
            }
        case ToolCall(id=id, name=name):
            return {"toolUse": {"toolUseId": id, "name": name, "input": codec.raw_object(part)}}
        case ToolResult(id=id, content=content, is_error=is_error):
            status = "error" if is_error else "success"
            return {"toolResult": {"toolUseId": id, "content": [{"text": content}], "status": status}}


def _encode_image(image: Image) -> dict[str, Json]:
    if image.data is None:
        raise _invalid(
            f"Bedrock takes the bytes of an image, not its URL: download {image.url} and pass Image(data=)"
        )
    # msgspec writes bytes as base64.
    return {"format": image.media_type.removeprefix("image/"), "source": {"bytes": image.data}}


def _encode_inference_config(request: ChatRequest) -> dict[str, Json]:
    return codec.without_none(
        {
            "maxTokens": request.max_tokens,
            "temperature": request.temperature,
            "topP": request.top_p,
            "stopSequences": list(request.stop) or None,
        }
    )


def _encode_tools(tools: Iterable[Tool]) -> dict[str, Json] | None:
    specs = [
        {
            "toolSpec": codec.without_none({"name": tool.name, "description": tool.description or None})
            | {"inputSchema": {"json": dict(tool.parameters)}}
        }
        for tool in tools
    ]
    return {"tools": specs} if specs else None


def _encode_schema(request: ChatRequest) -> dict[str, Json] | None:
    if request.schema is None:
        return None
    schema = {"name": request.schema_name, "schema": codec.dumps(dict(request.schema)).decode()}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _with_extra(body: dict[str, Json], extra: Mapping[str, Json]) -> dict[str, Json]:
    """Put `extra` over the body. Objects join, or a seed would be lost to `additionalModelRequestFields`."""
    merged = dict(body)
    for name, value in extra.items():
        ours = body.get(name)
        merged[name] = ours | value if isinstance(ours, dict) and isinstance(value, dict) else value
    return merged


def _stop_reason(reason: FinishReason | None) -> str | None:
    return next((word for word, known in FINISH_REASONS.items() if known == reason), None)


def _encode_usage(usage: Usage) -> dict[str, Json]:
    cached = (usage.cached_input_tokens or 0) + (usage.cache_write_tokens or 0)
    return codec.without_none(
        {
            "inputTokens": None if usage.input_tokens is None else usage.input_tokens - cached,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.total_tokens,
            "cacheReadInputTokens": usage.cached_input_tokens,
            "cacheWriteInputTokens": usage.cache_write_tokens,
        }
    )


def _encode_event(type: str, payload: Json) -> bytes:
    return encode_event(type, codec.dumps(payload))
