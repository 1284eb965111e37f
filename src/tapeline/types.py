"""The words of the library: messages, requests, chunks, replies, usage, timing.

Plain values, the same for every provider; nothing here knows a wire format or sends anything.
Token counts are ints (None: the provider did not say), durations are seconds, money is USD.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

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
class Image:
    """A picture: its bytes or its URL, one of the two."""

    media_type: str
    data: bytes | None = None
    url: str | None = None

    @classmethod
    def from_path(cls, path: str | Path) -> Image:
        """Read a picture file; the type follows from the name. Raises ValueError if it is no image type."""
        media_type = mimetypes.guess_type(str(path))[0] or ""
        if not media_type.startswith("image/"):
            raise ValueError(
                f"{path}: not a known image type ({media_type or 'no type'}); pass Image(media_type=, data=)"
            )
        return cls(media_type=media_type, data=Path(path).read_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """The model's reasoning. `signature` proves it to the provider that wrote it; `redacted` is opaque."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


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
    """What a tool answered to the call `id`."""

    id: str
    content: str
    is_error: bool = False


Part: TypeAlias = Text | Image | Thinking | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: tuple[Part, ...]

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.content if isinstance(part, Text))


def system(*content: str | Part) -> Message:
    """Return a system message."""
    return Message("system", _parts(content))


def user(*content: str | Part) -> Message:
    """Return a user message."""
    return Message("user", _parts(content))


def assistant(*content: str | Part) -> Message:
    """Return an assistant message, such as an earlier turn."""
    return Message("assistant", _parts(content))


def tool_result(id: str, content: str, *, is_error: bool = False) -> Message:
    """Return the message that answers the tool call `id`."""
    return Message("tool", (ToolResult(id=id, content=content, is_error=is_error),))


def _parts(content: Iterable[str | Part]) -> tuple[Part, ...]:
    return tuple(Text(part) if isinstance(part, str) else part for part in content)


Prompt: TypeAlias = "str | Message | Iterable[Message]"


def messages_of(prompt: Prompt) -> tuple[Message, ...]:
    """Return what a caller may pass (a str, a message, several messages) as messages."""
    if isinstance(prompt, str):
        return (user(prompt),)
    if isinstance(prompt, Message):
        return (prompt,)
    return tuple(prompt)


# Requests -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool the model may call. `parameters` is the JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: Mapping[str, Json] = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One call, in nobody's wire format. None means: leave it to the provider.

    schema: the JSON schema the answer must follow; schema_name: a name for it, as some APIs want one.
    extra: fields put into the request body as they are, over everything else.
    """

    model: str
    messages: tuple[Message, ...]
    is_stream: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: tuple[Tool, ...] = ()
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


@dataclass(slots=True, kw_only=True)
class ToolCallDelta:
    """A piece of tool call number `index`: its id and name come once, its arguments in fragments."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(slots=True, kw_only=True)
class Chunk:
    """What one streamed event brought; most fields are empty in most chunks. `raw` is the event itself.

    Not frozen, unlike its neighbours: there is one per token, and a frozen dataclass costs five times
    as much to build. The client stamps `at_s` (seconds from the start of the call).
    """

    text: str = ""
    thinking: str = ""
    signature: str | None = None
    redacted: str | None = None
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
        return bool(self.text or self.thinking or self.tool_call_deltas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer.

    finish_reason: in tapeline's words; the provider's own word is in `raw`.
    parsed: the validated value when a schema was asked for. cost_usd: None where no price is known.
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
    wire: bytes | tuple[bytes, ...] = field(default=b"", repr=False)

    @property
    def text(self) -> str:
        return self.message.text

    @property
    def thinking(self) -> str:
        return "".join(part.text for part in self.message.content if isinstance(part, Thinking))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.message.content if isinstance(part, ToolCall))

    @property
    def raw(self) -> Json:
        """Everything the provider sent: the JSON body, or the list of JSON events of a stream."""
        if isinstance(self.wire, bytes):
            return json.loads(self.wire) if self.wire else None
        return [json.loads(event) for event in self.wire]


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
class ChatModel(Generator, Streamer, Protocol):
    """A model to talk to."""


@runtime_checkable
class LLM(Protocol):
    """The small interface: text in, text out."""

    def invoke(self, prompt: str) -> str: ...
