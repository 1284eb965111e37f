"""How a scenario talks to a model: turn after turn, with the tools it has, plain or streamed.

Written once for the blocking and the asyncio face: what asks is passed in. The rounds of tools are those of
`model.run_tools`, but of streamed answers too, and a tool that nothing runs ends the turn with its calls.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from tapeline.client.tool_loop import ToolRun, is_final
from tapeline.clock import NS_PER_S, Clock
from tapeline.errors import ErrorCode, LLMError
from tapeline.scenarios.outcome import Turn
from tapeline.scenarios.schema import Scenario
from tapeline.scenarios.targets import Target
from tapeline.tools import arun_tool
from tapeline.types import Chunk, Message, Reply, Tool, messages_of


class Answer(NamedTuple):
    """A reply, and the chunks it was streamed in."""

    reply: Reply
    chunks: tuple[Chunk, ...] = ()


Ask: TypeAlias = Callable[[tuple[Message, ...], Mapping[str, Any]], Awaitable[Answer]]
"""(conversation, keyword arguments of the call) -> answer."""


def call_arguments(scenario: Scenario, target: Target, folder: Path = Path()) -> dict[str, Any]:
    """Return the keyword arguments of a call: the scenario's options, the target's own over them."""
    arguments = {**scenario.options.given(), **target.options.given(), "schema": scenario.json_schema}
    if scenario.tools:
        arguments["tools"] = [spec.tool(folder) for spec in scenario.tools]
    if scenario.tool_choice is not None:
        arguments["tool_choice"] = scenario.tool_choice
    return arguments


async def converse(
    scenario: Scenario, target: Target, *, folder: Path, clock: Clock, ask: Ask
) -> AsyncIterator[Turn]:
    """Yield each turn when it has been answered. Raises LLMError of a call, ConfigError.

    Raises LLMError (tool_call_error) too if the model still calls tools after `max_rounds` rounds.
    """
    arguments = call_arguments(scenario, target, folder)
    messages = messages_of(scenario.conversation(folder))
    for turn in scenario.turns or (None,):
        if turn is not None:
            messages = (*messages, turn.message(folder))
        answered = await _answered(scenario, messages, arguments, clock=clock, ask=ask)
        messages = answered.run.messages
        yield answered


async def _answered(
    scenario: Scenario, messages: tuple[Message, ...], arguments: dict[str, Any], *, clock: Clock, ask: Ask
) -> Turn:
    began_ns = clock.now_ns()
    tools = {tool.name: tool for tool in arguments.get("tools", ())}
    replies: list[Reply] = []
    chunks: list[Chunk] = []
    asked_s: list[float] = []
    while True:
        asked_s.append((clock.now_ns() - began_ns) / NS_PER_S)
        reply, streamed = await ask(messages, arguments)
        replies.append(reply)
        chunks += streamed
        messages = (*messages, reply.message)
        if is_final(reply, scenario.json_schema) or not _can_run(reply, tools):
            return Turn(
                run=ToolRun(replies=tuple(replies), messages=messages),
                chunks=tuple(chunks),
                asked_s=tuple(asked_s),
                total_s=(clock.now_ns() - began_ns) / NS_PER_S,
            )
        if len(replies) > scenario.max_rounds:
            raise _endless(scenario, reply)
        results = [await arun_tool(tools, call) for call in reply.tool_calls]
        messages = (*messages, *(Message("tool", (result,)) for result in results))
        arguments = _unforced(arguments)


def _can_run(reply: Reply, tools: Mapping[str, Tool]) -> bool:
    """Whether something answers every call; a tool the model made up is answered with an error."""
    return all(call.name not in tools or tools[call.name].function for call in reply.tool_calls)


def _unforced(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments without a tool choice that would force a call in every round."""
    if arguments.get("tool_choice", "auto") in ("auto", "none"):
        return arguments
    return {name: value for name, value in arguments.items() if name != "tool_choice"}


def _endless(scenario: Scenario, reply: Reply) -> LLMError:
    return LLMError(
        f"the model still calls tools after {scenario.max_rounds} rounds; raise the scenario's max_rounds, "
        "or look at what it is told",
        code=ErrorCode.TOOL_CALL_ERROR,
        partial=reply,
    )
