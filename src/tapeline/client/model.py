"""What a caller holds: a model to ask, stream from, give tools and policies to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

from tapeline import structured, tools
from tapeline.capabilities import Health, ModelInfo
from tapeline.client.call import PlainCall
from tapeline.client.core import Core, Question
from tapeline.client.health import MAX_TOKENS, PROMPT, health_after, healthy
from tapeline.client.options import OPTIONS, with_options
from tapeline.client.policies import POLICIES, under_policies
from tapeline.client.stream import AsyncReplyStream, ReplyStream
from tapeline.client.target import Target
from tapeline.client.tool_loop import RunTool, ToolRun, added_usage, run_tools
from tapeline.clock import NS_PER_S, Clock, SystemClock
from tapeline.config import Settings, load_settings
from tapeline.errors import ConfigError, LLMError
from tapeline.http.io import AsyncIo, BlockingIo, Io, run_blocking
from tapeline.policies.retry import RetryPolicy
from tapeline.providers.codec import Codec
from tapeline.registry import Clients, find_provider
from tapeline.telemetry import batch_started
from tapeline.types import ChatRequest, Prompt, Reply, Tool, ToolCall, ToolResult, messages_of

BATCH_CONCURRENCY = 8
TOOL_ROUNDS = 10


def chat_model(
    name: str,
    *,
    client: Any = None,
    http_client: Any = None,
    clock: Clock | None = None,
    **settings: Any,
) -> ProviderModel:
    """Return the model "provider:model", such as "openai:gpt-5.4-mini". Sends nothing yet.

    settings: api_key, base_url, region, timeout_s (the longest silence), max_retries; defaults for the
    options of a call (max_tokens, temperature, ...); the policies that `with_` takes. tapeline.toml and
    the environment fill in.
    client: an SDK client you built. http_client: an httpx2 client you built. clock: for tests.
    Raises ConfigError for an unknown provider, a missing key or a wrong setting.
    """
    provider_name, colon, model_name = name.partition(":")
    if not colon or not model_name:
        raise ConfigError(f'{name!r} is no model name; write "provider:model", such as "openai:gpt-5.4-mini"')
    policies = {policy: settings.pop(policy) for policy in POLICIES & settings.keys()}
    factory = find_provider(provider_name)
    loaded = load_settings(provider_name, settings)
    clock = clock or SystemClock()
    provider = factory(loaded, Clients(client=client, http_client=http_client), clock)
    retry = replace(provider.retry, attempts=loaded.max_retries + 1)
    secrets = (loaded.key,) if loaded.key else ()
    target = Target(provider=provider, model=model_name, retry=retry, secrets=secrets)
    core = Core(targets=(target,))
    model = ProviderModel(core, clock, _defaults(model_name, loaded))
    if loaded.deadline_s is not None:
        policies.setdefault("deadline_s", loaded.deadline_s)
    return model.with_(**policies) if policies else model


def _defaults(model: str, settings: Settings) -> ChatRequest:
    options = {name: getattr(settings, name) for name in OPTIONS}
    return ChatRequest(model=model, messages=(), **options)


class ProviderModel:
    """One model of one provider, with those that step in for it. Immutable: `bind` returns another."""

    def __init__(self, core: Core, clock: Clock, defaults: ChatRequest) -> None:
        self._core = core
        self._clock = clock
        self._defaults = defaults
        self._blocking = BlockingIo(clock)
        self._asyncio = AsyncIo(clock)

    # What it is -------------------------------------------------------------------------------------

    @property
    def codec(self) -> Codec:
        """The wire format this model speaks."""
        return self._core.primary.codec

    @property
    def provider(self) -> str:
        return self.codec.provider

    @property
    def name(self) -> str:
        return self._defaults.model

    @property
    def info(self) -> ModelInfo:
        """Its name, its provider and what it can do."""
        return ModelInfo(name=self.name, provider=self.provider, capabilities=self._core.primary.capabilities)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where its calls may go, itself first."""
        return self._core.targets

    def __repr__(self) -> str:
        return f"chat_model({self.provider}:{self.name})"

    # Others like it ---------------------------------------------------------------------------------

    def bind(self, **options: Any) -> ProviderModel:
        """Return the same model with other defaults for the options of a call, `tools` among them."""
        return ProviderModel(self._core, self._clock, self._with(options))

    def bind_tools(self, sources: Iterable[Any], **options: Any) -> ProviderModel:
        """Return the same model with tools: typed functions, pydantic models, JSON schemas or Tools."""
        return self.bind(tools=sources, **options)

    def with_(self, **policies: Any) -> ProviderModel:
        """Return the same model under other policies.

        retry: a RetryPolicy, or how often to try again. rate_limit: a RateLimit, or a RateLimiter to share.
        breaker: a CircuitBreaker. cache: a ResponseCache. deadline_s: for a call with all its tries.
        fallback: models, or their names, that step in one after the other. route: a Route among them.
        prices: "provider:model" -> Price. None takes a policy away. Raises ConfigError.
        """
        if "fallback" in policies:
            policies["fallback"] = _targets_of(policies["fallback"], self._clock)
        return ProviderModel(under_policies(self._core, policies), self._clock, self._defaults)

    # Asking it ----------------------------------------------------------------------------------------

    def generate(self, prompt: Prompt, *, schema: Any = None, **options: Any) -> Reply:
        """Answer at once. schema: a pydantic model, dataclass or JSON schema; the value is in `.parsed`.

        Raises LLMError; one for an answer that does not fit the schema, after it was told so once.
        """
        return run_blocking(self._generate(self._blocking, self._question(prompt, schema, options)))

    async def agenerate(self, prompt: Prompt, *, schema: Any = None, **options: Any) -> Reply:
        """`generate` for asyncio."""
        return await self._generate(self._asyncio, self._question(prompt, schema, options))

    def stream(self, prompt: Prompt, *, schema: Any = None, **options: Any) -> ReplyStream:
        """Answer in chunks: iterate, or use `with`; the whole is in `.reply` when it has ended."""
        return ReplyStream(self._core, self._blocking, self._streamed(prompt, schema, options))

    def astream(self, prompt: Prompt, *, schema: Any = None, **options: Any) -> AsyncReplyStream:
        """`stream` for asyncio."""
        return AsyncReplyStream(self._core, self._asyncio, self._streamed(prompt, schema, options))

    def answer(self, request: ChatRequest) -> Reply:
        """Answer a request as it is, its own model and options included. Raises LLMError."""
        question = Question(request=replace(request, is_stream=False))
        return run_blocking(PlainCall(self._core_for(request), self._blocking, question).reply())

    def answer_stream(self, request: ChatRequest) -> ReplyStream:
        """`answer` in chunks."""
        question = Question(request=replace(request, is_stream=True))
        return ReplyStream(self._core_for(request), self._blocking, question)

    # Several calls ------------------------------------------------------------------------------------

    def batch(
        self, prompts: Sequence[Prompt], *, max_concurrency: int = BATCH_CONCURRENCY, **options: Any
    ) -> list[Reply | LLMError]:
        """Answer each prompt, up to `max_concurrency` at a time.

        Returns the results in order; that of a call that failed is its error.
        """
        return run_blocking(self._batch(self._blocking, prompts, max_concurrency, options))

    async def abatch(
        self, prompts: Sequence[Prompt], *, max_concurrency: int = BATCH_CONCURRENCY, **options: Any
    ) -> list[Reply | LLMError]:
        """`batch` for asyncio."""
        return await self._batch(self._asyncio, prompts, max_concurrency, options)

    def run_tools(
        self, prompt: Prompt, *, max_rounds: int = TOOL_ROUNDS, schema: Any = None, **options: Any
    ) -> ToolRun:
        """Answer, running tools as often as the model calls them. tools=: as `bind_tools` takes them.

        Raises LLMError (tool_call_error) if the model still calls tools after `max_rounds` rounds.
        """
        question = self._question(prompt, schema, options)
        return run_blocking(self._run_tools(self._blocking, question, _run_tool, max_rounds))

    async def arun_tools(
        self, prompt: Prompt, *, max_rounds: int = TOOL_ROUNDS, schema: Any = None, **options: Any
    ) -> ToolRun:
        """`run_tools` for asyncio; the tools of one round run side by side."""
        question = self._question(prompt, schema, options)
        return await self._run_tools(self._asyncio, question, tools.arun_tool, max_rounds)

    def forget(self, prompt: Prompt, *, schema: Any = None, **options: Any) -> None:
        """Take the answers to this request out of the response cache, the plain one and the streamed one."""
        if self._core.cache is None:
            return
        for is_stream in (False, True):
            question = self._question(prompt, schema, options, is_stream=is_stream)
            self._core.cache.invalidate(self._core.cache_key(question))

    # Health and end -----------------------------------------------------------------------------------

    def check_health(self) -> Health:
        """Ask for one short answer, and return what that tells. What is wrong is in `.detail`, not raised."""
        return run_blocking(self._health(self._blocking))

    async def acheck_health(self) -> Health:
        """`check_health` for asyncio."""
        return await self._health(self._asyncio)

    def close(self) -> None:
        """Close the connections of the blocking face; a later call opens new ones."""
        for target in self._core.targets:
            target.provider.carrier.close()

    async def aclose(self) -> None:
        """Close the connections of the asyncio face on this event loop."""
        for target in self._core.targets:
            await target.provider.carrier.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()

    # How ------------------------------------------------------------------------------------------------

    def _with(self, options: Mapping[str, Any]) -> ChatRequest:
        given = dict(options)
        sources = given.pop("tools", None)
        request = with_options(self._defaults, given)
        if sources is None:
            return request
        return replace(request, tools=tools.as_tools(sources))

    def _question(
        self, prompt: Prompt, schema: Any, options: Mapping[str, Any], *, is_stream: bool = False
    ) -> Question:
        request = replace(self._with(options), messages=messages_of(prompt), is_stream=is_stream)
        question = Question(request=request, schema=schema)
        self._core.check(question)
        return question

    def _core_for(self, request: ChatRequest) -> Core:
        primary, *others = self._core.targets
        return replace(self._core, targets=(replace(primary, model=request.model), *others))

    def _streamed(self, prompt: Prompt, schema: Any, options: Mapping[str, Any]) -> Question:
        return self._question(prompt, schema, options, is_stream=True)

    async def _generate(self, io: Io, question: Question) -> Reply:
        deadline = self._core.deadline(io.clock)
        call = PlainCall(self._core, io, question, deadline)
        reply = await call.reply()
        try:
            return call.parsed(reply)
        except LLMError as error:
            if not structured.is_correctable(error):
                raise
            misfit = error
        # Once: a model that fails again after it was told why will not be taught by a third try.
        corrected = (*question.request.messages, *structured.correction(reply, misfit))
        request = replace(question.request, messages=corrected)
        call = PlainCall(self._core, io, replace(question, request=request), deadline)
        try:
            again = _together(reply, await call.reply())
        except LLMError as error:
            raise misfit from error  # it holds an answer that was paid for
        return call.parsed(again)

    async def _batch(
        self, io: Io, prompts: Sequence[Prompt], max_concurrency: int, options: Mapping[str, Any]
    ) -> list[Reply | LLMError]:
        if max_concurrency < 1:
            raise ConfigError(f"max_concurrency={max_concurrency}: 1 is one call after the other")
        if isinstance(prompts, str):
            raise TypeError("a batch is of several prompts: put the one you have into a list")
        given = dict(options)
        schema = given.pop("schema", None)
        questions = [self._question(prompt, schema, given) for prompt in prompts]
        batch_started(len(questions))

        async def answer(question: Question) -> Reply | LLMError:
            try:
                return await self._generate(io, question)
            except LLMError as error:
                return error

        return await io.gather(
            [partial(answer, question) for question in questions], max_concurrency=max_concurrency
        )

    async def _run_tools(self, io: Io, question: Question, run_tool: RunTool, max_rounds: int) -> ToolRun:
        return await run_tools(
            self._core,
            io,
            question,
            generate=partial(self._generate, io),
            run_tool=run_tool,
            max_rounds=max_rounds,
        )

    async def _health(self, io: Io) -> Health:
        target = replace(self._core.primary, retry=RetryPolicy(attempts=1), breaker=None)
        core = replace(self._core, targets=(target,), cache=None)
        request = ChatRequest(model=target.model, messages=messages_of(PROMPT), max_tokens=MAX_TOKENS)
        start_ns = io.clock.now_ns()
        try:
            reply = await PlainCall(core, io, Question(request=request)).reply()
        except LLMError as error:
            return health_after(error, (io.clock.now_ns() - start_ns) / NS_PER_S)
        return healthy(reply.timing.total_s)


def _targets_of(
    models: Iterable[ProviderModel | str] | ProviderModel | str | None, clock: Clock
) -> list[Target]:
    if isinstance(models, (str, ProviderModel)):
        models = [models]
    return [target for model in models or () for target in _model_of(model, clock).targets]


def _model_of(model: ProviderModel | str, clock: Clock) -> ProviderModel:
    if isinstance(model, str):
        return chat_model(model, clock=clock)
    if not isinstance(model, ProviderModel):
        raise ConfigError(f"fallback takes models and their names, not {model!r:.80}")
    return model


async def _run_tool(known: Mapping[str, Tool], call: ToolCall) -> ToolResult:
    return tools.run_tool(known, call)


def _together(first: Reply, second: Reply) -> Reply:
    """Return the second of two answers, with the tokens, the cost and the time of both."""
    costs = first.cost_usd, second.cost_usd
    return replace(
        second,
        usage=added_usage(first.usage, second.usage),
        cost_usd=None if costs[0] is None or costs[1] is None else costs[0] + costs[1],
        timing=replace(second.timing, total_s=first.timing.total_s + second.timing.total_s),
    )


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
