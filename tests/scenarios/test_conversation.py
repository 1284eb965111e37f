"""Conversations: turn after turn, with the rounds of tools between. No wire: what asks is passed in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tapeline.clock import VirtualClock
from tapeline.errors import ErrorCode, LLMError
from tapeline.http.io import run_blocking
from tapeline.scenarios import Scenario
from tapeline.scenarios.conversation import Answer, call_arguments, converse
from tapeline.scenarios.outcome import Turn
from tapeline.types import Chunk, Message, Reply, Timing, ToolCall, ToolResult, assistant, system, user

SMALLEST = {"name": "a", "targets": [{"model": "openai:m", "options": {"seed": 2}}]}
WEATHER = {"name": "weather", "result": "sunny"}
ROUND_S = 0.5


def scenario(**keys: Any) -> Scenario:
    prompt = {} if keys.keys() & {"turns", "messages"} else {"prompt": "hi"}
    return Scenario.model_validate(SMALLEST | prompt | keys)


def text(words: str) -> Reply:
    timing = Timing(total_s=ROUND_S, ttft_s=0.25, chunk_at_s=(0.25,))
    return Reply(message=assistant(words), finish_reason="stop", timing=timing)


def call(name: str = "weather", finish_reason: Any = "tool_calls") -> Reply:
    return Reply(message=assistant(ToolCall(id="1", name=name)), finish_reason=finish_reason)


class Asked:
    """Answers from a list, half a second each, and keeps what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = iter(replies)
        self.clock = VirtualClock()
        self.conversations: list[tuple[Message, ...]] = []
        self.arguments: list[Mapping[str, Any]] = []

    async def __call__(self, messages: tuple[Message, ...], arguments: Mapping[str, Any]) -> Answer:
        self.conversations.append(messages)
        self.arguments.append(arguments)
        self.clock.sleep(ROUND_S)
        return Answer(next(self._replies), (Chunk(text="x"),))


def talk(spoken: Scenario, ask: Asked) -> list[Turn]:
    async def collected() -> list[Turn]:
        turns = converse(spoken, spoken.targets[0], folder=Path(), clock=ask.clock, ask=ask)
        return [turn async for turn in turns]

    return run_blocking(collected())


def test_one_prompt_is_one_turn() -> None:
    ask = Asked(text("hello"))

    [turn] = talk(scenario(), ask)

    assert (turn.run.text, turn.total_s, turn.ttft_s, turn.chunk_at_s) == ("hello", 0.5, 0.25, (0.25,))
    assert ask.conversations == [(user("hi"),)]


def test_each_turn_is_answered_before_the_next_and_remembered() -> None:
    ask = Asked(text("one"), text("two"))
    spoken = scenario(
        messages=[{"role": "system", "content": "Count."}], turns=["first", {"content": "second"}]
    )

    turns = talk(spoken, ask)

    assert [turn.run.text for turn in turns] == ["one", "two"]
    assert ask.conversations == [
        (system("Count."), user("first")),
        (system("Count."), user("first"), assistant("one"), user("second")),
    ]


def test_tools_are_run_until_the_model_wants_no_more() -> None:
    """Times count from the start of the turn, over its rounds."""
    ask = Asked(call(), text("Sunny."))

    [turn] = talk(scenario(tools=[WEATHER]), ask)

    assert [reply.text for reply in turn.run.replies] == ["", "Sunny."]
    assert ask.conversations[1] == (
        user("hi"),
        call().message,
        Message("tool", (ToolResult(id="1", content="sunny"),)),
    )
    assert (turn.asked_s, turn.total_s, turn.chunk_at_s) == ((0.0, 0.5), 1.0, (0.75,))
    assert len(turn.chunks) == 2


def test_a_tool_that_nothing_runs_ends_the_turn_with_its_calls() -> None:
    ask = Asked(call())

    [turn] = talk(scenario(tools=[{"name": "weather"}]), ask)

    assert [made.name for made in turn.run.reply.tool_calls] == ["weather"]
    assert len(ask.conversations) == 1


def test_a_tool_the_model_made_up_is_answered_with_an_error() -> None:
    ask = Asked(call("tides"), text("Sorry."))

    [turn] = talk(scenario(tools=[WEATHER]), ask)

    assert turn.run.text == "Sorry."
    assert "no tool is called 'tides'" in ask.conversations[1][-1].content[0].content


def test_calls_without_end_are_an_error() -> None:
    ask = Asked(call(), call(), call())

    with pytest.raises(LLMError, match="after 2 rounds; raise the scenario's max_rounds") as raised:
        talk(scenario(tools=[WEATHER], max_rounds=2), ask)

    assert raised.value.code is ErrorCode.TOOL_CALL_ERROR


@pytest.mark.parametrize(
    ("choice", "second"), [("required", None), ("weather", None), ("auto", "auto"), ("none", "none")]
)
def test_a_forced_call_is_forced_once(choice: str, second: str | None) -> None:
    """Or the model could never answer."""
    ask = Asked(call(), text("Sunny."))

    talk(scenario(tools=[WEATHER], tool_choice=choice), ask)

    assert [made.get("tool_choice") for made in ask.arguments] == [choice, second]


def test_arguments_are_the_scenarios_and_the_targets_over_them() -> None:
    made = scenario(options={"seed": 1, "max_tokens": 9}, schema={"type": "object"})

    assert call_arguments(made, made.targets[0]) == {
        "seed": 2,
        "max_tokens": 9,
        "schema": {"type": "object"},
    }
