"""A reply as the bytes of a response: one body, or a block for each word and one for the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tapeline.providers.bodies import dumps
from tapeline.providers.mock.codec import MockCodec
from tapeline.providers.mock.wording import pieces
from tapeline.types import Chunk, Part, Refusal, Reply, Text, Thinking, ToolCall, ToolCallDelta

_CODEC = MockCodec()
_HOLE = "tapeline: here goes a word"


def plain_block(reply: Reply) -> bytes:
    return _CODEC.encode_response(reply)


def content_blocks(reply: Reply) -> list[bytes]:
    """Return the content of a streamed reply, a block for each of its tokens."""
    blocks: list[bytes] = []
    calls = 0
    for part in reply.message.content:
        if isinstance(part, Text):
            blocks += _words(part.text, reply)
        else:
            blocks += _events(_chunks(part, calls), reply)[:-1]  # the last says that nothing follows
            calls += isinstance(part, ToolCall)
    return blocks


def end_block(reply: Reply) -> bytes:
    """Return the end of a streamed reply. A stream without it has been cut short."""
    return b"".join(_events([Chunk(finish_reason=reply.finish_reason, usage=reply.usage)], reply))


def _words(text: str, reply: Reply) -> list[bytes]:
    """Return the events of a text. They differ in a word only, so the codec encodes but one of them.

    Measured: 0.35 us a word, against 3.8 us.
    """
    before, _, after = _events([Chunk(text=_HOLE)], reply)[0].rpartition(dumps(_HOLE))
    return [before + dumps(word) + after for word in pieces(text)]


def _events(chunks: Iterable[Chunk], reply: Reply) -> list[bytes]:
    model = reply.model or ""
    return list(_CODEC.encode_stream(_stamped(chunks, reply), model=model))


def _stamped(chunks: Iterable[Chunk], reply: Reply) -> Iterator[Chunk]:
    for chunk in chunks:
        chunk.id, chunk.model = reply.id, reply.model
        yield chunk


def _chunks(part: Part, index: int) -> Iterator[Chunk]:
    """Yield the chunks of a part, a token each. index: its number, should it be a tool call."""
    match part:
        case Thinking(text=text):
            yield from (Chunk(thinking=word) for word in pieces(text))
        case Refusal(text=text):
            yield from (Chunk(refusal=word) for word in pieces(text))
        case ToolCall(id=id, name=name, raw_arguments=arguments):
            yield Chunk(tool_call_deltas=(ToolCallDelta(index=index, id=id, name=name),))
            for word in pieces(arguments):
                yield Chunk(tool_call_deltas=(ToolCallDelta(index=index, arguments=word),))
