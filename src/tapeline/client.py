"""The client: `chat_model`, and the one core behind its blocking and its asyncio face.

The core is written once, as coroutines that await nothing but an `Io`; it holds no asyncio name, no
clock but the Io's, no randomness but a passed generator. The blocking face drives it without a loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from random import Random
from types import TracebackType
from typing import Any, Self

from tapeline import structured
from tapeline.clock import NS_PER_S, Clock, SystemClock
from tapeline.config import Settings, load_settings
from tapeline.errors import ConfigError, LLMError
from tapeline.http.io import AsyncIo, BlockingIo, Io, Received, iterate_blocking, run_blocking
from tapeline.policies.pricing import cost_usd
from tapeline.policies.retry import RetryPolicy
from tapeline.providers.assembly import Assembler, chunks_of
from tapeline.providers.codec import Codec
from tapeline.registry import Clients, Provider, find_provider
from tapeline.telemetry import CallRecord, call_span
from tapeline.types import ChatRequest, Chunk, Prompt, Reply, messages_of

OPTIONS = frozenset(
    {
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "reasoning_effort",
        "service_tier",
        "metadata",
        "tool_choice",
        "parallel_tool_calls",
        "extra",
    }
)
"""What may be said per call; `schema` besides."""


def chat_model(
    name: str,
    *,
    client: Any = None,
    http_client: Any = None,
    clock: Clock | None = None,
    **settings: Any,
) -> ProviderModel:
    """Return the model "provider:model", such as "openai:gpt-5.4-mini". Sends nothing yet.

    settings: api_key, base_url, region, timeout_s, max_retries and defaults for the options of a call
    (max_tokens, temperature, top_p, stop, seed, extra); tapeline.toml and the environment fill in.
    client: an SDK client you built. http_client: an httpx2 client you built. clock: for tests.
    Raises ConfigError for an unknown provider, a missing key or a wrong setting.
    """
    provider_name, colon, model_name = name.partition(":")
    if not colon or not model_name:
        raise ConfigError(f'{name!r} is no model name; write "provider:model", such as "openai:gpt-5.4-mini"')
    factory = find_provider(provider_name)
    loaded = load_settings(provider_name, settings)
    clock = clock or SystemClock()
    provider = factory(loaded, Clients(client=client, http_client=http_client), clock)
    core = Core(provider=provider, retry=RetryPolicy(attempts=loaded.max_retries + 1))
    return ProviderModel(core, clock, _defaults(model_name, loaded))


def _defaults(model: str, settings: Settings) -> ChatRequest:
    options = {name: getattr(settings, name) for name in OPTIONS}
    return ChatRequest(model=model, messages=(), **options)


class ProviderModel:
    """One model of one provider. Immutable: `bind` returns another."""

    def __init__(self, core: Core, clock: Clock, defaults: ChatRequest) -> None:
        self._core = core
        self._clock = clock
        self._defaults = defaults
        self._blocking = BlockingIo(core.provider.carrier, clock)
        self._asyncio = AsyncIo(core.provider.carrier, clock)

    @property
    def codec(self) -> Codec:
        """The wire format this model speaks."""
        return self._core.provider.codec

    @property
    def provider(self) -> str:
        return self.codec.provider

    @property
    def name(self) -> str:
        return self._defaults.model

    def __repr__(self) -> str:
        return f"chat_model({self.provider}:{self.name})"

    def bind(self, **options: Any) -> ProviderModel:
        """Return the same model with other defaults."""
        return ProviderModel(self._core, self._clock, _with_options(self._defaults, options))

    def generate(self, prompt: Prompt, *, schema: Any = None, **options: Any) -> Reply:
        """Answer at once. schema: a pydantic model, dataclass or JSON schema; the value is in `.parsed`.

        Raises LLMError.
        """
        request = self._request(prompt, schema, options)
        return self._core.parsed(self.answer(request), schema, "generate", request)

    async def agenerate(self, prompt: Prompt, *, schema: Any = None, **options: Any) -> Reply:
        """`generate` for asyncio."""
        request = self._request(prompt, schema, options)
        reply = await self._core.generate(self._asyncio, request)
        return self._core.parsed(reply, schema, "generate", request)

    def stream(self, prompt: Prompt, *, schema: Any = None, **options: Any) -> ReplyStream:
        """Answer in chunks: iterate, or use `with`; the whole is in `.reply` when it has ended."""
        request = replace(self._request(prompt, schema, options), is_stream=True)
        return ReplyStream(self._core, self._blocking, request, schema)

    def astream(self, prompt: Prompt, *, schema: Any = None, **options: Any) -> AsyncReplyStream:
        """`stream` for asyncio."""
        request = replace(self._request(prompt, schema, options), is_stream=True)
        return AsyncReplyStream(self._core, self._asyncio, request, schema)

    def answer(self, request: ChatRequest) -> Reply:
        """Answer a request as it is, its own model and options included. Raises LLMError."""
        return run_blocking(self._core.generate(self._blocking, replace(request, is_stream=False)))

    def answer_stream(self, request: ChatRequest) -> ReplyStream:
        """`answer` in chunks."""
        return ReplyStream(self._core, self._blocking, replace(request, is_stream=True), None)

    def close(self) -> None:
        """Close the connections of the blocking face."""
        self._core.provider.carrier.close()

    async def aclose(self) -> None:
        """Close the connections of the asyncio face."""
        await self._core.provider.carrier.aclose()

    def _request(self, prompt: Prompt, schema: Any, options: Mapping[str, Any]) -> ChatRequest:
        request = replace(_with_options(self._defaults, options), messages=messages_of(prompt))
        if schema is None:
            return request
        return replace(
            request, schema=structured.json_schema(schema), schema_name=structured.schema_name(schema)
        )


def _with_options(request: ChatRequest, options: Mapping[str, Any]) -> ChatRequest:
    """Return `request` with validated options over its own. Raises ConfigError."""
    if not options:
        return request
    if unknown := sorted(set(options) - OPTIONS):
        raise ConfigError(
            f"unknown option {', '.join(unknown)}; known are {', '.join(sorted(OPTIONS))}, schema; "
            "anything else goes into extra={...}"
        )
    from pydantic import ValidationError

    try:
        valid = Settings.model_validate(dict(options))
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        raise ConfigError(f"option {problem['loc'][0]}: {problem['msg']}") from None
    return replace(request, **{name: getattr(valid, name) for name in options})


class _Stream:
    """What both streams share: the chunks of the core, and the reply they add up to."""

    def __init__(self, core: Core, io: Io, request: ChatRequest, schema: Any) -> None:
        self._core = core
        self._request = request
        self._schema = schema
        self._call = StreamedCall(core, io, request)

    @property
    def reply(self) -> Reply:
        """The assembled answer; of a stream that was left early, what had come.

        Raises RuntimeError while the stream is open, LLMError where the answer does not fit the schema.
        """
        if self._call.reply is None:
            raise RuntimeError("the stream has not ended: read it to its end, or close it, before .reply")
        return self._core.parsed(self._call.reply, self._schema, "stream", self._request)


class ReplyStream(_Stream):
    """A streamed answer to iterate over; a context manager that closes the response."""

    def __init__(self, core: Core, io: Io, request: ChatRequest, schema: Any) -> None:
        super().__init__(core, io, request, schema)
        self._chunks: Generator[Chunk, None, None] = iterate_blocking(self._call.chunks())

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def close(self) -> None:
        """Stop reading and release the connection."""
        self._chunks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncReplyStream(_Stream):
    """`ReplyStream` for asyncio."""

    def __init__(self, core: Core, io: Io, request: ChatRequest, schema: Any) -> None:
        super().__init__(core, io, request, schema)
        self._chunks = self._call.chunks()

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self._chunks

    async def __anext__(self) -> Chunk:
        return await self._chunks.__anext__()

    async def aclose(self) -> None:
        """Stop reading and release the connection."""
        await self._chunks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class LLM:
    """The small interface: text in, text out."""

    def __init__(self, name: str, **settings: Any) -> None:
        self._model = chat_model(name, **settings)

    def invoke(self, prompt: str) -> str:
        """Return the text of the answer. Raises LLMError."""
        return self._model.generate(prompt).text

    async def ainvoke(self, prompt: str) -> str:
        """`invoke` for asyncio."""
        return (await self._model.agenerate(prompt)).text


# The core -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One call, from request to reply, on any Io."""

    provider: Provider
    retry: RetryPolicy
    random: Random = field(default_factory=Random)

    @property
    def provider_name(self) -> str:
        return self.provider.codec.provider

    def span(self, request: ChatRequest) -> Any:
        return call_span(request, provider=self.provider_name, base_url=self.provider.carrier.base_url)

    async def generate(self, io: Io, request: ChatRequest) -> Reply:
        start_ns = io.clock.now_ns()
        with self.span(request) as record:
            attempt = 1
            while True:
                try:
                    reply = await self._answer(io, request)
                except LLMError as error:
                    self.placed(error, "generate", request).attempts = attempt
                    await self.wait_or_raise(io, error, attempt, record, start_ns)
                    attempt += 1
                    continue
                timing = replace(reply.timing, total_s=seconds_since(io.clock, start_ns))
                reply = self.priced(replace(reply, timing=timing), request)
                record.finished(reply)
                return reply

    async def _answer(self, io: Io, request: ChatRequest) -> Reply:
        codec = self.provider.codec
        received = await io.send(codec.encode_request(request), is_stream=False)
        try:
            body = await received.read()
        finally:
            await received.close()
        if received.status >= 300:
            raise codec.decode_error(received.status, received.headers, body)
        return codec.decode_response(body)

    async def wait_or_raise(
        self, io: Io, error: LLMError, attempt: int, record: CallRecord, start_ns: int
    ) -> None:
        """Sleep before the next try, or raise the error if there is to be none."""
        delay_s = self.retry.delay_s(attempt, error, self.random)
        if delay_s is None:
            record.failed(error, total_s=seconds_since(io.clock, start_ns))
            raise error
        record.retried(error, attempt=attempt, delay_s=delay_s)
        await io.sleep(delay_s)

    def placed(self, error: LLMError, verb: str, request: ChatRequest) -> LLMError:
        op = f"{self.provider_name}.{verb}"
        return error.placed(op=op, provider=self.provider_name, model=request.model)

    def parsed(self, reply: Reply, schema: Any, verb: str, request: ChatRequest) -> Reply:
        """Return the reply with its value, if a schema was asked for. Raises LLMError (invalid_response)."""
        if schema is None:
            return reply
        try:
            return replace(reply, parsed=structured.parse(reply, schema))
        except LLMError as error:
            self.placed(error, verb, request)
            raise

    def priced(self, reply: Reply, request: ChatRequest) -> Reply:
        model = reply.model or request.model
        price = cost_usd(self.provider_name, model, reply.usage)
        if price is None and model != request.model:
            price = cost_usd(self.provider_name, request.model, reply.usage)
        return replace(reply, cost_usd=price)


class StreamedCall:
    """One streamed call: its chunks, and in the end its reply."""

    def __init__(self, core: Core, io: Io, request: ChatRequest) -> None:
        self._core = core
        self._io = io
        self._request = request
        self._assembler = Assembler()
        self._is_delivering = False
        self.reply: Reply | None = None

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks. Retries as `generate` does, but never once content has been yielded."""
        core, io = self._core, self._io
        start_ns = io.clock.now_ns()
        with core.span(self._request) as record:
            attempt = 1
            while True:
                self._assembler = Assembler()
                try:
                    # aclosing: a generator left to the garbage collector closes its response late, and
                    # inside a running event loop not before the loop turns.
                    async with aclosing(self._one_try(start_ns)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                except LLMError as error:
                    core.placed(error, "stream", self._request).attempts = attempt
                    await self._give_up_or_wait(error, attempt, record, start_ns)
                    attempt += 1
                    continue
                except BaseException as error:
                    if not isinstance(error, Exception):  # closed or cancelled: the caller has left
                        record.abandoned()
                    self._end(start_ns)
                    raise
                record.finished(self._end(start_ns))
                return

    async def _give_up_or_wait(
        self, error: LLMError, attempt: int, record: CallRecord, start_ns: int
    ) -> None:
        if self._is_delivering:
            error.retryable = False
            error.partial = self._end(start_ns)
            record.failed(error, total_s=seconds_since(self._io.clock, start_ns))
            raise error
        await self._core.wait_or_raise(self._io, error, attempt, record, start_ns)

    def _end(self, start_ns: int) -> Reply:
        reply = self._assembler.reply(total_s=seconds_since(self._io.clock, start_ns))
        self.reply = self._core.priced(reply, self._request)
        return self.reply

    async def _one_try(self, start_ns: int) -> AsyncGenerator[Chunk, None]:
        codec = self._core.provider.codec
        received = await self._io.send(codec.encode_request(self._request), is_stream=True)
        try:
            if received.status >= 300:
                raise codec.decode_error(received.status, received.headers, await received.read())
            # What precedes the first content is held back: an error after it can still be retried.
            held: list[Chunk] = []
            async for chunk in self._decoded(received):
                self._take(chunk, start_ns)
                held.append(chunk)
                if self._is_delivering:
                    for ready in held:
                        yield ready
                    held.clear()
            for ready in held:
                yield ready
        finally:
            await received.close()

    def _take(self, chunk: Chunk, start_ns: int) -> None:
        chunk.at_s = seconds_since(self._io.clock, start_ns)
        self._assembler.add(chunk)
        self._is_delivering = self._is_delivering or chunk.has_content

    async def _decoded(self, received: Received) -> AsyncGenerator[Chunk, None]:
        codec = self._core.provider.codec
        if _is_plain_json(received) and "json" not in codec.stream_media_type:
            # Some servers and gateways ignore `stream` and send the whole answer.
            body = await received.read()
            chunks = chunks_of(codec.decode_response(body))
            chunks[-1].raw = body  # the only event there is
            for chunk in chunks:
                yield chunk
            return
        decoder = codec.stream_decoder()
        async for block in received.blocks():
            for chunk in decoder.feed(block):
                yield chunk
        for chunk in decoder.finish():
            yield chunk


def _is_plain_json(received: Received) -> bool:
    return received.headers.get("content-type", "").startswith("application/json")


def seconds_since(clock: Clock, start_ns: int) -> float:
    return (clock.now_ns() - start_ns) / NS_PER_S
