"""A model without a model: answers in OpenAI's wire format, from the request alone.

The same request always gets the same answer, so tests can state it. Not a simulation of quality: it
repeats what it was told, or says the reply it was given. Tokens are counted as words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tapeline.latency.pacing import Immediate, IncomingRequest, Pace, ScheduledResponse
from tapeline.providers.openai import OpenAICodec
from tapeline.types import ChatRequest, Chunk, HttpRequest, Reply, Text, Usage, assistant

_WORDS = re.compile(r"\S+\s*|\s+")


class MockCodec(OpenAICodec):
    """OpenAI's format under the mock's own name."""

    provider = "mock"


class MockHandler:
    """Answers chat requests. `replies` are said in turn, the last one for ever; without any, it echoes."""

    def __init__(self, replies: Sequence[str] = (), *, pace: Pace | None = None) -> None:
        self._replies = list(replies)
        self._pace = pace or Immediate()
        self._codec = OpenAICodec()
        self._calls = 0

    def __call__(self, incoming: IncomingRequest) -> ScheduledResponse:
        http = HttpRequest(
            method=incoming.method, path=incoming.url, headers=incoming.headers, body=incoming.body
        )
        request = self._codec.decode_request(http)
        stream = self._calls
        self._calls += 1
        text = self._text(request, stream)
        if request.is_stream:
            body = list(self._codec.encode_stream(_chunks(request, text), model=request.model))
            media_type = self._codec.stream_media_type
        else:
            body = [self._codec.encode_response(_reply(request, text))]
            media_type = "application/json"
        schedule = self._pace.schedule(body, None, stream=stream)
        return ScheduledResponse(
            status=200,
            reason="OK",
            headers=(("content-type", media_type),),
            head_due_s=schedule.head_due_s,
            blocks=schedule.blocks,
        )

    def _text(self, request: ChatRequest, call: int) -> str:
        if self._replies:
            return self._replies[min(call, len(self._replies) - 1)]
        return request.messages[-1].text


def _words(request: ChatRequest, text: str) -> tuple[list[str], bool]:
    """Return the words that fit into max_tokens, and whether some did not."""
    words = _WORDS.findall(text)
    limit = request.max_tokens if request.max_tokens is not None else len(words)
    return words[:limit], len(words) > limit


def _usage(request: ChatRequest, words: Sequence[str]) -> Usage:
    read = sum(len(message.text.split()) for message in request.messages)
    return Usage(input_tokens=read, output_tokens=len(words))


def _reply(request: ChatRequest, text: str) -> Reply:
    words, is_cut = _words(request, text)
    return Reply(
        message=assistant(Text("".join(words))),
        finish_reason="length" if is_cut else "stop",
        usage=_usage(request, words),
        model=request.model,
        id="mock",
    )


def _chunks(request: ChatRequest, text: str) -> Iterator[Chunk]:
    words, is_cut = _words(request, text)
    for word in words:
        yield Chunk(text=word, id="mock")
    yield Chunk(finish_reason="length" if is_cut else "stop", usage=_usage(request, words), id="mock")
