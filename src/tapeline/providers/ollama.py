"""Ollama's own chat API. Pure: bytes in, values out.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md. A stream is one JSON object a line.
What the API cannot say: pictures by URL (refused here), the media type of a picture, the id of an answer.
Tool calls have ids only since 0.12; where they have none they are "call_0", "call_1", ... in each answer.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers import codec, ndjson
from tapeline.providers.assembly import Assembler
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

PATH = "/api/chat"
INPUT_TOO_LONG = "input length exceeds the context length"  # the API has no codes: here the prose decides

LOADED = frozenset({"load", "unload"})
"""The done_reason of an answer to a request that only moved a model into memory or out of it."""

LINE_SEPARATORS = "\u2028\u2029\x85"
"""Escaped in the lines we write: Ollama's own client splits at them, inside strings too."""


# Wire shapes: only the fields we map; the rest stays reachable through `raw` ------------------------


class _Function(msgspec.Struct):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _ToolCall(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None


class _Content(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Answer(msgspec.Struct):
    """An answer, or one line of it."""

    model: str | None = None
    message: _Content | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None

    def to_usage(self) -> Usage:
        return Usage(input_tokens=self.prompt_eval_count, output_tokens=self.eval_count)


_ANSWER = msgspec.json.Decoder(_Answer)
_ANY = msgspec.json.Decoder()


# Codec --------------------------------------------------------------------------------------------


class OllamaCodec:
    """/api/chat in both directions."""

    provider = "ollama"
    stream_media_type = "application/x-ndjson"

    def encode_request(self, request: ChatRequest) -> HttpRequest:
        extra = dict(request.extra)
        options = _encode_options(request) | (extra.pop("options", None) or {})  # num_ctx keeps num_predict
        body = codec.without_none(
            {
                "model": request.model,
                "messages": _encode_messages(request.messages),
                "tools": [_encode_tool(tool) for tool in request.tools] or None,
                "format": None if request.schema is None else dict(request.schema),
                "options": options or None,
                "stream": request.is_stream,  # said in both cases: left out, it means true
            }
        )
        return HttpRequest(method="POST", path=PATH, headers={}, body=codec.dumps(body | extra))

    def decode_response(self, body: bytes) -> Reply:
        answer = codec.parse(body, _ANSWER)
        if answer.error is not None:
            raise _error_inside_success(answer.error)
        if answer.message is None:
            raise codec.empty("no message")
        parts = tuple(_parts_of(answer.message, first_call=0))
        if not parts and answer.done_reason in LOADED:
            raise codec.empty(f"done_reason {answer.done_reason}")
        return Reply(
            message=Message("assistant", parts),
            finish_reason=_finish_reason(answer, has_called=bool(answer.message.tool_calls)),
            usage=answer.to_usage(),
            model=answer.model,
            wire=body,
        )

    def stream_decoder(self) -> OllamaStreamDecoder:
        return OllamaStreamDecoder()

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        # Errors are plain text without a code. What no status tells stays invalid_request or internal_error.
        code = ErrorCode.MODEL_NOT_AVAILABLE if status == 404 else None
        message = str(codec.error_object(body).get("message") or "")
        if INPUT_TOO_LONG in message:
            code = ErrorCode.CONTEXT_LENGTH_EXCEEDED
        return codec.http_error(status, headers, message=message, code=code)

    def decode_request(self, request: HttpRequest) -> ChatRequest:
        body = codec.parse(request.body, _ANY)
        options = body.get("options") or {}
        stop = options.get("stop") or ()
        return ChatRequest(
            model=body["model"],
            messages=tuple(_decode_messages(body["messages"])),
            is_stream=body.get("stream") is not False,
            max_tokens=options.get("num_predict"),
            temperature=options.get("temperature"),
            top_p=options.get("top_p"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            seed=options.get("seed"),
            tools=tuple(_decode_tool(tool["function"]) for tool in body.get("tools") or ()),
            schema=body.get("format") if isinstance(body.get("format"), dict) else None,
        )

    def encode_response(self, reply: Reply) -> bytes:
        message = _encode_content(reply.message)
        return codec.dumps({"model": reply.model, "message": message} | _encode_end(reply))

    def encode_stream(self, chunks: Iterable[Chunk], *, model: str) -> Iterator[bytes]:
        answer = Assembler()
        for chunk in chunks:
            answer.add(chunk)
            if chunk.text or chunk.thinking:
                said = assistant(Thinking(text=chunk.thinking), chunk.text)
                yield _line({"model": chunk.model or model, "message": _encode_content(said), "done": False})
        reply = answer.reply()
        head = {"model": reply.model or model}
        if reply.tool_calls:  # never in fragments
            yield _line(head | {"message": _encode_content(assistant(*reply.tool_calls)), "done": False})
        yield _line(head | {"message": _encode_content(assistant())} | _encode_end(reply))

    def encode_error(self, error: LLMError) -> bytes:
        return codec.dumps({"error": error.message})


class OllamaStreamDecoder:
    """Decodes one streamed answer."""

    def __init__(self) -> None:
        self._lines = ndjson.LineSplitter()
        self._delivery = codec.Delivery()
        self._calls = 0
        self._has_lines = False
        self._has_content = False
        self._has_ended = False

    def feed(self, block: bytes) -> list[Chunk]:
        return self._delivery.collect(self._decode, self._lines.feed(block))

    def finish(self) -> list[Chunk]:
        self._delivery.raise_held()
        chunks = self._decode_tail(self._lines.finish())
        if not self._has_lines:
            raise codec.empty("no lines")
        if not self._has_ended:
            raise codec.closed('no line said "done": true')
        return chunks

    def _decode_tail(self, lines: list[bytes]) -> list[Chunk]:
        if lines and not lines[0].lstrip().startswith(b"{"):
            return self._delivery.collect(self._decode, lines)  # not cut, but no JSON at all
        return codec.decode_tail(self._decode, lines)

    def _decode(self, line: bytes) -> Chunk:
        answer = codec.parse(line, _ANSWER)
        self._has_lines = True
        if answer.error is not None:
            raise _error_inside_success(answer.error)
        chunk = Chunk(model=answer.model, raw=line)
        if answer.message is not None:
            self._add_content(chunk, answer.message)
        if answer.done:
            self._end(chunk, answer)
        return chunk

    def _add_content(self, chunk: Chunk, content: _Content) -> None:
        chunk.text = content.content or ""
        chunk.thinking = content.thinking or ""
        if content.tool_calls:
            calls = _calls_of(content, first_call=self._calls)
            chunk.tool_call_deltas = tuple(
                ToolCallDelta(index=number, id=call.id, name=call.name, arguments=call.raw_arguments)
                for number, call in enumerate(calls, self._calls)
            )
            self._calls += len(chunk.tool_call_deltas)
        self._has_content = self._has_content or chunk.has_content

    def _end(self, chunk: Chunk, answer: _Answer) -> None:
        if answer.done_reason in LOADED and not self._has_content:
            raise codec.empty(f"done_reason {answer.done_reason}")
        self._has_ended = True
        chunk.finish_reason = _finish_reason(answer, has_called=self._calls > 0)
        chunk.usage = answer.to_usage()


# Decoding -----------------------------------------------------------------------------------------


def _parts_of(content: _Content, *, first_call: int) -> Iterator[Part]:
    if content.thinking:
        yield Thinking(text=content.thinking)
    if content.content:
        yield Text(content.content)
    yield from _calls_of(content, first_call=first_call)


def _calls_of(content: _Content, *, first_call: int) -> Iterator[ToolCall]:
    for number, call in enumerate(content.tool_calls or (), first_call):
        function = call.function or _Function()
        yield ToolCall(
            id=call.id or f"call_{number}",
            name=function.name,
            raw_arguments=codec.text_of_object(function.arguments),
        )


def _finish_reason(answer: _Answer, *, has_called: bool) -> FinishReason | None:
    if not answer.done:
        return None
    if answer.done_reason == "length":
        return "length"
    return "tool_calls" if has_called else "stop"  # the API says "stop" in both cases


def _error_inside_success(error: Json) -> LLMError:
    """The error of a 200 whose body, or whose stream, holds one: the model's runner has failed."""
    return LLMError(str(error), code=ErrorCode.INTERNAL_ERROR)


def _decode_messages(messages: list[dict[str, Json]]) -> Iterator[Message]:
    results = 0
    for message in messages:
        results = results + 1 if message["role"] == "tool" else 0
        yield _decode_message(message, result_number=results - 1)


def _decode_message(message: dict[str, Json], *, result_number: int) -> Message:
    text = message.get("content") or ""
    said = [Text(text)] if text else []
    match message["role"]:
        case "system":
            return system(*said)
        case "user":
            return user(*said, *(_decode_image(data) for data in message.get("images") or ()))
        case "assistant":
            thinking = [Thinking(text=message["thinking"])] if message.get("thinking") else []
            calls = (_decode_call(call, n) for n, call in enumerate(message.get("tool_calls") or ()))
            return assistant(*thinking, *said, *calls)
        case "tool":  # without an id, results come in the order of the calls
            return tool_result(message.get("tool_call_id") or f"call_{result_number}", text)
        case role:
            raise LLMError(f"unknown message role {role!r}", code=ErrorCode.INVALID_REQUEST)


def _decode_image(data: str) -> Image:
    return Image(media_type="image/*", data=base64.b64decode(data))


def _decode_call(call: dict[str, Json], number: int) -> ToolCall:
    function = call["function"]
    return ToolCall(
        id=call.get("id") or f"call_{number}",
        name=function["name"],
        raw_arguments=codec.dumps(function.get("arguments") or {}).decode(),
    )


def _decode_tool(function: dict[str, Json]) -> Tool:
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {},
    )


# Encoding -----------------------------------------------------------------------------------------


def _encode_options(request: ChatRequest) -> dict[str, Json]:
    return codec.without_none(
        {
            "num_predict": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            "stop": list(request.stop) or None,
        }
    )


def _encode_messages(messages: Iterable[Message]) -> list[dict[str, Json]]:
    """Return the wire messages: each tool result is one of its own, and names the tool it is of."""
    wire: list[dict[str, Json]] = []
    name_of_call: dict[str, str] = {}
    for message in messages:
        name_of_call |= {part.id: part.name for part in message.content if isinstance(part, ToolCall)}
        results = [part for part in message.content if isinstance(part, ToolResult)]
        wire += [_encode_result(result, name_of_call.get(result.id)) for result in results]
        if not results:
            wire.append(_encode_content(message))
    return wire


def _encode_result(result: ToolResult, tool_name: str | None) -> dict[str, Json]:
    wire = {"role": "tool", "content": result.content, "tool_name": tool_name, "tool_call_id": result.id}
    return codec.without_none(wire)


def _encode_content(message: Message) -> dict[str, Json]:
    thinking = "".join(part.text for part in message.content if isinstance(part, Thinking))
    return codec.without_none(
        {
            "role": message.role,
            "content": message.text,
            "thinking": thinking or None,
            "images": [_encode_image(part) for part in message.content if isinstance(part, Image)] or None,
            "tool_calls": [_encode_call(part) for part in message.content if isinstance(part, ToolCall)]
            or None,
        }
    )


def _encode_image(image: Image) -> str:
    if image.data is None:
        raise LLMError(
            f"Ollama takes the bytes of a picture, not its URL ({image.url}): "
            "load it first, then pass Image(media_type=, data=)",
            code=ErrorCode.INVALID_REQUEST,
        )
    return base64.b64encode(image.data).decode()


def _encode_call(call: ToolCall) -> dict[str, Json]:
    return {"id": call.id, "function": {"name": call.name, "arguments": codec.raw_object(call)}}


def _encode_tool(tool: Tool) -> dict[str, Json]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _encode_end(reply: Reply) -> dict[str, Json]:
    return codec.without_none(
        {
            "done": True,
            "done_reason": "length" if reply.finish_reason == "length" else "stop",
            "prompt_eval_count": reply.usage.input_tokens,
            "eval_count": reply.usage.output_tokens,
        }
    )


def _line(fields: dict[str, Json]) -> bytes:
    line = codec.dumps(fields)
    for separator in LINE_SEPARATORS:
        line = line.replace(separator.encode(), b"\\u%04x" % ord(separator))
    return line + b"\n"
