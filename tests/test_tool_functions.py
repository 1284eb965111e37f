"""Tools: what people have becomes one, and what a model calls is run, whatever it writes."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel

from tapeline.clock import VirtualClock
from tapeline.errors import ConfigError
from tapeline.media import Document, Image
from tapeline.tools import arun_tool, as_tool, as_tools, run_tool, tool
from tapeline.types import Json, Text, Tool, ToolCall, ToolResult
from tapeline.validation import value_of

if TYPE_CHECKING:
    from somewhere import Weather

IMAGE = Image(media_type="image/png", data=b"\x89PNG\r\n\x1a\n")
DOCUMENT = Document(media_type="text/plain", data=b"Sunny.")
WEATHER = {
    "name": "get_weather",
    "description": "Get the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Unit(Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


class Place(BaseModel):
    """Where it is.

    Attributes:
        lat: Degrees north.
    """

    lat: float
    lon: float = 0


@dataclass
class Span:
    days: int


@dataclass
class Tree:
    children: list[Tree] = field(default_factory=list)


def schema_of(function: Callable[..., Any]) -> dict[str, Json]:
    """The properties that a model is told of, by name."""
    properties: dict[str, Json] = as_tool(function).parameters["properties"]
    return properties


# Functions ------------------------------------------------------------------------------------------


def get_weather(city: str, unit: Literal["C", "F"] = "C") -> Weather:
    """Get the weather.

    What it is now, and not what it will be.
    """
    raise NotImplementedError


def test_a_typed_function_is_a_tool() -> None:
    """What it returns is not looked at: that type need not even exist."""
    assert as_tool(get_weather) == Tool(
        name="get_weather",
        description="Get the weather.\n\nWhat it is now, and not what it will be.",
        parameters={
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    )


def test_parameters_may_have_any_type_that_json_can_hold() -> None:
    def ask(
        anything,  # type: ignore[no-untyped-def]
        place: Place,
        span: Span | None = None,
        unit: Unit = Unit.CELSIUS,
        *,
        day: Annotated[date, Field(description="Which day.")] = date(2025, 1, 1),
        most: int = Field(3, ge=1),
        least: int = Field(description="At least."),
        sentinel: object = object(),
    ) -> None: ...

    schema = as_tool(ask).parameters

    assert schema["properties"] == {
        "anything": {},
        "place": {"$ref": "#/$defs/Place"},
        "span": {"anyOf": [{"$ref": "#/$defs/Span"}, {"type": "null"}], "default": None},
        "unit": {"$ref": "#/$defs/Unit", "default": "C"},
        "day": {"type": "string", "format": "date", "description": "Which day.", "default": "2025-01-01"},
        "most": {"type": "integer", "minimum": 1, "default": 3},
        "least": {"type": "integer", "description": "At least."},
        "sentinel": {},
    }
    assert schema["required"] == ["anything", "place", "least"]


def google(city, unit):  # type: ignore[no-untyped-def]
    """Get the weather.

    Args:
        city (str): The city,
            in English.
        unit: C or F.

    Returns:
        The weather.
    """


def numpy(city, unit):  # type: ignore[no-untyped-def]
    """Get the weather.

    Parameters
    ----------
    city : str
        The city,
        in English.
    unit : {"C", "F"}
        C or F.
    """


def sphinx(city, unit):  # type: ignore[no-untyped-def]
    """Get the weather.

    :param city: The city,
        in English.
    :param str unit: C or F.
    :returns: The weather.
    """


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_docstrings_describe_parameters(function: Callable[..., Any]) -> None:
    made = as_tool(function)

    assert made.description == "Get the weather."
    assert made.parameters["properties"] == {
        "city": {"description": "The city, in English."},
        "unit": {"description": "C or F."},
    }


def test_a_description_at_the_parameter_itself_goes_first() -> None:
    def ask(city: Annotated[str, Field(description="Of this.")]) -> None:
        """Ask.

        Args:
            city: Not this.
            nobody: Nor this.
        """

    assert schema_of(ask) == {"city": {"type": "string", "description": "Of this."}}


def test_parameters_may_be_called_as_they_like() -> None:
    """Names that a pydantic model would refuse."""

    def ask(schema: int, model_config: int, _private: int, copy: int) -> int:
        return schema + model_config + _private + copy

    arguments = '{"schema": 1, "model_config": 2, "_private": 3, "copy": 4}'

    assert run(as_tool(ask), arguments).content == "10"


class Station:
    """A weather station."""

    def measure(self, what: str) -> str:
        """Measure."""
        return f"{what} by {type(self).__name__}"

    async def __call__(self, what: str) -> str:
        return self.measure(what)


def test_self_is_no_parameter() -> None:
    made = as_tool(Station().measure)

    assert (made.name, made.description) == ("measure", "Measure.")
    assert set(made.parameters["properties"]) == {"what"}
    assert run(made, '{"what": "wind"}').content == "wind by Station"


def test_what_a_partial_has_fixed_is_not_for_the_model_to_say() -> None:
    def ask(prefix: str, city: str, unit: str, day: str) -> str:
        """Ask."""
        return f"{prefix} {city} {unit} {day}"

    made = as_tool(functools.partial(ask, "In", unit="C"))

    assert (made.name, made.description) == ("ask", "Ask.")
    assert set(made.parameters["properties"]) == {"city", "day"}
    assert run(made, '{"city": "Paris", "day": "Monday"}').content == "In Paris C Monday"
    assert run(made, '{"city": "Paris", "day": "Monday", "unit": "F"}').is_error


def test_a_decorated_function_is_read_through_its_wrapper() -> None:
    def twice(function: Callable[..., str]) -> Callable[..., str]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> str:
            return function(*args, **kwargs) * 2

        return wrapper

    @twice
    def ask(place: Place) -> str:
        return f"{place.lat}."

    assert run(as_tool(ask), '{"place": {"lat": 1}}').content == "1.0.1.0."


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (lambda: None, "'<lambda>' is no name for a tool"),
        (lambda *cities: None, r"\*cities"),
        (lambda **cities: None, r"\*\*cities"),
        (len, "obj"),
        (Station.measure, "pass the bound method"),
        (dict.fromkeys, "by name"),
        (getattr, "getattr"),
        (5, "5 is no tool"),
        ("get_weather", "'get_weather' is no tool"),
        (int, "int has no fields"),
        (RootModel[list[int]], "has no fields"),
        ({"name": "get weather"}, "'get weather' is no name"),
        ({"name": "x" * 65}, "is no name"),
        ({"description": "Nameless."}, "'' is no name"),
        ({"name": "f", "parameters": {"type": "objekt"}}, "not a JSON schema"),
        (Tool(name="wetter.heute"), "is no name"),
    ],
)
def test_what_cannot_be_a_tool_is_refused(source: Any, problem: str) -> None:
    """When it is bound, not when it is called."""
    with pytest.raises(ConfigError, match=problem):
        as_tool(source)


def test_types_that_cannot_be_read_are_refused_by_the_name_of_the_tool() -> None:
    def unknown(weather: Weather) -> None: ...
    def unreadable(callback: Callable[[int], int]) -> None: ...
    def foreign(station: Station) -> None: ...

    for function in (unknown, unreadable, foreign):
        with pytest.raises(ConfigError, match=f"tool {function.__name__}: ") as raised:
            as_tool(function)

        assert "\n" not in raised.value.message


# Other sources --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        Tool(**WEATHER),
        WEATHER,
        {"type": "function", "function": WEATHER | {"strict": True}},
        {"type": "function", **WEATHER},
        {
            "name": "get_weather",
            "description": "Get the weather.",
            "input_schema": WEATHER["parameters"],
        },
    ],
    ids=["tool", "plain", "OpenAI Chat", "OpenAI Responses", "Anthropic"],
)
def test_a_description_in_json_is_a_tool(source: Any) -> None:
    assert as_tool(source) == Tool(**WEATHER)


def test_a_name_is_enough_of_a_description() -> None:
    assert as_tool({"name": "now"}) == Tool(name="now")


def test_a_model_is_a_tool_that_returns_an_instance() -> None:
    """Its docstring describes it and its fields."""
    made = as_tool(Place)

    assert made == Tool(
        name="Place",
        description="Where it is.",
        parameters={
            "type": "object",
            "properties": {
                "lat": {"type": "number", "description": "Degrees north."},
                "lon": {"type": "number", "default": 0},
            },
            "required": ["lat"],
        },
    )
    assert made.function is not None
    assert made.function(lat="1.5") == Place(lat=1.5)
    assert run(made, '{"lat": 1}').content == '{"lat":1.0,"lon":0.0}'


def test_a_dataclass_is_a_tool_without_a_made_up_description() -> None:
    made = as_tool(Span)

    assert (made.name, made.description) == ("Span", "")
    assert run(made, '{"days": 3}').content == '{"days":3}'


def test_a_recursive_class_is_a_tool() -> None:
    assert run(as_tool(Tree), '{"children": [{}]}').content == '{"children":[{"children":[]}]}'


@pytest.mark.parametrize("source", [get_weather, Place, WEATHER, Tool(**WEATHER)])
def test_name_and_description_can_be_given_anew(source: Any) -> None:
    made = as_tool(source, name="look", description="Look it up.")

    assert (made.name, made.description) == ("look", "Look it up.")
    assert made.parameters == as_tool(source).parameters


def test_a_decorator_makes_a_tool() -> None:
    """Bare, or with a name and a description of the tool's own."""

    @tool
    def add(a: int, b: int) -> int:
        return a + b

    @tool(name="plus", description="Add up.")
    def add_up(a: int, b: int) -> int:
        return a + b

    assert (add.name, add.description) == ("add", "")
    assert (add_up.name, add_up.description) == ("plus", "Add up.")
    assert add_up.function is not None
    assert add_up.function(a=1, b="2") == 3


@pytest.mark.parametrize("source", [lambda: None, Tool(name="f"), {"name": "f"}])
def test_one_tool_is_not_several(source: Any) -> None:
    with pytest.raises(ConfigError, match="put the one you have into a list"):
        as_tools(source)


def test_two_tools_of_one_name_are_refused() -> None:
    """A model could not tell them apart, and nobody knows which of them runs."""
    assert [tool.name for tool in as_tools([{"name": "a"}, Tool(name="b")])] == ["a", "b"]
    with pytest.raises(ConfigError, match="more than one tool is called 'a'"):
        as_tools([{"name": "a"}, Tool(name="a")])


# Running --------------------------------------------------------------------------------------------


def called(made: Tool, arguments: str) -> ToolCall:
    return ToolCall(id="call_1", name=made.name, raw_arguments=arguments)


def run(made: Tool, arguments: str = "{}") -> ToolResult:
    return run_tool({made.name: made}, called(made, arguments))


def arun(made: Tool, arguments: str = "{}") -> ToolResult:
    return VirtualClock().run(arun_tool({made.name: made}, called(made, arguments)))


both_faces = pytest.mark.parametrize("run", [run, arun], ids=["blocking", "asyncio"])


@both_faces
def test_arguments_arrive_as_what_they_are_annotated_as(run: Callable[..., ToolResult]) -> None:
    seen: list[Any] = []

    def ask(place: Place, span: Span, unit: Unit, day: date, most: int = 3) -> str:
        seen.extend([place, span, unit, day, most])
        return "noted"

    arguments = '{"place": {"lat": 1}, "span": {"days": "2"}, "unit": "F", "day": "2025-01-02"}'
    result = run(as_tool(ask), arguments)

    assert seen == [Place(lat=1), Span(2), Unit.FAHRENHEIT, date(2025, 1, 2), 3]
    assert result == ToolResult(id="call_1", content="noted")


@both_faces
@pytest.mark.parametrize("arguments", ["", "{}"])
def test_a_tool_may_take_no_arguments(run: Callable[..., ToolResult], arguments: str) -> None:
    def now() -> str:
        return "noon"

    assert run(as_tool(now), arguments).content == "noon"


def test_a_coroutine_is_awaited_on_the_asyncio_face() -> None:
    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    for source in (slow, functools.partial(slow), lambda seconds: slow(seconds)):
        made = as_tool(source, name="slow")
        assert arun(made, '{"seconds": 60}') == ToolResult(id="call_1", content="done")


@pytest.mark.parametrize("is_hidden", [False, True])
def test_a_coroutine_is_refused_on_the_blocking_face(is_hidden: bool) -> None:
    """Also one that only shows when it is called."""

    async def slow() -> str:
        raise AssertionError("never started")

    made = as_tool((lambda: slow()) if is_hidden else slow, name="slow")

    with pytest.raises(ConfigError, match="slow is a coroutine function: use arun_tools"):
        run(made)


def test_an_object_that_can_be_called_is_a_tool() -> None:
    made = as_tool(Station())

    assert (made.name, made.description) == ("Station", "A weather station.")
    assert arun(made, '{"what": "wind"}').content == "wind by Station"


def test_an_unknown_tool_is_answered_with_the_known_ones() -> None:
    tools = {name: Tool(name=name, function=dict) for name in ("get_weather", "add")}
    call = ToolCall(id="call_1", name="get_wether")

    result = run_tool(tools, call)

    told = "no tool is called 'get_wether'; there are: add, get_weather"
    assert result == ToolResult(id="call_1", content=told, is_error=True)
    assert run_tool({}, call).text == "no tool is called 'get_wether'; there are: none"


def never(city: str, place: Place) -> str:
    raise AssertionError("called with arguments that do not fit")


BY_SCHEMA = Tool(**WEATHER, function=never)


@both_faces
@pytest.mark.parametrize(
    ("source", "arguments", "told"),
    [
        (never, '{"city": 5}', ["city: Input should be a valid string", "place: Field required"]),
        (
            never,
            '{"city": "Paris", "place": {"lat": "north"}}',
            ["place.lat: Input should be a valid number"],
        ),
        (never, '{"city": "Paris", "place": {"lat": 1}, "x": 1}', ["x: Extra inputs are not permitted"]),
        (never, "[]", ["Input should be an object"]),
        (never, '{"city": "Par', ["Invalid JSON: EOF while parsing a string"]),
        (never, "[" * 100_000, ["Invalid JSON: recursion limit exceeded"]),
        (Place, "{}", ["lat: Field required"]),
        (BY_SCHEMA, "{}", ["'city' is a required property"]),
        (BY_SCHEMA, '{"city": 5}', ["city: 5 is not of type 'string'"]),
        (BY_SCHEMA, "[]", ["arguments of get_weather are not a JSON object"]),
        (BY_SCHEMA, "[" * 100_000, ["maximum recursion depth exceeded"]),
        (BY_SCHEMA, '{"city', ["Unterminated string"]),
    ],
)
def test_arguments_that_do_not_fit_are_told_to_the_model(
    run: Callable[..., ToolResult], source: Any, arguments: str, told: list[str]
) -> None:
    """In a line each, without links and without a call of the tool."""
    made = as_tool(source)

    result = run(made, arguments)

    assert result.is_error
    start = f"the arguments of {made.name} do not fit: "
    lines = result.text.removeprefix(start).splitlines()
    assert result.text.startswith(start)
    assert len(lines) == len(told)
    assert all(line.startswith(expected) for line, expected in zip(lines, told, strict=True))
    assert "http" not in result.text


@both_faces
def test_a_tool_of_a_schema_gets_its_arguments_as_they_are(run: Callable[..., ToolResult]) -> None:
    made = Tool(**WEATHER, function=lambda **arguments: arguments)

    assert run(made, '{"city": "Paris", "x-y": [1]}').content == '{"city":"Paris","x-y":[1]}'


def test_a_tool_without_a_function_is_a_mistake_of_the_program() -> None:
    """The model cannot mend that."""
    with pytest.raises(ConfigError, match="nothing runs the tool get_weather"):
        run(as_tool(WEATHER), '{"city": "Paris"}')


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no such city"), "ValueError: no such city"),
        (TimeoutError(), "TimeoutError"),
        (ConfigError("no key"), "ConfigError: no key [invalid_config]"),
        (StopIteration("over"), "StopIteration: over"),
        (RuntimeError("x" * 9_000), f"RuntimeError: {'x' * 486}... (9014 characters)"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("is_coroutine", [False, True])
def test_what_a_tool_raises_is_told_to_the_model(error: Exception, told: str, is_coroutine: bool) -> None:
    def fail() -> None:
        raise error

    async def afail() -> None:
        raise error

    result = arun(as_tool(afail)) if is_coroutine else run(as_tool(fail))

    expected = "RuntimeError: coroutine raised StopIteration"  # as Python has it
    is_stopped = is_coroutine and isinstance(error, StopIteration)
    assert result == ToolResult(id="call_1", content=expected if is_stopped else told, is_error=True)


def test_where_a_tool_failed_is_in_the_log_for_those_who_ask(caplog: pytest.LogCaptureFixture) -> None:
    def fail(city: str) -> None:
        raise ValueError("no such city")

    with caplog.at_level(logging.DEBUG, logger="tapeline"):
        run(as_tool(fail), '{"city": "Atlantis"}')

    (record,) = [record for record in caplog.records if record.name == "tapeline.tools"]
    assert (record.levelno, record.getMessage()) == (logging.DEBUG, "tool fail failed")
    assert record.exc_info is not None
    assert "Atlantis" not in record.getMessage()


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, SystemExit])
def test_who_interrupts_is_not_held_up(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(error):
        run(as_tool(fail))


def test_cancelling_reaches_into_a_tool() -> None:
    async def slow() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        made = as_tool(slow)
        task = asyncio.create_task(arun_tool({"slow": made}, called(made, "{}")))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    VirtualClock().run(main())


# Results --------------------------------------------------------------------------------------------


class Unprintable:
    def __repr__(self) -> str:
        return "<something>"


def itself() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("Sunny.", "Sunny."),
        ('"quoted"', '"quoted"'),
        ("\ud800", "\ud800"),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ({"city": "Zürich", "days": [1, 2]}, '{"city":"Zürich","days":[1,2]}'),
        ([], "[]"),
        (["a", "b"], '["a","b"]'),
        ((day for day in (1, 2)), "[1,2]"),
        (Place(lat=1), '{"lat":1.0,"lon":0.0}'),
        (Span(3), '{"days":3}'),
        ({"place": Place(lat=1), "unit": Unit.CELSIUS}, '{"place":{"lat":1.0,"lon":0.0},"unit":"C"}'),
        (date(2025, 1, 1), "2025-01-01"),
        (Path("a/b"), "a/b"),
        (Unprintable(), "<something>"),
        ({"thing": Unprintable()}, '{"thing":"<something>"}'),
        (b"\xff", "b'\\xff'"),
        (itself(), "[[...]]"),
        (Text("Sunny."), (Text("Sunny."),)),
        (IMAGE, (IMAGE,)),
        (
            ["Look:", IMAGE, Text("and"), DOCUMENT, 5],
            (Text("Look:"), IMAGE, Text("and"), DOCUMENT, Text("5")),
        ),
        ((IMAGE, IMAGE), (IMAGE, IMAGE)),
    ],
)
def test_a_result_is_told_as_text_or_in_parts(value: Any, content: Any) -> None:
    def ask() -> Any:
        return value

    assert run(as_tool(ask)) == ToolResult(id="call_1", content=content)


def test_a_result_that_cannot_be_read_is_a_failure_of_the_tool() -> None:
    class Broken:
        def __str__(self) -> str:
            raise ConnectionError("gone")

    def ask() -> Any:
        return Broken()

    assert run(as_tool(ask)) == ToolResult(id="call_1", content="ConnectionError: gone", is_error=True)


# Whatever the arguments -----------------------------------------------------------------------------

TYPES: Mapping[type, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"])),
    int: st.integers(-(2**40), 2**40),
    bool: st.booleans(),
    list[int]: st.lists(st.integers(-9, 9), max_size=3),
    dict[str, bool]: st.dictionaries(st.text("ab"), st.booleans(), max_size=3),
}


@given(kind=st.sampled_from(list(TYPES)), value=st.one_of(*TYPES.values()))
def test_what_the_schema_allows_is_what_the_function_takes(kind: type, value: Any) -> None:
    """The model is held to no more than it was shown."""

    def echo(value: Any) -> None: ...

    echo.__annotations__["value"] = kind
    made = as_tool(echo)
    arguments = json.dumps({"value": value})

    is_taken = not run(made, arguments).is_error

    assert is_taken or not fits(arguments, made.parameters)


def fits(text: str, schema: Mapping[str, Json]) -> bool:
    try:
        value_of(text, schema)
    except ValueError:
        return False
    return True
