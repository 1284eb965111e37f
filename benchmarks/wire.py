"""The bytes the benchmarks decode: one short answer in each wire format, streamed and whole.

Written by hand from the vendors' API references, and fixed: the repository's cassettes may be recorded
again, which would move figures without a change of code. `CHUNK` is one text delta of about one token.
Bedrock's frames are built here rather than by tapeline, whose encoder is itself under test.
"""

from __future__ import annotations

import struct
from binascii import crc32
from dataclasses import dataclass

OPENAI_MODEL = "gpt-5.4-mini"
ANTHROPIC_MODEL = "claude-haiku-5-5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One provider's answer. A stream is `first`, then `chunk` as often as you like, then `last`."""

    model: str
    stream_media_type: str
    first: tuple[bytes, ...]
    chunk: bytes
    last: tuple[bytes, ...]
    reply: bytes

    def stream(self, chunks: int) -> list[bytes]:
        """Return a streamed body with `chunks` text deltas, one block per event."""
        return [*self.first, *[self.chunk] * chunks, *self.last]


# Server-sent events: OpenAI and Anthropic ---------------------------------------------------------------


def _openai_event(choices: str, usage: str = "null") -> bytes:
    return (
        'data: {"id":"chatcmpl-benchmark","object":"chat.completion.chunk","created":1700000000,'
        f'"model":"{OPENAI_MODEL}","service_tier":"default","system_fingerprint":"fp_benchmark",'
        f'"choices":{choices},"usage":{usage},"obfuscation":"aBcDeFgH"}}\n\n'
    ).encode()


def _openai_choice(delta: str, finish_reason: str = "null") -> str:
    return f'[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}]'


_OPENAI_USAGE = (
    '{"prompt_tokens":12,"completion_tokens":40,"total_tokens":52,'
    '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":'
    '{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
)
_SENTENCE = "A tape measure shows how long things are, and a tape keeps what was said. " * 4

_OPENAI = Wire(
    model=OPENAI_MODEL,
    stream_media_type="text/event-stream",
    first=(_openai_event(_openai_choice('{"role":"assistant","content":"","refusal":null}')),),
    chunk=_openai_event(_openai_choice('{"content":" measure"}')),
    last=(
        _openai_event(_openai_choice("{}", '"stop"')),
        _openai_event("[]", _OPENAI_USAGE),
        b"data: [DONE]\n\n",
    ),
    reply=(
        '{"id":"chatcmpl-benchmark","object":"chat.completion","created":1700000000,'
        f'"model":"{OPENAI_MODEL}","choices":[{{"index":0,"message":{{"role":"assistant",'
        f'"content":"{_SENTENCE}","refusal":null,"annotations":[]}},"logprobs":null,'
        f'"finish_reason":"stop"}}],"usage":{_OPENAI_USAGE},"service_tier":"default",'
        '"system_fingerprint":"fp_benchmark"}'
    ).encode(),
)


def _responses_event(kind: str, fields: str) -> bytes:
    return f'event: {kind}\ndata: {{"type":"{kind}",{fields}}}\n\n'.encode()


def _response(status: str, output: str, usage: str = "null") -> str:
    return (
        f'{{"id":"resp_benchmark","object":"response","created_at":1700000000,"status":"{status}",'
        f'"error":null,"incomplete_details":null,"model":"{OPENAI_MODEL}","output":{output},'
        '"parallel_tool_calls":true,"reasoning":{"effort":null,"summary":null},"store":true,'
        '"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0,'
        f'"truncation":"disabled","usage":{usage},"metadata":{{}}}}'
    )


def _responses_message(text: str) -> str:
    return (
        '[{"id":"msg_benchmark","type":"message","status":"completed","role":"assistant","content":'
        f'[{{"type":"output_text","annotations":[],"logprobs":[],"text":"{text}"}}]}}]'
    )


_RESPONSES_USAGE = (
    '{"input_tokens":12,"input_tokens_details":{"cached_tokens":0},"output_tokens":40,'
    '"output_tokens_details":{"reasoning_tokens":0},"total_tokens":52}'
)
_PLACE = '"item_id":"msg_benchmark","output_index":0,"content_index":0,"sequence_number":4'

_RESPONSES = Wire(
    model=OPENAI_MODEL,
    stream_media_type="text/event-stream",
    first=(
        _responses_event("response.created", f'"response":{_response("in_progress", "[]")}'),
        _responses_event(
            "response.output_item.added",
            '"output_index":0,"item":{"id":"msg_benchmark","type":"message","status":"in_progress",'
            '"role":"assistant","content":[]},"sequence_number":2',
        ),
        _responses_event(
            "response.content_part.added",
            f'{_PLACE},"part":{{"type":"output_text","text":"","annotations":[]}}',
        ),
    ),
    chunk=_responses_event(
        "response.output_text.delta", f'{_PLACE},"delta":" measure","logprobs":[],"obfuscation":"aBcDeFgH"'
    ),
    last=(
        _responses_event(
            "response.completed",
            f'"response":{_response("completed", _responses_message(_SENTENCE), _RESPONSES_USAGE)}',
        ),
    ),
    reply=_response("completed", _responses_message(_SENTENCE), _RESPONSES_USAGE).encode(),
)


def _anthropic_event(kind: str, fields: str = "") -> bytes:
    return f'event: {kind}\ndata: {{"type":"{kind}"{fields}}}\n\n'.encode()


_ANTHROPIC_USAGE = (
    '{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":40}'
)

_ANTHROPIC = Wire(
    model=ANTHROPIC_MODEL,
    stream_media_type="text/event-stream",
    first=(
        _anthropic_event(
            "message_start",
            f',"message":{{"id":"msg_benchmark","type":"message","role":"assistant","model":"{ANTHROPIC_MODEL}",'
            f'"content":[],"stop_reason":null,"stop_sequence":null,"usage":{_ANTHROPIC_USAGE}}}',
        ),
        _anthropic_event("content_block_start", ',"index":0,"content_block":{"type":"text","text":""}'),
        _anthropic_event("ping"),
    ),
    chunk=_anthropic_event(
        "content_block_delta", ',"index":0,"delta":{"type":"text_delta","text":" measure"}'
    ),
    last=(
        _anthropic_event("content_block_stop", ',"index":0'),
        _anthropic_event(
            "message_delta",
            ',"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":40}',
        ),
        _anthropic_event("message_stop"),
    ),
    reply=(
        '{"id":"msg_benchmark","type":"message","role":"assistant",'
        f'"model":"{ANTHROPIC_MODEL}","content":[{{"type":"text","text":"{_SENTENCE}"}}],'
        f'"stop_reason":"end_turn","stop_sequence":null,"usage":{_ANTHROPIC_USAGE}}}'
    ).encode(),
)


# Amazon's event stream: Bedrock -------------------------------------------------------------------------


def _string_header(name: str, value: str) -> bytes:
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()


def _frame(kind: str, payload: str) -> bytes:
    """Return one frame: lengths, their CRC, headers, payload, the CRC of it all."""
    headers = (
        _string_header(":event-type", kind)
        + _string_header(":content-type", "application/json")
        + _string_header(":message-type", "event")
    )
    body = headers + payload.encode()
    lengths = struct.pack("!II", len(body) + 16, len(headers))
    start = lengths + struct.pack("!I", crc32(lengths)) + body
    return start + struct.pack("!I", crc32(start))


_BEDROCK_USAGE = '{"inputTokens":12,"outputTokens":40,"totalTokens":52}'

_BEDROCK = Wire(
    model="amazon.nova-lite-v1:0",
    stream_media_type="application/vnd.amazon.eventstream",
    first=(_frame("messageStart", '{"p":"abcdefgh","role":"assistant"}'),),
    chunk=_frame("contentBlockDelta", '{"contentBlockIndex":0,"delta":{"text":" measure"},"p":"abcdefgh"}'),
    last=(
        _frame("contentBlockStop", '{"contentBlockIndex":0,"p":"abcdefgh"}'),
        _frame("messageStop", '{"p":"abcdefgh","stopReason":"end_turn"}'),
        _frame("metadata", f'{{"metrics":{{"latencyMs":500}},"p":"abcdefgh","usage":{_BEDROCK_USAGE}}}'),
    ),
    reply=(
        f'{{"metrics":{{"latencyMs":500}},"output":{{"message":{{"content":[{{"text":"{_SENTENCE}"}}],'
        f'"role":"assistant"}}}},"stopReason":"end_turn","usage":{_BEDROCK_USAGE}}}'
    ).encode(),
)


# Lines of JSON: Ollama ----------------------------------------------------------------------------------


def _ollama_line(content: str, end: str = '"done":false') -> bytes:
    return (
        f'{{"model":"llama3.2","created_at":"2026-01-01T00:00:00.000000000Z",'
        f'"message":{{"role":"assistant","content":"{content}"}},{end}}}\n'
    ).encode()


_OLLAMA_END = (
    '"done":true,"done_reason":"stop","total_duration":500000000,"load_duration":1000000,'
    '"prompt_eval_count":12,"prompt_eval_duration":10000000,"eval_count":40,"eval_duration":400000000'
)

_OLLAMA = Wire(
    model="llama3.2",
    stream_media_type="application/x-ndjson",
    first=(),
    chunk=_ollama_line(" measure"),
    last=(_ollama_line("", _OLLAMA_END),),
    reply=_ollama_line(_SENTENCE, _OLLAMA_END),
)

WIRES = {
    "openai": _OPENAI,
    "openai-responses": _RESPONSES,
    "anthropic": _ANTHROPIC,
    "bedrock": _BEDROCK,
    "ollama": _OLLAMA,
}
PROVIDERS = list(WIRES)
