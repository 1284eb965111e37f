"""Checks of tools: called when they should be, with arguments that fit, and told the results of."""

from __future__ import annotations

import json
from typing import Any

from tapeline.testing.answers import require_text
from tapeline.testing.prompts import TIME, TRIP, TWO_CITIES, WEATHER, get_time, get_weather, plan_trip
from tapeline.testing.streams import read
from tapeline.testing.subject import Subject
from tapeline.testing.verdicts import require
from tapeline.types import Chunk, Reply, ToolCall, ToolResult, tool_result, user


def require_call(reply: Reply, name: str) -> ToolCall:
    """An answer that calls a tool says so, and can be answered."""
    __tracebackhide__ = True
    require(bool(reply.tool_calls), f"a call of {name}", reply.message)
    require(reply.finish_reason == "tool_calls", "finish_reason 'tool_calls'", reply.finish_reason)
    call = reply.tool_calls[0]
    require(call.name == name, f"a call of {name}", call)
    require(bool(call.id), "an id by which its result finds it", call)
    return call


def added_up(chunks: list[Chunk]) -> dict[int, list[str]]:
    """Return what the deltas of a stream say: index -> id, name and arguments, each put together."""
    calls: dict[int, list[str]] = {}
    for delta in (delta for chunk in chunks for delta in chunk.tool_call_deltas):
        said = calls.setdefault(delta.index, ["", "", ""])
        for place, piece in enumerate((delta.id, delta.name, delta.arguments)):
            said[place] += piece or ""
    return calls


class ToolChecks(Subject):
    """What a model does with tools. All of it is skipped for models without."""

    def _asked(self, prompt: str, *tools: Any, **options: Any) -> Reply:
        self.needs(self.known.tools, "knows no tools")
        return self.model().bind_tools(tools).generate(prompt, **options)

    def test_a_tool_is_called(self) -> None:
        """When the question asks for it: by its name, with an id."""
        require_call(self._asked(WEATHER, get_weather), "get_weather")

    def test_arguments_are_a_dict(self) -> None:
        """And raw_arguments the JSON text of it."""
        call = require_call(self._asked(WEATHER, get_weather), "get_weather")

        require("Paris" in str(call.arguments.get("city")), "{'city': 'Paris'}", call.arguments)
        require(json.loads(call.raw_arguments) == call.arguments, "the same as JSON text", call.raw_arguments)

    def test_arguments_may_be_nested(self) -> None:
        """Lists, numbers and letters of any language get through."""
        call = require_call(self._asked(TRIP, plan_trip), "plan_trip")

        arguments = call.arguments
        require("Zürich" in str(arguments.get("stops")), "a list of stops from Zürich on", arguments)
        require(arguments.get("adults") == 2, "two adults, as a number", arguments)

    def test_a_tool_may_have_no_arguments(self) -> None:
        """Then they are an empty dict."""
        call = require_call(self._asked(TIME, get_time), "get_time")

        require(call.arguments == {}, "no arguments: {}", call.raw_arguments)

    def test_one_of_several_tools_is_called(self) -> None:
        """The one that is of use."""
        require_call(self._asked(WEATHER, get_time, get_weather), "get_weather")

    def test_several_calls_can_be_told_apart(self) -> None:
        """Calls in one answer have ids of their own."""
        self.needs(self.calls_in_parallel, "calls one tool at a time")

        reply = self._asked(TWO_CITIES, get_weather)

        cities = sorted(str(call.arguments.get("city")) for call in reply.tool_calls)
        require(cities == ["Oslo", "Paris"], "a call for each of two cities", reply.tool_calls)
        ids = {call.id for call in reply.tool_calls}
        require(len(ids) == len(reply.tool_calls), "an id for each call", reply.tool_calls)

    def test_parallel_calls_can_be_forbidden(self) -> None:
        """Then one answer has one call at most."""
        can_forbid = self.forbids_parallel_calls and "parallel_tool_calls" not in self.known.refused
        self.needs(can_forbid, "cannot be forbidden to call several tools")

        reply = self._asked(TWO_CITIES, get_weather, parallel_tool_calls=False)

        require(len(reply.tool_calls) == 1, "one call at a time", reply.tool_calls)

    def test_the_choice_none_calls_nothing(self) -> None:
        """However much the question asks for it."""
        self.needs("none" in self.known.tool_choices, "does not know the tool choice none")

        reply = self._asked(WEATHER, get_weather, tool_choice="none")

        require(not reply.tool_calls, "no call", reply.tool_calls)

    def test_the_choice_required_calls_something(self) -> None:
        """Whichever it is."""
        self.needs("required" in self.known.tool_choices, "does not know the tool choice required")

        reply = self._asked(WEATHER, get_weather, get_time, tool_choice="required")

        require(bool(reply.tool_calls), "a call", reply.message)

    def test_the_choice_of_a_tool_calls_it(self) -> None:
        """That one, though the question is another's."""
        self.needs("named" in self.known.tool_choices, "does not know the tool choice of one tool")

        reply = self._asked(WEATHER, get_weather, get_time, tool_choice="get_time")

        names = {call.name for call in reply.tool_calls}
        require(names == {"get_time"}, "a call of get_time", reply.message)

    def test_streamed_calls_add_up(self) -> None:
        """The deltas of each call, put together by index, are the calls of the reply."""
        self.needs(self.known.tools, "knows no tools")

        chunks, reply = read(self.model().bind_tools([get_weather]).stream(WEATHER))

        require_call(reply, "get_weather")
        deltas = list(map(tuple, added_up(chunks).values()))
        calls = [(call.id, call.name, call.raw_arguments) for call in reply.tool_calls]
        require(deltas == calls, f"deltas that add up to {calls}", deltas)

    def test_streamed_calls_are_those_of_a_plain_answer(self) -> None:
        """Both calls of a parallel pair, each with its own arguments."""
        self.needs(self.calls_in_parallel, "calls one tool at a time")
        plain = self._asked(TWO_CITIES, get_weather)

        _, reply = read(self.model().bind_tools([get_weather]).stream(TWO_CITIES))

        calls = [(call.name, call.arguments) for call in reply.tool_calls]
        wanted = [(call.name, call.arguments) for call in plain.tool_calls]
        require(sorted(map(str, calls)) == sorted(map(str, wanted)), f"{wanted}", calls)

    def test_a_result_is_told(self) -> None:
        """Call, result, answer: the round trip ends in text."""
        reply = self._asked(WEATHER, get_weather)
        call = require_call(reply, "get_weather")
        turns = [user(WEATHER), reply.message, tool_result(call.id, "18 degrees and sunny")]

        final = self.model().bind_tools([get_weather]).generate(turns)

        require_text(final)
        require(not final.tool_calls, "an answer, now that the result is known", final.tool_calls)

    def test_a_failure_is_told(self) -> None:
        """A result may say that the tool failed."""
        reply = self._asked(WEATHER, get_weather)
        call = require_call(reply, "get_weather")
        failed = tool_result(call.id, "the weather service does not answer", is_error=True)

        require_text(self.model().bind_tools([get_weather]).generate([user(WEATHER), reply.message, failed]))

    def test_tools_are_run_until_there_is_an_answer(self) -> None:
        """run_tools: the function is called with the arguments, and its result leads to the answer."""
        self.needs(self.known.tools, "knows no tools")
        asked_for: list[str] = []

        def noted(city: str) -> str:
            asked_for.append(city)
            return get_weather(city)

        noted.__name__, noted.__doc__ = get_weather.__name__, get_weather.__doc__
        run = self.model().run_tools(WEATHER, tools=[noted])

        require(asked_for[:1] == ["Paris"], "the function to be called with 'Paris'", asked_for)
        require(run.rounds >= 1, "a round of tools", run.rounds)
        require_text(run.reply)

    def test_tools_run_on_asyncio_too(self) -> None:
        """arun_tools is run_tools."""
        self.needs(self.known.tools, "knows no tools")

        run = self.run(lambda model: model.arun_tools(WEATHER, tools=[get_weather]))

        require(run.rounds >= 1, "a round of tools", run.rounds)
        require_text(run.reply)

    def test_a_tool_that_fails_does_not_end_the_conversation(self) -> None:
        """The model is told, and answers."""
        self.needs(self.known.tools, "knows no tools")

        def broken(city: str) -> str:
            raise OSError("the weather service does not answer")

        broken.__name__, broken.__doc__ = get_weather.__name__, get_weather.__doc__
        run = self.model().run_tools(WEATHER, tools=[broken])

        results = [part for message in run.messages for part in message.content]
        errors = [part for part in results if isinstance(part, ToolResult) and part.is_error]
        require(bool(errors), "a result that says it failed", run.messages)
        require_text(run.reply)
