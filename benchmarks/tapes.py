"""Cassettes written by hand: vcrpy's format 1 with our times, the same bytes at every commit."""

from __future__ import annotations

from benchmarks.wire import WIRES

URL = "http://127.0.0.1/v1/chat/completions"


def request_body(number: int) -> bytes:
    """Return the body of request `number`: all go to one URL and differ in one word only."""
    return (
        b'{"model":"gpt-5.4-mini","messages":[{"role":"user","content":"Tell me about number %d."}],'
        b'"stream":true,"stream_options":{"include_usage":true}}' % number
    )


def cassette(interactions: int, chunks: int) -> str:
    """Return the text of a cassette of streamed answers, `chunks` text deltas each."""
    blocks = WIRES["openai"].stream(chunks)
    body = b"".join(blocks).decode()
    lines = "".join(f"        {line}" if line.strip() else line for line in body.splitlines(keepends=True))
    times = " ".join(f"{len(block)}+{10 * number}" for number, block in enumerate(blocks))
    items = (_interaction(number, lines, times) for number in range(interactions))
    return "version: 1\ninteractions:\n" + "".join(items)


def _interaction(number: int, body_lines: str, times: str) -> str:
    return f"""\
- request:
    method: POST
    uri: {URL}
    body: '{request_body(number).decode()}'
    headers:
      content-type:
      - application/json
  response:
    status:
      code: 200
      message: OK
    headers:
      content-type:
      - text/event-stream
    body:
      string: |+
{body_lines}    timing:
      v: 1
      head_ms: 50.0
      chunks: {times}
    meta:
      recorded_at: '2026-01-01T00:00:00+00:00'
"""
