"""A model that knows the answers to all that the contract asks, and nothing else.

What our providers are recorded from (scripts/record_contract.py) and what the mock says in its own test.
"""

from __future__ import annotations

import json
from typing import Any

from tapeline.providers.mock.script import Answer
from tapeline.testing.prompts import (
    COUNT,
    OTHER_QUESTION,
    PEOPLE,
    PERSON,
    PICTURE,
    QUESTION,
    TIME,
    TRIP,
    TWO_CITIES,
    WEATHER,
)
from tapeline.types import ChatRequest, Thinking, ToolCall, ToolResult, assistant

ADA = {"name": "Ada Lovelace", "born": 1815}
ALAN = {"name": "Alan Turing", "born": 1912}
REASONING = "This is about geography."

SAYINGS = {
    QUESTION: "The capital of France is Paris.",
    OTHER_QUESTION: "The capital of Norway is Oslo.",
    COUNT: " ".join(map(str, range(1, 41))),
    PICTURE.text: "Red.",
}
VALUES: dict[str, Any] = {PERSON: ADA, PEOPLE: {"value": [ADA, ALAN]}}
"""Given as text, or by calling the only tool there is."""

Call = tuple[str, dict[str, Any]]
CALLS: dict[str, list[Call]] = {
    WEATHER: [("get_weather", {"city": "Paris"})],
    TWO_CITIES: [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Oslo"})],
    TIME: [("get_time", {})],
    TRIP: [("plan_trip", {"stops": ["Zürich", "Paris", "Oslo"], "adults": 2})],
}


def answer(request: ChatRequest) -> Answer:
    """Say what belongs to the last message."""
    last = request.messages[-1]
    results = [part.text for part in last.content if isinstance(part, ToolResult)]
    if results:
        return f"I was told: {'; '.join(results)}."
    if last.text in VALUES:
        value = json.dumps(VALUES[last.text])
        forms = [ToolCall(id="call_1", name=tool.name, raw_arguments=value) for tool in request.tools]
        return forms[0] if forms else value
    if calls := calls_for(request):
        return assistant(*calls)
    text = SAYINGS.get(last.text, "I do not know.")
    if request.reasoning_effort in (None, "none"):
        return text
    return assistant(Thinking(text=REASONING), text)


def calls_for(request: ChatRequest) -> list[ToolCall]:
    """Return the calls that the last message asks for, as far as they are allowed."""
    choice = request.tool_choice
    if not request.tools or choice == "none":
        return []
    calls = CALLS.get(request.messages[-1].text, [])
    if choice not in (None, "auto", "required"):
        calls = [(name, arguments) for name, arguments in calls if name == choice] or [(choice, {})]
    if request.parallel_tool_calls is False:
        calls = calls[:1]
    return [
        ToolCall(id=f"call_{number}", name=name, raw_arguments=json.dumps(arguments, ensure_ascii=False))
        for number, (name, arguments) in enumerate(calls, 1)
    ]
