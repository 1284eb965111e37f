"""Calling a model, running the tools it asks for, and telling it the results, until it wants no more.

What a tool does wrong is told to the model, which may mend it. Only the bound on rounds ends the loop
with an error: a model that keeps calling tools would go on spending for ever.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial, reduce
from typing import Any, TypeAlias

from tapeline import structured
from tapeline.client.core import Core, Question
from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.http.io import Io
from tapeline.types import Message, Reply, Tool, ToolCall, ToolResult, Usage

RunTool: TypeAlias = Callable[[Mapping[str, Tool], ToolCall], Coroutine[Any, Any, ToolResult]]

TOOLS_AT_ONCE = 16
"""How many tools of one round may run side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """A conversation with tools, come to its end.

    replies: all answers, the last one being the final. messages: the whole conversation, to go on from.
    """

    replies: tuple[Reply, ...]
    messages: tuple[Message, ...]

    @property
    def reply(self) -> Reply:
        """The final answer."""
        return self.replies[-1]

    @property
    def text(self) -> str:
        return self.reply.text

    @property
    def parsed(self) -> Any:
        return self.reply.parsed

    @property
    def rounds(self) -> int:
        """How often tools were run."""
        return len(self.replies) - 1

    @property
    def usage(self) -> Usage:
        """The tokens of all answers together."""
        return reduce(added_usage, (reply.usage for reply in self.replies))

    @property
    def cost_usd(self) -> Decimal | None:
        """The cost of all answers together; None if that of one is not known."""
        costs = [reply.cost_usd for reply in self.replies]
        return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))


async def run_tools(
    core: Core,
    io: Io,
    question: Question,
    *,
    generate: Callable[[Question], Awaitable[Reply]],
    run_tool: RunTool,
    max_rounds: int,
) -> ToolRun:
    """Run the loop. Raises LLMError of a call, or tool_call_error after `max_rounds` rounds of tools."""
    tools = {tool.name: tool for tool in question.request.tools}
    if unable := [name for name, tool in tools.items() if tool.function is None]:
        raise ConfigError(f"nothing runs the tools {', '.join(unable)}: give them a function")
    replies: list[Reply] = []
    request, messages = question.request, question.request.messages
    while True:
        reply = await generate(replace(question, request=replace(request, messages=messages)))
        replies.append(reply)
        messages = (*messages, reply.message)
        if is_final(reply, question.schema):
            return ToolRun(replies=tuple(replies), messages=messages)
        if len(replies) > max_rounds:
            error = LLMError(
                f"the model still calls tools after {max_rounds} rounds; raise max_rounds, or look at "
                "what it is told",
                code=ErrorCode.TOOL_CALL_ERROR,
                partial=reply,
            )
            raise core.placed(error, core.primary, "run_tools")
        jobs = [partial(run_tool, tools, call) for call in reply.tool_calls]
        results = await io.gather(jobs, max_concurrency=TOOLS_AT_ONCE)
        messages = (*messages, *(Message("tool", (result,)) for result in results))
        if request.tool_choice not in ("auto", "none"):
            request = replace(request, tool_choice=None)  # a call that is forced every time has no end


def is_final(reply: Reply, schema: Any) -> bool:
    """Whether a reply ends the conversation: it calls no tool, was cut off, or is the answer to a schema."""
    if not reply.tool_calls or reply.finish_reason not in ("tool_calls", "stop", None):
        return True
    return schema is not None and structured.is_answer(reply, schema)


def added_usage(one: Usage, other: Usage) -> Usage:
    """Return the tokens of two answers together. What neither says stays unknown."""

    def added(name: str) -> int | None:
        counts = [count for usage in (one, other) if (count := getattr(usage, name)) is not None]
        return sum(counts) if counts else None

    return Usage(**{name: added(name) for name in Usage.__dataclass_fields__})
