"""The words of the library: messages, requests, chunks, replies, usage, timing.

Plain values, the same for every provider; nothing here knows a wire format or sends anything.
Token counts are ints (None: the provider did not say), durations are seconds, money is USD.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, get_args, runtime_checkable

import msgspec

from tapeline.capabilities import Health
from tapeline.media import Audio, Document, Image

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "error"]
Json: TypeAlias = Any
"""A JSON value, as `json.loads` returns it."""


# Content --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """The model's reasoning, to be given back as it came.

    signature: what proves it to the provider that wrote it; of OpenAI, the reasoning itself, encrypted.
    redacted: reasoning that only the provider can read. id: only OpenAI's Responses API gives one, and
    only there is reasoning with an id given back.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the model will not answer, where the API tells that apart from text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePoint:
    """A mark: cache the prompt up to here. Providers that cache by themselves, or not at all, skip it."""

    ttl: Literal["5m", "1h"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model asks for a tool. `raw_arguments` is JSON text exactly as the model wrote it."""

    id: str
    name: str
    raw_arguments: str = "{}"

    @property
    def arguments(self) -> dict[str, Json]:
        """The arguments as a dict. Raises ValueError if the model did not write a JSON object."""
        value = json.loads(self.raw_arguments or "{}")
        if not isinstance(value, dict):
            raise ValueError(f"arguments of {self.name} are not a JSON object: {self.raw_arguments[:80]}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool answered to the call `id`: text alone, or text with pictures and documents."""

    id: str
    content: str | tuple[Text | Image | Document, ...]
    is_error: bool = False

    @property
    def text(self) -> str:
        """The text alone, for APIs that take no more than that."""
        return self.content if isinstance(self.content, str) else _text(self.content)

    @property
    def parts(self) -> tuple[Text | Image | Document, ...]:
        """The content as parts; no text, no part."""
        if isinstance(self.content, str):
            return (Text(self.content),) if self.content else ()
        return self.content


Part: TypeAlias = Text | Image | Document | Audio | Thinking | Refusal | CachePoint | ToolCall | ToolResult
_PARTS = get_args(Part)
P = TypeVar("P", bound=Part)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. Raises TypeError for content that is no part: it would not be sent."""

    role: Role
    content: tuple[Part, ...]

    def __post_init__(self) -> None:
        for part in self.content:
            if not isinstance(part, _PARTS):
                raise TypeError(
                    f"a message holds parts such as tapeline.Text(...), not {type(part).__name__!r}; "
                    "user(...) and its like take text as it is"
                )

    @property
    def text(self) -> str:
        return _text(self.content)


def _text(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


def system(*content: str | Part) -> Message:
    """Return a system message."""
    return Message("system", _parts(content))


def user(*content: str | Part) -> Message:
    """Return a user message."""
    return Message("user", _parts(content))


def assistant(*content: str | Part) -> Message:
    """Return an assistant message, such as an earlier turn."""
    return Message("assistant", _parts(content))


def tool_result(id: str, *content: str | Text | Image | Document, is_error: bool = False) -> Message:
    """Return the message that answers the tool call `id`."""
    match content:
        case (str(text),):
            result = ToolResult(id=id, content=text, is_error=is_error)
        case _:
            result = ToolResult(id=id, content=_parts(content), is_error=is_error)
    return Message("tool", (result,))


def _parts(content: Iterable[str | P]) -> tuple[P | Text, ...]:
    return tuple(Text(part) if isinstance(part, str) else part for part in content)


Prompt: TypeAlias = "str | Message | Iterable[Message]"


def messages_of(prompt: Prompt) -> tuple[Message, ...]:
    """Return what a caller may pass (a str, a message, several messages) as messages. Raises TypeError."""
    if isinstance(prompt, str):
        return (user(prompt),)
    if isinstance(prompt, Message):
        return (prompt,)
    if not isinstance(prompt, Iterable):
        raise TypeError(f"a prompt is a str, a Message or several Messages, not {type(prompt).__name__!r}")
    messages = tuple(prompt)
    for message in messages:
        if not isinstance(message, Message):
            raise TypeError(
                f"a prompt is a str, a Message or several Messages, not {type(message).__name__!r} among "
                'them: write tapeline.system("..."), user("...") or assistant("...")'
            )
    return messages


# Requests -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool the model may call. `parameters` is the JSON schema of its arguments.

    function: what runs it, called with the arguments by keyword; None if the caller runs it himself.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Json] = field(default_factory=lambda: {"type": "object", "properties": {}})
    function: Callable[..., Any] | None = field(default=None, compare=False, repr=False)


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | str
"""Whether the model calls a tool: as it likes, never, at least one; any other word is the tool to call."""

ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much a model shall think before it answers. Which of these a model knows is its own affair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One call, in nobody's wire format. None means: leave it to the provider.

    schema: the JSON schema the answer must follow; schema_name: a name for it, as some APIs want one.
    metadata: labels the provider stores with the call. service_tier: in the provider's own words.
    extra: fields put into the request body as they are, over everything else.
    """

    model: str
    messages: tuple[Message, ...]
    is_stream: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    reasoning_effort: ReasoningEffort | None = None
    service_tier: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    schema: Mapping[str, Json] | None = None
    schema_name: str = "answer"
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """An HTTP request without a host. `path` may hold a query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


# Answers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider billed them. `input_tokens` includes cached and cache-written ones."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def total_tokens(self) -> int | None:
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds from the start of the call. `ttft_s` is None when nothing was streamed.

    ttft_s: to the first text, thinking or tool delta that is not empty. chunk_at_s: each such delta.
    """

    total_s: float
    ttft_s: float | None = None
    chunk_at_s: tuple[float, ...] = ()


class ToolCallDelta(msgspec.Struct, kw_only=True, gc=False):
    """A piece of tool call number `index`: its id and name come once, its arguments in fragments."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class Chunk(msgspec.Struct, kw_only=True, gc=False):
    """What one streamed event brought; most fields are empty in most chunks. `raw` is the event itself.

    A struct and not frozen, unlike its neighbours: there is one per token, and a dataclass costs five times
    as much to build, a frozen one more again. The client stamps `at_s` (seconds from the start of the call).
    """

    text: str = ""
    thinking: str = ""
    refusal: str = ""
    signature: str | None = None
    redacted: str | None = None
    thinking_id: str | None = None
    tool_call_deltas: tuple[ToolCallDelta, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    raw: bytes = b""
    at_s: float = 0.0

    @property
    def has_content(self) -> bool:
        """Whether this counts as output: what TTFT and inter-token latency are measured between."""
        return bool(self.text or self.thinking or self.tool_call_deltas or self.refusal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer.

    finish_reason: in tapeline's words; the provider's own word is in `raw`.
    parsed: the validated value when a schema was asked for. cost_usd: None where no price is known.
    is_cached: whether it came from the response cache, at no cost.
    wire: the body of a plain answer, or the events of a streamed one, as received.
    """

    message: Message
    finish_reason: FinishReason | None
    usage: Usage = Usage()
    timing: Timing = Timing(total_s=0.0)
    model: str | None = None
    id: str | None = None
    parsed: Any = None
    cost_usd: Decimal | None = None
    is_cached: bool = False
    wire: bytes | tuple[bytes, ...] = field(default=b"", repr=False)

    @property
    def text(self) -> str:
        return self.message.text

    @property
    def thinking(self) -> str:
        return "".join(part.text for part in self.message.content if isinstance(part, Thinking))

    @property
    def refusal(self) -> str:
        return "".join(part.text for part in self.message.content if isinstance(part, Refusal))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.message.content if isinstance(part, ToolCall))

    @property
    def raw(self) -> Json:
        """Everything the provider sent: the JSON body, or the list of JSON events of a stream.

        Bytes that are no UTF-8, which a field nobody reads may hold, come as U+FFFD.
        """
        if isinstance(self.wire, bytes):
            return _json_of(self.wire) if self.wire else None
        return [_json_of(event) for event in self.wire]


def _json_of(data: bytes) -> Json:
    return json.loads(data.decode("utf-8", "replace"))


# Protocols that third parties implement ---------------------------------------------------------


class Generator(Protocol):
    """Answers at once."""

    def generate(self, prompt: Prompt, **options: Any) -> Reply: ...

    async def agenerate(self, prompt: Prompt, **options: Any) -> Reply: ...


class Streamer(Protocol):
    """Answers in chunks."""

    def stream(self, prompt: Prompt, **options: Any) -> Iterator[Chunk]: ...

    def astream(self, prompt: Prompt, **options: Any) -> AsyncIterator[Chunk]: ...


@runtime_checkable
class HealthChecker(Protocol):
    """Tells whether its provider can be used."""

    def check_health(self) -> Health: ...

    async def acheck_health(self) -> Health: ...


@runtime_checkable
class ChatModel(Generator, Streamer, Protocol):
    """A model to talk to."""


@runtime_checkable
class LLM(Protocol):
    """The small interface: text in, text out."""

    def invoke(self, prompt: str) -> str: ...
