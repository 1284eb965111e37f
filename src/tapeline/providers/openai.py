"""OpenAI Chat Completions, and the many servers that speak it. Pure: bytes in, values out.

Source: https://platform.openai.com/docs/api-reference/chat. Tolerated, because real servers send it:
null `choices`, usage on every chunk, a missing [DONE], tool calls without index or id, `reasoning`
beside `reasoning_content`, content as a list of pieces (Mistral), an error object inside a 200.
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

PATH = "/chat/completions"

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "error": "error",
}
# Any other word ("eos", "end_turn") comes from a compatible server and means a regular end.

ERROR_CODES: Mapping[str, ErrorCode] = {
    "insufficient_quota": ErrorCode.QUOTA_EXCEEDED,
    "billing_hard_limit_reached": ErrorCode.QUOTA_EXCEEDED,
    "context_length_exceeded": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    "exceed_context_size_error": ErrorCode.CONTEXT_LENGTH_EXCEEDED,  # llama.cpp
    "content_filter": ErrorCode.CONTENT_FILTERED,
    "content_policy_violation": ErrorCode.CONTENT_FILTERED,
    "model_not_found": ErrorCode.MODEL_NOT_AVAILABLE,
    "invalid_api_key": ErrorCode.AUTHENTICATION_ERROR,
    "rate_limit_exceeded": ErrorCode.RATE_LIMIT,
    "rate_limit_error": ErrorCode.RATE_LIMIT,
    "overloaded_error": ErrorCode.OVERLOADED,
    "server_error": ErrorCode.INTERNAL_ERROR,
    "server_is_overloaded": ErrorCode.OVERLOADED,
}


# Wire shapes: only the fields we map; the rest stays reachable through `raw` ------------------------


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Piece(msgspec.Struct):
    text: str | None = None
    thinking: list[_Piece] | str | None = None


class _Content(msgspec.Struct):
    """A message, or the delta of one."""

    role: str | None = None
    content: str | list[_Piece] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    index: int | None = None
    message: _Content | None = None
    delta: _Content | None = None
    finish_reason: str | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None

    def to_usage(self) -> Usage:
        into = self.prompt_tokens_details or _InputDetails()
        out = self.completion_tokens_details or _OutputDetails()
        return Usage(
            input_tokens=self.prompt_tokens,
            output_tokens=self.completion_tokens,
            cached_input_tokens=into.cached_tokens,
            cache_write_tokens=into.cache_write_tokens,
            reasoning_tokens=out.reasoning_tokens,
        )


class _Answer(msgspec.Struct):
    """A completion, or one chunk of it."""

    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_ANSWER = msgspec.json.Decoder(_Answer)
_ANY = msgspec.json.Decoder()


# Codec --------------------------------------------------------------------------------------------


class OpenAICodec:
    """Chat Completions in both directions."""

    provider = "openai"
    stream_media_type = "text/event-stream"

    def encode_request(self, request: ChatRequest) -> HttpRequest:
        body = codec.without_none(
            {
                "model": request.model,
                "messages": [wire for message in request.messages for wire in _encode_message(message)],
                "max_completion_tokens": request.max_tokens,
                "temperature": request.temperature,
                "top_p": request.top_p,
                "stop": list(request.stop) or None,
                "seed": request.seed,
                "tools": [_encode_tool(tool) for tool in request.tools] or None,
                "response_format": _encode_schema(request),
                "stream": True if request.is_stream else None,
                "stream_options": {"include_usage": True} if request.is_stream else None,
            }
        )
        return HttpRequest(method="POST", path=PATH, headers={}, body=codec.dumps(body | dict(request.extra)))

    def decode_response(self, body: bytes) -> Reply:
        answer = codec.parse(body, _ANSWER)
        if answer.error is not None:
            raise _error_inside_success(answer.error)
        if not answer.choices:
            raise codec.empty("no choices")
        content = answer.choices[0].message or _Content()
        return Reply(
            message=Message("assistant", tuple(_parts_of(content))),
            finish_reason=_finish_reason(answer.choices[0].finish_reason, refusal=content.refusal),
            usage=answer.usage.to_usage() if answer.usage else Usage(),
            model=answer.model,
            id=answer.id,
            wire=body,
        )

    def stream_decoder(self) -> OpenAIStreamDecoder:
        return OpenAIStreamDecoder()

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        error = codec.error_object(body)
        code, provider_code = _error_code(error)
        return codec.http_error(
            status, headers, message=str(error.get("message") or ""), code=code, provider_code=provider_code
        )

    def decode_request(self, request: HttpRequest) -> ChatRequest:
        body = codec.parse(request.body, _ANY)
        schema = (body.get("response_format") or {}).get("json_schema") or {}
        stop = body.get("stop") or ()
        return ChatRequest(
            model=body["model"],
            messages=tuple(_decode_message(message) for message in body["messages"]),
            is_stream=bool(body.get("stream")),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            temperature=body.get("temperature"),
            top_p=body.get("top_p"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            seed=body.get("seed"),
            tools=tuple(_decode_tool(tool["function"]) for tool in body.get("tools") or ()),
            schema=schema.get("schema"),
            schema_name=schema.get("name") or "answer",
        )

    def encode_response(self, reply: Reply) -> bytes:
        message = codec.without_none(
            {
                "role": "assistant",
                "reasoning_content": reply.thinking or None,
                "tool_calls": [_encode_call(call) for call in reply.tool_calls] or None,
            }
        ) | {"content": reply.text or None}
        return codec.dumps(
            {
                "id": reply.id,
                "object": "chat.completion",
                "model": reply.model,
                "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason}],
                "usage": _encode_usage(reply.usage),
            }
        )

    def encode_stream(self, chunks: Iterable[Chunk], *, model: str) -> Iterator[bytes]:
        for chunk in chunks:
            head = {"id": chunk.id, "object": "chat.completion.chunk", "model": chunk.model or model}
            choice = {"index": 0, "delta": _encode_delta(chunk), "finish_reason": chunk.finish_reason}
            yield sse.encode_event(codec.dumps(head | {"choices": [choice]}))
            if chunk.usage is not None:
                yield sse.encode_event(
                    codec.dumps(head | {"choices": [], "usage": _encode_usage(chunk.usage)})
                )
        yield sse.encode_event(b"[DONE]")

    def encode_error(self, error: LLMError) -> bytes:
        wire = next((word for word, code in ERROR_CODES.items() if code == error.code), error.code.value)
        return codec.dumps({"error": {"message": error.message, "type": wire, "param": None, "code": wire}})


class OpenAIStreamDecoder:
    """Decodes one streamed completion."""

    def __init__(self) -> None:
        self._sse = sse.SSEDecoder()
        self._delivery = codec.Delivery()
        self._slots = ToolSlots()
        self._has_ended = False
        self._has_events = False
        self._has_refused = False

    def feed(self, block: bytes) -> list[Chunk]:
        return self._delivery.collect(self._decode, self._sse.feed(block))

    def finish(self) -> list[Chunk]:
        self._delivery.raise_held()
        chunks = codec.decode_tail(self._decode, self._sse.finish())
        if not self._has_events:
            raise codec.no_events(self._sse.foreign)
        if not self._has_ended:
            raise codec.closed("neither a finish_reason nor [DONE] came")
        return chunks

    def _decode(self, event: sse.Event) -> Chunk | None:
        data = event.data
        if not data.strip():
            return None  # a keep-alive
        if data.strip() == b"[DONE]":
            self._has_events = self._has_ended = True
            return None
        answer = codec.parse(data, _ANSWER)
        self._has_events = True
        if answer.error is not None or event.type == "error":
            raise _error_inside_success(answer.error or codec.error_object(data))
        chunk = Chunk(id=answer.id, model=answer.model, raw=data)
        if answer.usage is not None:
            chunk.usage = answer.usage.to_usage()
        for choice in answer.choices or ():
            if not choice.index:  # of several choices (n > 1) the first is the reply
                self._add_choice(chunk, choice)
        return chunk

    def _add_choice(self, chunk: Chunk, choice: _Choice) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            self._has_refused = self._has_refused or bool(delta.refusal)
            chunk.text = _text_of(delta.content) or delta.refusal or ""
            chunk.thinking = _thinking_of(delta)
            if delta.tool_calls:
                chunk.tool_call_deltas = tuple(self._slots.place(call) for call in delta.tool_calls)
        if choice.finish_reason == "error":
            raise LLMError("the provider broke off with finish_reason error", code=ErrorCode.STREAM_ERROR)
        if choice.finish_reason is not None:
            self._has_ended = True
            chunk.finish_reason = _finish_reason(choice.finish_reason, refusal=self._has_refused)


class ToolSlots:
    """Says which tool call a fragment belongs to, whatever the server made of `index` and `id`.

    A fragment goes to the slot of its index; without an index, to the last slot. A new id opens a new
    slot in both cases: some servers send every call with index 0, or with none.
    """

    def __init__(self) -> None:
        self._slot_of_index: dict[int, int] = {}
        self._id_of_slot: list[str | None] = []

    def place(self, call: _ToolCall) -> ToolCallDelta:
        slot = self._slot(call)
        function = call.function or _Function()
        if call.id:
            self._id_of_slot[slot] = call.id
        return ToolCallDelta(
            index=slot, id=call.id or None, name=function.name or None, arguments=function.arguments or ""
        )

    def _slot(self, call: _ToolCall) -> int:
        last = len(self._id_of_slot) - 1
        slot = last if call.index is None else self._slot_of_index.get(call.index, -1)
        is_new = slot < 0 or bool(call.id and self._id_of_slot[slot] and call.id != self._id_of_slot[slot])
        if is_new and call.id in self._id_of_slot and call.id:
            return self._id_of_slot.index(call.id)
        if is_new:
            self._id_of_slot.append(None)
            slot = last + 1
        if call.index is not None:
            self._slot_of_index[call.index] = slot
        return slot


# Decoding -----------------------------------------------------------------------------------------


def _parts_of(content: _Content) -> Iterator[Part]:
    if thinking := _thinking_of(content):
        yield Thinking(text=thinking)
    if text := _text_of(content.content) or content.refusal:
        yield Text(text)
    for call in content.tool_calls or ():
        function = call.function or _Function()
        yield ToolCall(id=call.id or "", name=function.name or "", raw_arguments=function.arguments or "{}")


def _text_of(content: str | list[_Piece] | None) -> str:
    if isinstance(content, list):
        return "".join(piece.text or "" for piece in content)
    return content or ""


def _thinking_of(content: _Content) -> str:
    if isinstance(content.content, list):
        return "".join(_text_of(piece.thinking) for piece in content.content)
    return content.reasoning_content or content.reasoning or ""


def _finish_reason(word: str | None, *, refusal: str | bool | None) -> FinishReason | None:
    if word is None:
        return None
    return "refusal" if refusal and word == "stop" else FINISH_REASONS.get(word, "stop")


def _error_code(error: dict[str, Json]) -> tuple[ErrorCode | None, str | None]:
    words = [word for word in (error.get("code"), error.get("type")) if isinstance(word, str)]
    known = next((ERROR_CODES[word] for word in words if word in ERROR_CODES), None)
    return known, words[0] if words else None


def _error_inside_success(error: Json) -> LLMError:
    """The error of a 200 whose body, or whose stream, holds one."""
    facts = error if isinstance(error, dict) else {"message": str(error)}
    code, provider_code = _error_code(facts)
    number = facts.get("code")
    status = number if isinstance(number, int) else None
    return LLMError(
        str(facts.get("message") or "the provider sent an error object"),
        code=code or (codec.code_of_status(status) if status else ErrorCode.INTERNAL_ERROR),
        status=status,
        provider_code=provider_code,
    )


def _decode_message(message: dict[str, Json]) -> Message:
    content = message.get("content") or ()
    parts = [Text(content)] if isinstance(content, str) else [_decode_part(part) for part in content]
    match message["role"]:
        case "system" | "developer":
            return system(*parts)
        case "user":
            return user(*parts)
        case "assistant":
            answer = msgspec.convert(message, _Content)
            return assistant(*_parts_of(answer))
        case "tool":
            return tool_result(message["tool_call_id"], "".join(p.text for p in parts if isinstance(p, Text)))
        case role:
            raise LLMError(f"unknown message role {role!r}", code=ErrorCode.INVALID_REQUEST)


def _decode_part(part: dict[str, Json]) -> Part:
    match part:
        case {"type": "text", "text": text}:
            return Text(text)
        case {"type": "image_url", "image_url": {"url": url}}:
            return _decode_image(url)
        case _:
            raise LLMError(f"unknown content part {part.get('type')!r}", code=ErrorCode.INVALID_REQUEST)


def _decode_image(url: str) -> Image:
    if not url.startswith("data:"):
        return Image(media_type="image/*", url=url)
    media_type, _, data = url.removeprefix("data:").partition(";base64,")
    return Image(media_type=media_type, data=base64.b64decode(data))


def _decode_tool(function: dict[str, Json]) -> Tool:
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {},
    )


# Encoding -----------------------------------------------------------------------------------------


def _encode_message(message: Message) -> Iterator[dict[str, Json]]:
    """Yield the wire messages of one of ours: each tool result is a message of its own."""
    results = [part for part in message.content if isinstance(part, ToolResult)]
    for result in results:
        yield {"role": "tool", "tool_call_id": result.id, "content": result.content}
    if results:
        return
    calls = [_encode_call(part) for part in message.content if isinstance(part, ToolCall)]
    content = _encode_content(message)
    wire: dict[str, Json] = {"role": message.role, "content": content if content or not calls else None}
    yield wire | ({"tool_calls": calls} if calls else {})


def _encode_content(message: Message) -> str | list[dict[str, Json]]:
    if any(isinstance(part, Image) for part in message.content):
        return [wire for part in message.content if (wire := _encode_part(part)) is not None]
    return message.text


def _encode_part(part: Part) -> dict[str, Json] | None:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image(url=str(url)):
            return {"type": "image_url", "image_url": {"url": url}}
        case Image(media_type=media_type, data=data):
            encoded = base64.b64encode(data or b"").decode()
            return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{encoded}"}}
        case _:
            return None


def _encode_call(call: ToolCall) -> dict[str, Json]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.raw_arguments},
    }


def _encode_tool(tool: Tool) -> dict[str, Json]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _encode_schema(request: ChatRequest) -> dict[str, Json] | None:
    if request.schema is None:
        return None
    named = {"name": request.schema_name, "schema": dict(request.schema), "strict": True}
    return {"type": "json_schema", "json_schema": named}


def _encode_delta(chunk: Chunk) -> dict[str, Json]:
    calls = [
        codec.without_none({"index": delta.index, "id": delta.id})
        | {
            "type": "function",
            "function": codec.without_none({"name": delta.name, "arguments": delta.arguments}),
        }
        for delta in chunk.tool_call_deltas
    ]
    return codec.without_none(
        {
            "content": chunk.text or None,
            "reasoning_content": chunk.thinking or None,
            "tool_calls": calls or None,
        }
    )


def _encode_usage(usage: Usage) -> dict[str, Json]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": codec.without_none(
            {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens}
        ),
        "completion_tokens_details": codec.without_none({"reasoning_tokens": usage.reasoning_tokens}),
    }
