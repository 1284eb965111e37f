"""An answer in pieces, one JSON object a line: reading them and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tapeline.providers.assembly import Assembler
from tapeline.providers.bodies import dumps, parse
from tapeline.providers.delivery import Delivery, decode_tail
from tapeline.providers.errors import closed, empty, empty_stream
from tapeline.providers.ndjson import LineSplitter
from tapeline.providers.ollama import wire
from tapeline.providers.ollama.content import calls_of, encode_message
from tapeline.providers.ollama.errors import error_inside_success
from tapeline.providers.ollama.reply import LOADED, decode_done_reason, decode_usage, encode_end
from tapeline.types import Chunk, Json, Thinking, ToolCallDelta, assistant

LINE_SEPARATORS = "\u2028\u2029\x85"
"""Escaped in the lines we write: Ollama's own client splits at them, inside strings too."""

_NO_MESSAGE = wire.Message()

# Reading ------------------------------------------------------------------------------------------


class OllamaStreamDecoder:
    """Decodes one streamed answer."""

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._delivery = Delivery()
        self._calls = 0
        self._has_lines = False
        self._has_content = False
        self._has_ended = False

    def feed(self, block: bytes) -> list[Chunk]:
        if self._lines.is_lone_line(block) and self._delivery.held is None:
            return [] if block.isspace() else [self._decode(block[:-1])]
        return self._delivery.collect(self._decode, self._lines.feed(block))

    def finish(self) -> list[Chunk]:
        self._delivery.raise_held()
        chunks = self._decode_tail(self._lines.finish())
        if not self._has_lines:
            raise empty_stream("no lines")
        if not self._has_ended:
            raise closed('no line said "done": true')
        return chunks

    def _decode_tail(self, lines: list[bytes]) -> list[Chunk]:
        if lines and not lines[0].lstrip().startswith(b"{"):
            return self._delivery.collect(self._decode, lines)  # not cut, but no JSON at all
        return decode_tail(self._decode, lines)

    def _decode(self, line: bytes) -> Chunk:
        answer = parse(line, wire.ANSWER)
        self._has_lines = True
        if answer.error is not None:
            raise error_inside_success(answer.error)
        message = answer.message or _NO_MESSAGE
        chunk = Chunk(
            text=message.content or "", thinking=message.thinking or "", model=answer.model, raw=line
        )
        if message.tool_calls:
            self._add_calls(chunk, message)
        if not self._has_content:
            self._has_content = chunk.has_content
        if answer.done:
            self._end(chunk, answer)
        return chunk

    def _add_calls(self, chunk: Chunk, message: wire.Message) -> None:
        calls = calls_of(message, first_call=self._calls)
        chunk.tool_call_deltas = tuple(
            ToolCallDelta(index=number, id=call.id, name=call.name, arguments=call.raw_arguments)
            for number, call in enumerate(calls, self._calls)
        )
        self._calls += len(chunk.tool_call_deltas)

    def _end(self, chunk: Chunk, answer: wire.Answer) -> None:
        if answer.done_reason in LOADED and not self._has_content:
            raise empty(f"done_reason {answer.done_reason}")
        self._has_ended = True
        chunk.finish_reason = decode_done_reason(answer, has_called=self._calls > 0)
        chunk.usage = decode_usage(answer)


# Writing ------------------------------------------------------------------------------------------


def encode_stream(chunks: Iterable[Chunk], *, model: str) -> Iterator[bytes]:
    answer = Assembler()
    for chunk in chunks:
        answer.add(chunk)
        if chunk.text or chunk.thinking or chunk.refusal:
            said = encode_message(assistant(Thinking(text=chunk.thinking), chunk.text, chunk.refusal))
            yield _line({"model": chunk.model or model, "message": said, "done": False})
    reply = answer.reply()
    head = {"model": reply.model or model}
    if reply.tool_calls:  # never in fragments
        yield _line(head | {"message": encode_message(assistant(*reply.tool_calls)), "done": False})
    yield _line(head | {"message": encode_message(assistant())} | encode_end(reply))


def _line(fields: dict[str, Json]) -> bytes:
    line = dumps(fields)
    for separator in LINE_SEPARATORS:
        line = line.replace(separator.encode(), b"\\u%04x" % ord(separator))
    return line + b"\n"
