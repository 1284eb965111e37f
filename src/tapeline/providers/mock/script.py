"""What the mock says: the replies it was given, or one it makes up for the request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from random import Random
from typing import Any, TypeAlias, cast

from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.providers.errors import invalid_request
from tapeline.providers.mock.chance import Chance
from tapeline.providers.mock.faults import sendable
from tapeline.providers.mock.instances import instance_of
from tapeline.providers.mock.wording import fitted, heard, made_up, prompt_tokens, tokens_of
from tapeline.types import (
    ChatRequest,
    Message,
    Refusal,
    Reply,
    Text,
    Thinking,
    Tool,
    ToolCall,
    Usage,
    assistant,
)

Answer: TypeAlias = (
    str | Mapping[str, Any] | Text | Thinking | Refusal | ToolCall | Message | Reply | ErrorCode | LLMError
)
"""What a reply may be written as. A mapping is said as JSON; a Reply is given as it is."""

Line: TypeAlias = Answer | Callable[[ChatRequest], Answer]
"""A reply, or what makes it of the request. It may also raise the LLMError that the caller shall get."""


class Script:
    """Decides what is said.

    First `tool_calls`, wherever tools are offered and no result has come yet; then the `replies` in turn,
    the last one for ever. Without replies: a call of the tool that must be called, an instance of the
    schema, made-up `words` (from, to), or the last message again.
    """

    def __init__(
        self,
        *,
        replies: Line | Sequence[Line] = (),
        words: int | tuple[int, int] | None = None,
        thinking: str = "",
        tool_calls: Sequence[ToolCall] = (),
        usage: Usage = Usage(),
    ) -> None:
        self._lines = _lines(replies)
        self._words = (words, words) if isinstance(words, int) else words
        self._thinking = thinking
        self._tool_calls = tuple(tool_calls)
        self._usage = usage
        self._said = 0
        self._check()

    def _check(self) -> None:
        for line in self._lines:
            if isinstance(line, (ErrorCode, LLMError)):
                sendable(line)
        if self._words is not None and not 1 <= self._words[0] <= self._words[1]:
            raise ConfigError(f"words is how many, or (from, to), at least 1; not {self._words}")

    def rewind(self) -> None:
        """Begin with the first reply again."""
        self._said = 0

    def reply(self, request: ChatRequest, *, number: int, chance: Chance) -> Reply:
        """Return the reply to call `number`. Raises LLMError where it is to be an error."""
        reply = self._written(self._answer(request, number, chance), request)
        return replace(
            reply,
            usage=overlaid(overlaid(counted(request, reply), self._usage), reply.usage),
            model=reply.model or request.model,
            id=reply.id or f"mock-{number}",
        )

    def _answer(self, request: ChatRequest, number: int, chance: Chance) -> Answer:
        if self._tool_calls and is_waiting_for_tools(request):
            return assistant(*self._tool_calls)
        if self._lines:
            return self._next_line(request)
        if (tool := forced_tool(request)) is not None:
            arguments = json.dumps(instance_of(tool.parameters))
            return ToolCall(id=f"call_{number}", name=tool.name, raw_arguments=arguments)
        if request.schema is not None:
            return json.dumps(instance_of(request.schema))
        return heard(request.messages[-1]) if self._words is None else self._made_up(self._words, chance)

    def _next_line(self, request: ChatRequest) -> Answer:
        line = self._lines[min(self._said, len(self._lines) - 1)]
        self._said += 1
        return line(request) if callable(line) else line

    def _made_up(self, words: tuple[int, int], chance: Chance) -> str:
        random = Random(chance.key)
        low, high = words
        count = low + int(random.random() * (high - low + 1))
        return made_up(max(1, round(count * chance.length)), random)

    def _written(self, answer: Answer, request: ChatRequest) -> Reply:
        match answer:
            case Reply():
                return answer
            case ErrorCode() | LLMError():  # before str, which a code is too
                raise sendable(answer)
            case str():
                text, is_cut = fitted(answer, request)
                return self._thought(assistant(text), is_cut=is_cut)
            case Mapping():
                return self._written(json.dumps(answer), request)
            case Message():
                return self._thought(answer)
            case Text() | Thinking() | Refusal() | ToolCall():
                return self._thought(assistant(answer))
        raise ConfigError(f"{type(answer).__name__!r} is no reply: write text, a Message or a Reply")

    def _thought(self, message: Message, *, is_cut: bool = False) -> Reply:
        """Return the reply that says the message, after thinking."""
        if self._thinking:
            message = assistant(Thinking(text=self._thinking), *message.content)
        calls = any(isinstance(part, ToolCall) for part in message.content)
        return Reply(message=message, finish_reason="length" if is_cut else "tool_calls" if calls else "stop")


def _lines(replies: Line | Sequence[Line]) -> tuple[Line, ...]:
    """Return one reply, which may be a str, or several."""
    if isinstance(replies, (list, tuple)):
        return tuple(replies)
    return (cast(Line, replies),)


def is_waiting_for_tools(request: ChatRequest) -> bool:
    """Whether tools are offered, and none has answered since the user spoke."""
    if not request.tools or request.tool_choice == "none":
        return False
    turns = (message.role for message in reversed(request.messages) if message.role in ("user", "tool"))
    return next(turns, "user") == "user"


def forced_tool(request: ChatRequest) -> Tool | None:
    """Return the tool that has to be called, or None where the model may speak instead."""
    if request.tool_choice in (None, "auto", "none"):
        return None
    for tool in request.tools:
        if request.tool_choice in ("required", tool.name):
            return tool
    raise invalid_request(f"tool_choice is {request.tool_choice!r}, but no such tool is offered")


def counted(request: ChatRequest, reply: Reply) -> Usage:
    """Count the tokens of a call: words of the prompt, chunks of the answer."""
    tokens = [(part, tokens_of(part)) for part in reply.message.content]
    thought = sum(count for part, count in tokens if isinstance(part, Thinking))
    return Usage(
        input_tokens=prompt_tokens(request),
        output_tokens=sum(count for _, count in tokens),
        cached_input_tokens=0,
        reasoning_tokens=thought or None,
    )


def overlaid(usage: Usage, over: Usage) -> Usage:
    """Return `usage`, its figures replaced by those that `over` has."""
    if over == Usage():
        return usage
    given = {field.name: getattr(over, field.name) for field in fields(over)}
    return replace(usage, **{name: count for name, count in given.items() if count is not None})
