"""Anthropic Messages, and the servers that speak it. Pure: bytes in, values out.

Source: https://docs.claude.com/en/api/messages. Tolerated, because real servers send it: events without
their `event:` line, blocks and events of unknown types, a tool's input in its block's start, [DONE].
Not done here: the `anthropic-version` header (the SDK that carries the request adds it), and knowing
what a model supports (`temperature` is passed on although the API of 2026-10-21 rejects it).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers import codec, sse
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

PATH = "/v1/messages"
DEFAULT_MAX_TOKENS = 4096  # the API wants a number; every model since Claude 3 can answer this long

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
STOP_REASONS: Mapping[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
}

ERROR_CODES: Mapping[str, ErrorCode] = {
    "invalid_request_error": ErrorCode.INVALID_REQUEST,
    "authentication_error": ErrorCode.AUTHENTICATION_ERROR,
    "billing_error": ErrorCode.QUOTA_EXCEEDED,
    "permission_error": ErrorCode.AUTHORIZATION_ERROR,
    "not_found_error": ErrorCode.MODEL_NOT_AVAILABLE,
    "request_too_large": ErrorCode.REQUEST_TOO_LARGE,
    "rate_limit_error": ErrorCode.RATE_LIMIT,
    "api_error": ErrorCode.INTERNAL_ERROR,
    "timeout_error": ErrorCode.TIMEOUT,
    "overloaded_error": ErrorCode.OVERLOADED,
    "exceed_context_size_error": ErrorCode.CONTEXT_LENGTH_EXCEEDED,  # llama.cpp
}

# The API says these with no more than "invalid_request_error": the words are all there is to go by.
CODES_OF_INVALID_REQUESTS: Mapping[str, ErrorCode] = {
    "prompt is too long": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    "input length and `max_tokens` exceed context limit": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    "your credit balance is too low": ErrorCode.QUOTA_EXCEEDED,
}


# Wire shapes: only the fields we map; the rest stays reachable through `raw` ------------------------


class _Block(msgspec.Struct):
    """A content block of one of the types we know."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Kind(msgspec.Struct):
    type: str = ""


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None

    def to_usage(self) -> Usage:
        details = self.output_tokens_details or _OutputDetails()
        cached = (self.cache_read_input_tokens or 0) + (self.cache_creation_input_tokens or 0)
        return Usage(
            input_tokens=None if self.input_tokens is None else self.input_tokens + cached,
            output_tokens=self.output_tokens,
            cached_input_tokens=self.cache_read_input_tokens,
            cache_write_tokens=self.cache_creation_input_tokens,
            reasoning_tokens=details.thinking_tokens,
        )

    def update(self, later: _Usage) -> None:
        """Take over what `later` says: counts are cumulative, and each end of a stream gives some."""
        for name in later.__struct_fields__:
            if (value := getattr(later, name)) is not None:
                setattr(self, name, value)


class _Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None
    error: Any = None


class _Delta(msgspec.Struct):
    """The delta of a content block, or that of the message."""

    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    index: int | None = None
    content_block: msgspec.Raw = msgspec.Raw(b"{}")
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


_MESSAGE = msgspec.json.Decoder(_Message)
_EVENT = msgspec.json.Decoder(_Event)
_KIND = msgspec.json.Decoder(_Kind)
_BLOCK = msgspec.json.Decoder(_Block)
_ANY = msgspec.json.Decoder()

_KNOWN_BLOCKS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})


# Codec --------------------------------------------------------------------------------------------


class AnthropicCodec:
    """Messages in both directions."""

    provider = "anthropic"
    stream_media_type = "text/event-stream"

    def encode_request(self, request: ChatRequest) -> HttpRequest:
        body = codec.without_none(
            {
                "model": request.model,
                "max_tokens": DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens,
                "system": _encode_system(request.messages),
                "messages": _encode_messages(request.messages),
                "temperature": request.temperature,
                "top_p": request.top_p,
                "stop_sequences": list(request.stop) or None,
                "tools": [_encode_tool(tool) for tool in request.tools] or None,
                "output_config": _encode_schema(request.schema),
                "stream": True if request.is_stream else None,
            }
        )
        return HttpRequest(method="POST", path=PATH, headers={}, body=codec.dumps(body | dict(request.extra)))

    def decode_response(self, body: bytes) -> Reply:
        message = codec.parse(body, _MESSAGE)
        if message.error is not None:
            raise _error_inside_success(body)
        if message.content is None:
            raise codec.empty("no content")
        blocks = [block for raw in message.content if (block := _known_block(raw)) is not None]
        return Reply(
            message=Message("assistant", tuple(part for b in blocks if (part := _part_of(b)) is not None)),
            finish_reason=_finish_reason(message.stop_reason),
            usage=message.usage.to_usage() if message.usage else Usage(),
            model=message.model,
            id=message.id,
            wire=body,
        )

    def stream_decoder(self) -> AnthropicStreamDecoder:
        return AnthropicStreamDecoder()

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        error = codec.error_object(body)
        code, provider_code = _error_code(error)
        decoded = codec.http_error(
            status, headers, message=str(error.get("message") or ""), code=code, provider_code=provider_code
        )
        decoded.request_id = decoded.request_id or _request_id(body)
        return decoded

    def decode_request(self, request: HttpRequest) -> ChatRequest:
        body = codec.parse(request.body, _ANY)
        output_format = (body.get("output_config") or {}).get("format") or {}
        return ChatRequest(
            model=body["model"],
            messages=(
                *_decode_system(body.get("system")),
                *(ours for message in body["messages"] for ours in _decode_message(message)),
            ),
            is_stream=bool(body.get("stream")),
            max_tokens=body.get("max_tokens"),
            temperature=body.get("temperature"),
            top_p=body.get("top_p"),
            stop=tuple(body.get("stop_sequences") or ()),
            tools=tuple(_decode_tool(tool) for tool in body.get("tools") or ()),
            schema=output_format.get("schema"),
        )

    def encode_response(self, reply: Reply) -> bytes:
        end = {
            "content": [_encode_part(part) for part in reply.message.content],
            "stop_reason": _stop_reason(reply.finish_reason),
            "stop_sequence": None,
            "usage": _encode_usage(reply.usage),
        }
        return codec.dumps(_message_head(reply.id, reply.model) | end)

    def encode_stream(self, chunks: Iterable[Chunk], *, model: str) -> Iterator[bytes]:
        encoder = _StreamEncoder(model)
        for chunk in chunks:
            yield from encoder.encode(chunk)
        yield from encoder.end()

    def encode_error(self, error: LLMError) -> bytes:
        wire = next((word for word, code in ERROR_CODES.items() if code == error.code), "api_error")
        return codec.dumps({"type": "error", "error": {"type": wire, "message": error.message}})


class AnthropicStreamDecoder:
    """Decodes one streamed message."""

    def __init__(self) -> None:
        self._sse = sse.SSEDecoder()
        self._delivery = codec.Delivery()
        self._usage = _Usage()
        self._is_known: dict[int, bool] = {}  # block index -> whether its deltas concern us
        self._calls: dict[int, int] = {}  # block index -> number of the tool call
        self._whole_inputs: dict[int, str] = {}  # block index -> input its start held, if any
        self._has_events = False
        self._has_started = False
        self._has_ended = False

    def feed(self, block: bytes) -> list[Chunk]:
        return self._delivery.collect(self._decode, self._sse.feed(block))

    def finish(self) -> list[Chunk]:
        self._delivery.raise_held()
        chunks = codec.decode_tail(self._decode, self._sse.finish())
        if not self._has_events:
            raise codec.no_events(self._sse.foreign)
        if not self._has_ended:
            raise codec.closed("neither a stop_reason nor message_stop came")
        return chunks

    def _decode(self, event: sse.Event) -> Chunk | None:
        data = event.data
        if not data.strip() or data.strip() == b"[DONE]":
            return None  # a keep-alive, or the farewell of a proxy that thinks in OpenAI's terms
        if event.type == "error":
            raise _error_inside_success(data)
        wire = codec.parse(data, _EVENT)
        kind = wire.type or event.type
        if kind == "error" or wire.error is not None:
            raise _error_inside_success(data)
        self._has_events = True
        if kind == "ping":
            return None
        chunk = Chunk(raw=data)
        if kind == "message_start":
            self._start_message(chunk, wire.message or _Message())
        else:
            self._continue_message(chunk, kind, wire)
        return chunk

    def _start_message(self, chunk: Chunk, message: _Message) -> None:
        self._has_started = True
        chunk.id = message.id or None
        chunk.model = message.model or None
        if message.usage is not None:
            self._usage.update(message.usage)
            chunk.usage = self._usage.to_usage()

    def _continue_message(self, chunk: Chunk, kind: str, wire: _Event) -> None:
        index = wire.index or 0
        match kind:
            case "content_block_delta":
                self._add_delta(chunk, index, wire.delta or _Delta())
            case "content_block_start":
                self._start_block(chunk, index, _known_block(wire.content_block))
            case "content_block_stop":
                self._stop_block(chunk, index)
            case "message_delta":
                self._change_message(chunk, wire)
            case "message_stop":
                self._has_ended = True
            case _:
                return  # an event of a later API
        if not self._has_started:
            raise codec.malformed(f"{kind} came before message_start")

    def _start_block(self, chunk: Chunk, index: int, block: _Block | None) -> None:
        self._is_known[index] = block is not None
        if block is None:
            return
        chunk.text = block.text or ""
        chunk.thinking = block.thinking or ""
        chunk.signature = block.signature or None
        chunk.redacted = block.data
        if block.type == "tool_use":
            self._calls[index] = number = len(self._calls)
            chunk.tool_call_deltas = (ToolCallDelta(index=number, id=block.id, name=block.name),)
            self._whole_inputs[index] = codec.text_of_object(block.input)

    def _add_delta(self, chunk: Chunk, index: int, delta: _Delta) -> None:
        if index not in self._is_known:
            raise codec.malformed(f"a delta for content block {index}, which never started")
        if not self._is_known[index]:
            return
        chunk.text = delta.text or ""
        chunk.thinking = delta.thinking or ""
        chunk.signature = delta.signature or None
        if delta.partial_json and index in self._calls:
            self._whole_inputs.pop(index, None)
            chunk.tool_call_deltas = (ToolCallDelta(index=self._calls[index], arguments=delta.partial_json),)

    def _stop_block(self, chunk: Chunk, index: int) -> None:
        whole_input = self._whole_inputs.pop(index, "{}")
        if whole_input != "{}":  # "{}" is but the place holder that deltas, if any, have replaced
            chunk.tool_call_deltas = (ToolCallDelta(index=self._calls[index], arguments=whole_input),)

    def _change_message(self, chunk: Chunk, wire: _Event) -> None:
        if wire.delta is not None and wire.delta.stop_reason is not None:
            self._has_ended = True
            chunk.finish_reason = _finish_reason(wire.delta.stop_reason)
        if wire.usage is not None:
            self._usage.update(wire.usage)
            chunk.usage = self._usage.to_usage()


# Decoding -----------------------------------------------------------------------------------------


def _known_block(raw: msgspec.Raw) -> _Block | None:
    """Decode a block, or return None if we do not know its type: then its fields may be anything."""
    block = bytes(raw)
    return codec.parse(block, _BLOCK) if codec.parse(block, _KIND).type in _KNOWN_BLOCKS else None


def _part_of(block: _Block) -> Part | None:
    match block.type:
        case "text":
            return Text(block.text) if block.text else None
        case "thinking":
            return Thinking(text=block.thinking or "", signature=block.signature or None)
        case "redacted_thinking":
            return Thinking(redacted=block.data)
        case _:
            return ToolCall(
                id=block.id or "", name=block.name or "", raw_arguments=codec.text_of_object(block.input)
            )


def _finish_reason(word: str | None) -> FinishReason | None:
    return None if word is None else FINISH_REASONS.get(word, "stop")


def _error_code(error: dict[str, Json]) -> tuple[ErrorCode | None, str | None]:
    word = error.get("type")
    if not isinstance(word, str):
        return None, None
    if word == "invalid_request_error":
        message = str(error.get("message") or "").lower()
        for start, code in CODES_OF_INVALID_REQUESTS.items():
            if message.startswith(start):
                return code, word
    return ERROR_CODES.get(word), word


def _request_id(body: bytes) -> str | None:
    try:
        value = _ANY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value.get("request_id") if isinstance(value, dict) else None


def _error_inside_success(body: bytes) -> LLMError:
    """The error of a 200 whose body, or whose stream, holds one."""
    error = codec.error_object(body)
    code, provider_code = _error_code(error)
    return LLMError(
        str(error.get("message") or "the provider sent an error object"),
        code=code or ErrorCode.INTERNAL_ERROR,
        provider_code=provider_code,
        request_id=_request_id(body),
    )


def _decode_system(content: str | list[dict[str, Json]] | None) -> Iterator[Message]:
    if content:
        yield system(*_decode_content(content))


def _decode_message(message: dict[str, Json]) -> Iterator[Message]:
    """Yield our messages of one on the wire: a user's may hold several tool results."""
    parts = _decode_content(message["content"])
    match message["role"]:
        case "user":
            for part in parts:
                if isinstance(part, ToolResult):
                    yield tool_result(part.id, part.content, is_error=part.is_error)
            rest = [part for part in parts if not isinstance(part, ToolResult)]
            if rest or not parts:
                yield user(*rest)
        case "assistant":
            yield assistant(*parts)
        case "system":  # allowed between messages since 2026-10-21
            yield system(*parts)
        case role:
            raise LLMError(f"unknown message role {role!r}", code=ErrorCode.INVALID_REQUEST)


def _decode_content(content: str | list[dict[str, Json]]) -> list[Part]:
    return [Text(content)] if isinstance(content, str) else [_decode_part(block) for block in content]


def _decode_part(block: dict[str, Json]) -> Part:
    match block:
        case {"type": "image", "source": source}:
            return _decode_image(source)
        case {"type": "tool_result", "tool_use_id": id}:
            text = user(*_decode_content(block.get("content") or [])).text
            return ToolResult(id=id, content=text, is_error=bool(block.get("is_error")))
        case {"type": "tool_use", "id": id, "name": name, "input": arguments}:
            return ToolCall(id=id, name=name, raw_arguments=codec.dumps(arguments).decode())
        case {"type": "text", "text": text}:
            return Text(text)
        case {"type": "thinking", "thinking": text}:
            return Thinking(text=text, signature=block.get("signature") or None)
        case {"type": "redacted_thinking", "data": data}:
            return Thinking(redacted=data)
        case _:
            raise LLMError(f"unknown content block {block.get('type')!r}", code=ErrorCode.INVALID_REQUEST)


def _decode_image(source: dict[str, Json]) -> Image:
    match source:
        case {"type": "url", "url": url}:
            return Image(media_type="image/*", url=url)
        case {"type": "base64", "media_type": media_type, "data": data}:
            return Image(media_type=media_type, data=base64.b64decode(data))
        case _:
            raise LLMError(f"unknown image source {source.get('type')!r}", code=ErrorCode.INVALID_REQUEST)


def _decode_tool(tool: dict[str, Json]) -> Tool:
    return Tool(
        name=tool["name"],
        description=tool.get("description") or "",
        parameters=tool.get("input_schema") or {},
    )


# Encoding -----------------------------------------------------------------------------------------


def _encode_system(messages: Iterable[Message]) -> str | None:
    return "\n\n".join(message.text for message in messages if message.role == "system") or None


def _encode_messages(messages: Iterable[Message]) -> list[dict[str, Json]]:
    """Return the wire messages; the results of parallel tool calls must share one."""
    wire: list[dict[str, Json]] = []
    last_role = None
    for message in messages:
        if message.role == "system":
            continue
        content = _encode_content(message)
        if message.role == last_role == "tool":
            wire[-1]["content"] += content
        elif content or message.role == "user":  # an assistant's turn without content is refused
            role = "assistant" if message.role == "assistant" else "user"
            wire.append({"role": role, "content": content})
        last_role = message.role
    return wire


def _encode_content(message: Message) -> str | list[dict[str, Json]]:
    match message:
        case Message(role="user" | "assistant", content=(Text(text=text),)):
            return text
        case _:
            return [_encode_part(part) for part in message.content if not _is_refused(part)]


def _is_refused(part: Part) -> bool:
    """Whether the API would refuse the whole request for this part: no text, or thinking not its own."""
    match part:
        case Text(text=text):
            return not text
        case Thinking(signature=signature, redacted=redacted):
            return not signature and not redacted
        case _:
            return False


def _encode_part(part: Part) -> dict[str, Json]:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Thinking(redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case Thinking(text=text, signature=signature):
            return {"type": "thinking", "thinking": text, "signature": signature or ""}
        case ToolCall(id=id, name=name):
            return {"type": "tool_use", "id": id, "name": name, "input": codec.raw_object(part)}
        case ToolResult(id=id, content=content, is_error=is_error):
            result = {"type": "tool_result", "tool_use_id": id, "content": content}
            return result | ({"is_error": True} if is_error else {})
        case Image(url=str(url)):
            return {"type": "image", "source": {"type": "url", "url": url}}
        case Image(media_type=media_type, data=data):
            encoded = base64.b64encode(data or b"").decode()
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": encoded}}


def _encode_tool(tool: Tool) -> dict[str, Json]:
    return codec.without_none(
        {"name": tool.name, "description": tool.description or None, "input_schema": dict(tool.parameters)}
    )


def _encode_schema(schema: Mapping[str, Json] | None) -> dict[str, Json] | None:
    return None if schema is None else {"format": {"type": "json_schema", "schema": dict(schema)}}


def _message_head(id: str | None, model: str | None) -> dict[str, Json]:
    return {"id": id, "type": "message", "role": "assistant", "model": model}


def _stop_reason(reason: FinishReason | None) -> str | None:
    return None if reason is None else STOP_REASONS.get(reason, "end_turn")


def _encode_usage(usage: Usage) -> dict[str, Json]:
    cached = (usage.cached_input_tokens or 0) + (usage.cache_write_tokens or 0)
    thinking = usage.reasoning_tokens
    return codec.without_none(
        {
            "input_tokens": None if usage.input_tokens is None else usage.input_tokens - cached,
            "cache_creation_input_tokens": usage.cache_write_tokens,
            "cache_read_input_tokens": usage.cached_input_tokens,
            "output_tokens": usage.output_tokens,
            "output_tokens_details": None if thinking is None else {"thinking_tokens": thinking},
        }
    )


class _StreamEncoder:
    """Turns chunks into events: opens a content block when another kind of content begins.

    Of tool calls whose fragments are interleaved, each has one block; a late fragment goes to a block
    already stopped, which clients bear, as they go by the index.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._has_started = False
        self._blocks = 0
        self._open: str | None = None  # the kind of the block that is open: "text", "thinking", "tool 0"
        self._tool_blocks: dict[int, int] = {}  # tool call -> block index
        self._finish_reason: FinishReason | None = None
        self._usage = Usage(input_tokens=0, output_tokens=0)

    def encode(self, chunk: Chunk) -> Iterator[bytes]:
        self._usage = chunk.usage or self._usage
        self._finish_reason = chunk.finish_reason or self._finish_reason
        yield from self._start(chunk)
        if chunk.thinking:
            yield from self._delta("thinking", {"type": "thinking_delta", "thinking": chunk.thinking})
        if chunk.signature:
            yield from self._delta("thinking", {"type": "signature_delta", "signature": chunk.signature})
        if chunk.redacted:
            yield from self._start_block(None, {"type": "redacted_thinking", "data": chunk.redacted})
        if chunk.text:
            yield from self._delta("text", {"type": "text_delta", "text": chunk.text})
        for delta in chunk.tool_call_deltas:
            yield from self._tool_delta(delta)

    def end(self) -> Iterator[bytes]:
        """Yield what closes the message. Once for all: usage may come after the finish reason."""
        yield from self._start(Chunk())
        yield from self._stop_block()
        delta = {"stop_reason": _stop_reason(self._finish_reason), "stop_sequence": None}
        yield _event("message_delta", delta=delta, usage=_encode_usage(self._usage))
        yield _event("message_stop")

    def _start(self, chunk: Chunk) -> Iterator[bytes]:
        if self._has_started:
            return
        self._has_started = True
        body: dict[str, Json] = {
            "content": [],
            "stop_reason": None,
            "usage": _encode_usage(self._usage),
        }
        yield _event("message_start", message=_message_head(chunk.id, chunk.model or self._model) | body)

    def _start_block(self, kind: str | None, block: dict[str, Json]) -> Iterator[bytes]:
        yield from self._stop_block()
        yield _event("content_block_start", index=self._blocks, content_block=block)
        self._blocks += 1
        self._open = kind or block["type"]

    def _stop_block(self) -> Iterator[bytes]:
        if self._open is not None:
            yield _event("content_block_stop", index=self._blocks - 1)
            self._open = None

    def _delta(self, kind: str, delta: dict[str, Json]) -> Iterator[bytes]:
        if self._open != kind:
            empty = {"signature": ""} if kind == "thinking" else {}
            yield from self._start_block(kind, {"type": kind, kind: ""} | empty)
        yield _event("content_block_delta", index=self._blocks - 1, delta=delta)

    def _tool_delta(self, delta: ToolCallDelta) -> Iterator[bytes]:
        if delta.index not in self._tool_blocks:
            block = {"type": "tool_use", "id": delta.id or "", "name": delta.name or "", "input": {}}
            yield from self._start_block(f"tool {delta.index}", block)
            self._tool_blocks[delta.index] = self._blocks - 1
        if delta.arguments:
            wire = {"type": "input_json_delta", "partial_json": delta.arguments}
            yield _event("content_block_delta", index=self._tool_blocks[delta.index], delta=wire)


def _event(type: str, **fields: Json) -> bytes:
    return sse.encode_event(codec.dumps({"type": type, **fields}), type)
