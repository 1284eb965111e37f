"""Codecs: one wire format each, as pure functions of bytes. No sockets, no SDKs, no asyncio.

`codec` says what a codec is, `paths` which one a request belongs to. Each format is a package, `openai`,
`openai_responses`, `anthropic`, `bedrock`, `ollama`, and all five have the same files:

    wire      the JSON of the format, as structs of the fields we map
    content   the parts of one message
    request   a whole request
    reply     a whole answer: its content, why it ended, what it cost
    stream    an answer in pieces
    errors    the format's words for what went wrong
    codec     all of these behind the one interface

A few have one more, for what only they need: the `capabilities` of models, `collected` for what has come
of a stream that repeats itself.

`content`, `request`, `reply`, `stream` and `errors` hold both directions: as a client, and as a server.

What the formats share: `bodies` (JSON), `inline` (media in JSON), `schemas`, `tools`, `delivery` (chunks
first, then the error behind them), `errors`, and the framings of a stream: `sse`, `ndjson`, `eventstream`.
`assembly` makes a reply of chunks and chunks of a reply; `mock` answers without a model.
"""
