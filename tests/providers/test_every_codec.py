"""What holds for all wire formats: nothing is lost on the way out and back, however the bytes are cut."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import OPTIONS, Can, replies, requests

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.anthropic import AnthropicCodec
from tapeline.providers.assembly import Assembler, chunks_of
from tapeline.providers.bedrock import BedrockCodec
from tapeline.providers.codec import Codec
from tapeline.providers.ollama import OllamaCodec
from tapeline.providers.openai import OpenAICodec
from tapeline.providers.openai_responses import OpenAIResponsesCodec
from tapeline.types import (
    ChatRequest,
    Chunk,
    Reply,
    Text,
    Thinking,
    Timing,
    ToolCall,
    Usage,
    assistant,
    tool_result,
    user,
)

CODECS: list[tuple[Codec, Can]] = [
    (
        OpenAICodec(),
        Can(
            image_media_types=("image/png", "image/jpeg"),
            image_urls=True,
            document_media_types=("application/pdf", "application/msword"),
            audio_media_types=("audio/wav", "audio/mpeg"),
            options=frozenset(OPTIONS) - {"top_k"},
            tool_choices=("auto", "none", "required", "named"),
            parallel_tool_calls=True,
            refusals=True,
            seed=True,
            schema_name=True,
            cached_tokens=True,
            reasoning_tokens=True,
            finish_reasons=("stop", "length", "content_filter", "refusal"),
        ),
    ),
    (
        OpenAIResponsesCodec(),
        Can(
            image_media_types=("image/png", "image/jpeg"),
            image_urls=True,
            stop=False,
            document_media_types=("application/pdf", "text/plain"),
            tool_images=True,
            options=frozenset({"reasoning_effort", "service_tier", "metadata"}),
            tool_choices=("auto", "none", "required", "named"),
            parallel_tool_calls=True,
            refusals=True,
            schema_name=True,
            thinking_in_requests=True,
            signatures=True,
            thinking_ids=True,
            cached_tokens=True,
            reasoning_tokens=True,
            finish_reasons=("stop", "length", "content_filter"),
        ),
    ),
    (
        AnthropicCodec(),
        Can(
            image_media_types=("image/png", "image/jpeg"),
            image_urls=True,
            tool_errors=True,
            no_max_tokens=False,
            thinking_in_requests=True,
            signatures=True,
            redacted=True,
            cached_tokens=True,
            reasoning_tokens=True,
            finish_reasons=("stop", "length", "refusal"),
        ),
    ),
    (
        OllamaCodec(),
        Can(
            image_media_types=("image/*",),
            tool_images=True,
            options=frozenset({"top_k", "frequency_penalty", "presence_penalty", "reasoning_effort"}),
            seed=True,
            thinking_in_requests=True,
            ids=False,
        ),
    ),
    (
        BedrockCodec(),
        Can(
            image_media_types=("image/png", "image/jpeg"),
            tool_errors=True,
            seed=True,
            schema_name=True,
            thinking_in_requests=True,
            signatures=True,
            redacted=True,
            cached_tokens=True,
            ids=False,
            models=False,
            finish_reasons=("stop", "length", "content_filter"),
        ),
    ),
]

every_codec = pytest.mark.parametrize(
    ("codec", "can"), [pytest.param(codec, can, id=codec.provider) for codec, can in CODECS]
)
quick = settings(max_examples=20, suppress_health_check=list(HealthCheck))

RICH = Reply(
    message=assistant(
        Thinking(text="Paris, or Lyön?"),
        Text("Bonjour 🌍, \u2028 it is\r\nsunny\u0085."),
        ToolCall(id="call_0", name="weather", raw_arguments='{"city":"Paris"}'),
        ToolCall(id="call_1", name="time", raw_arguments="{}"),
    ),
    finish_reason="tool_calls",
    usage=Usage(input_tokens=12, output_tokens=7),
    model="some-model",
)
"""An answer with every kind of content, and with the characters that text line splitting trips over."""


def encoded(codec: Codec, reply: Reply = RICH) -> bytes:
    return b"".join(codec.encode_stream(chunks_of(reply), model=reply.model or "some-model"))


def decoded(codec: Codec, blocks: Iterable[bytes]) -> list[Chunk]:
    decoder = codec.stream_decoder()
    return [chunk for block in blocks for chunk in decoder.feed(block)] + decoder.finish()


def outcome(codec: Codec, body: bytes) -> tuple[list[Chunk], ErrorCode | None]:
    """The chunks of a body, and the code of the error it ends with, if it does."""
    decoder, chunks = codec.stream_decoder(), []
    try:
        chunks += decoder.feed(body)
        chunks += decoder.finish()
    except LLMError as error:
        return chunks, error.code
    return chunks, None


def assembled(chunks: Iterable[Chunk]) -> Reply:
    assembler = Assembler()
    for chunk in chunks:
        assembler.add(chunk)
    return as_said(assembler.reply())


def as_said(reply: Reply) -> Reply:
    """The reply without how it came: neither its bytes nor its times."""
    return replace(reply, wire=b"", timing=Timing(total_s=0.0))


def cuts(body: bytes) -> Iterator[list[bytes]]:
    """The body in one piece, cut in two at each position, and in single bytes."""
    yield [body]
    for position in range(1, len(body)):
        yield [body[:position], body[position:]]
    yield [body[i : i + 1] for i in range(len(body))]


def test_every_format_is_laid_out_alike() -> None:
    """Who knows one package knows all five: the same files, with the same subjects, and few besides."""
    packages = [Path(inspect.getfile(type(codec))).parent for codec, _ in CODECS]
    files = {"__init__", "codec", "content", "errors", "reply", "request", "stream", "wire"}

    besides = {package.name: {file.stem for file in package.glob("*.py")} ^ files for package in packages}

    assert besides.keys() == {"openai", "openai_responses", "anthropic", "ollama", "bedrock"}
    assert set().union(*besides.values()) <= {"capabilities", "collected"}


@every_codec
def test_a_request_survives_the_wire(codec: Codec, can: Can) -> None:
    """decode_request(encode_request(x)) == x."""

    @quick
    @given(requests(can))
    def check(request):
        assert codec.decode_request(codec.encode_request(request)) == request

    check()


@every_codec
def test_a_reply_survives_the_wire(codec: Codec, can: Can) -> None:
    """decode_response(encode_response(x)) == x."""

    @quick
    @given(replies(can))
    def check(reply):
        assert as_said(codec.decode_response(codec.encode_response(reply))) == reply

    check()


@every_codec
def test_a_streamed_reply_survives_the_wire_however_it_is_cut(codec: Codec, can: Can) -> None:
    """The chunks of a reply, encoded, cut anywhere, decoded and assembled, are the reply."""

    @quick
    @given(replies(can), st.lists(st.integers(0, 4000), max_size=6))
    def check(reply, positions):
        body = encoded(codec, reply)
        edges = [0, *sorted(position % len(body) for position in positions), len(body)]
        blocks = [body[start:end] for start, end in pairwise(edges)]

        assert assembled(decoded(codec, blocks)) == reply

    check()


@every_codec
def test_where_the_body_is_cut_does_not_matter(codec: Codec, can: Can) -> None:
    """Cut in two at every position, or into single bytes, a stream gives the same chunks."""
    body = encoded(codec)
    expected = decoded(codec, [body])

    for blocks in cuts(body):
        assert decoded(codec, blocks) == expected


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"], ids=["CRLF", "CR"])
@pytest.mark.parametrize(
    "codec",
    [pytest.param(c, id=c.provider) for c, _ in CODECS if c.stream_media_type == "text/event-stream"],
)
def test_line_ends_do_not_matter_to_server_sent_events(codec: Codec, line_end: bytes) -> None:
    """CRLF and CR are line ends as good as LF, also when a CRLF is cut in two."""
    body = encoded(codec)
    expected = decoded(codec, [body])

    for blocks in cuts(body.replace(b"\n", line_end)):
        assert decoded(codec, blocks) == expected


@every_codec
def test_a_plain_answer_and_a_stream_of_it_agree(codec: Codec, can: Can) -> None:
    """The rich answer reads the same in both forms."""
    plain = codec.decode_response(codec.encode_response(RICH))
    stream = assembled(decoded(codec, [encoded(codec)]))

    assert as_said(plain) == stream


@every_codec
def test_a_stream_cut_short_is_an_error_at_every_length(codec: Codec, can: Can) -> None:
    """No prefix of a stream passes for a whole answer, unless its finish reason has come."""
    body = encoded(codec)

    for length in range(len(body)):
        chunks, code = outcome(codec, body[:length])
        if code is None:
            assert assembled(chunks).finish_reason == "tool_calls", body[:length]
        else:
            allowed = {ErrorCode.STREAM_CLOSED} | ({ErrorCode.EMPTY_RESPONSE} if not chunks else set())
            assert code in allowed, body[:length]


@every_codec
def test_no_bytes_at_all_are_an_empty_response(codec: Codec, can: Can) -> None:
    """Both forms say so with a code, not with an empty success."""
    with pytest.raises(LLMError) as of_plain:
        codec.decode_response(b"")
    with pytest.raises(LLMError) as of_stream:
        codec.stream_decoder().finish()

    assert (of_plain.value.code, of_stream.value.code) == (ErrorCode.EMPTY_RESPONSE,) * 2


@every_codec
def test_what_is_not_json_is_a_malformed_response(codec: Codec, can: Can) -> None:
    """A login page, broken JSON, wrong types, bad UTF-8 and bottomless nesting all get that one code."""
    bodies = [b"<html>Sign in</html>", b'{"id": ', b"[1]", b'{"model": "\xff"}', b"[" * 100_000]

    codes = []
    for body in bodies:
        with pytest.raises(LLMError) as raised:
            codec.decode_response(body)
        codes.append(raised.value.code)

    assert codes == [ErrorCode.MALFORMED_RESPONSE] * len(bodies)


@every_codec
def test_flipped_bytes_raise_nothing_but_our_error(codec: Codec, can: Can) -> None:
    """A body damaged anywhere decodes to something, or raises LLMError: no other exception escapes."""
    plain, stream = codec.encode_response(RICH), encoded(codec)

    @quick
    @given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
    def check(position, flipped):
        codec.decode_error(400, {}, damaged(plain, position, flipped))
        outcome(codec, damaged(stream, position, flipped))
        with suppress(LLMError):
            codec.decode_response(damaged(plain, position, flipped))

    check()


def damaged(body: bytes, position: int, flipped: bytes) -> bytes:
    position %= len(body)
    return body[:position] + flipped + body[position + len(flipped) :]


@every_codec
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ErrorCode.INVALID_REQUEST),
        (401, ErrorCode.AUTHENTICATION_ERROR),
        (403, ErrorCode.AUTHORIZATION_ERROR),
        (408, ErrorCode.TIMEOUT),
        (413, ErrorCode.REQUEST_TOO_LARGE),
        (418, ErrorCode.INVALID_REQUEST),
        (422, ErrorCode.INVALID_REQUEST),
        (429, ErrorCode.RATE_LIMIT),
        (500, ErrorCode.INTERNAL_ERROR),
        (502, ErrorCode.INTERNAL_ERROR),
        (503, ErrorCode.OVERLOADED),
        (504, ErrorCode.TIMEOUT),
        (529, ErrorCode.OVERLOADED),
    ],
)
def test_a_gateways_error_is_classified_by_its_status(
    codec: Codec, can: Can, status: int, code: ErrorCode
) -> None:
    """Where the body is not the provider's, the status decides, and nothing else is raised."""
    for body in (b"", b"<html>Bad Gateway</html>", b'"no"', b"[]", b"null", b'{"detail": [{}]}'):
        error = codec.decode_error(status, {"retry-after": "2"}, body)

        assert (error.code, error.status, error.retry_after_s) == (code, status, 2.0)


@every_codec
def test_tool_calls_and_their_results_meet_again(codec: Codec, can: Can) -> None:
    """Two calls in one turn and their two results keep their ids and their order."""
    request = ChatRequest(
        model="m",
        max_tokens=1,
        messages=(
            user("Weather and time?"),
            assistant(
                ToolCall(id="a", name="weather", raw_arguments='{"city":"Paris"}'),
                ToolCall(id="b", name="time", raw_arguments="{}"),
            ),
            tool_result("a", "sunny"),
            tool_result("b", "noon"),
            user("And tomorrow?"),
        ),
    )

    assert codec.decode_request(codec.encode_request(request)) == request
