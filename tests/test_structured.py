"""Structured output: the schema that is sent, the three ways to ask, and the value in the answer."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from tapeline.capabilities import Capabilities
from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.structured import (
    ANSWER_TOOL,
    correction,
    is_answer,
    is_correctable,
    json_schema,
    lone_json,
    parse,
    prepared,
    schema_name,
)
from tapeline.types import (
    ChatRequest,
    FinishReason,
    Refusal,
    Reply,
    Text,
    Tool,
    ToolCall,
    assistant,
    system,
    tool_result,
    user,
)
from tapeline.validation import value_of


class Street(BaseModel):
    name: str


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Town(BaseModel):
    """A town."""

    streets: list[Street]
    twin: Town | None = None
    main_street: Street = Field(Street(name="High Street"), description="The widest.")
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


@dataclass
class Point:
    x: int
    y: int = 0


class Awkward(BaseModel):
    """Fields and data that are named like keywords."""

    properties: dict[str, int] = {}
    kind: Literal["properties"]
    default: Annotated[dict[str, Any], Field(examples=[{"properties": {"default": 1}}])]


POINT_SCHEMA = {
    "type": "object",
    "title": "Point",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer", "description": "Default: 0"}},
    "required": ["x", "y"],
    "additionalProperties": False,
}
WEATHER = Tool(name="get_weather")
QUESTION = user("Where?")
REQUEST = ChatRequest(model="m", messages=(system("Be brief."), QUESTION))


def reply(*content: Any, finish_reason: FinishReason = "stop") -> Reply:
    return Reply(message=assistant(*content), finish_reason=finish_reason)


def call(name: str, arguments: str = "{}") -> ToolCall:
    return ToolCall(id=f"call_{name}", name=name, raw_arguments=arguments)


# The schema that is sent ----------------------------------------------------------------------------


def test_all_properties_are_required_and_no_others_allowed() -> None:
    """Strict APIs demand it. The default is told to the model, which has to write something."""
    assert json_schema(Point) == POINT_SCHEMA


def test_a_recursive_schema_is_strict_throughout() -> None:
    """A reference stands alone, a choice has no discriminator, and null is the default that goes unsaid."""
    schema = json_schema(Town)

    assert schema["properties"] == {
        "streets": {"type": "array", "items": {"$ref": "#/$defs/Street"}},
        "twin": {"anyOf": [{"$ref": "#/$defs/Town"}, {"type": "null"}]},
        "main_street": {
            "anyOf": [{"$ref": "#/$defs/Street"}],
            "description": 'The widest. Default: {"name": "High Street"}',
        },
        "pet": {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]},
    }
    for definition in (schema, *schema["$defs"].values()):
        assert definition["type"] == "object"
        assert definition["required"] == list(definition["properties"])
        assert definition["additionalProperties"] is False


def test_names_and_data_are_no_schemas() -> None:
    """A field called `properties`, or data that holds the word, stays as it is."""
    properties = json_schema(Awkward)["properties"]

    assert set(properties) == {"properties", "kind", "default"}
    assert properties["properties"]["additionalProperties"] == {"type": "integer"}
    assert properties["default"]["examples"] == [{"properties": {"default": 1}}]


def test_an_open_map_stays_open() -> None:
    assert json_schema(dict[str, int]) == {"type": "object", "additionalProperties": {"type": "integer"}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ({"type": "number"}, {"type": "number"}),
    ],
)
def test_what_is_no_object_is_asked_for_inside_of_one(schema: Any, value: Any) -> None:
    """APIs want an object at the root."""
    assert json_schema(schema) == {
        "type": "object",
        "properties": {"value": value},
        "required": ["value"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "schema", [list[Street], {"$defs": {"Street": {}}, "items": {"$ref": "#/$defs/Street"}}]
)
def test_definitions_stay_at_the_root(schema: Any) -> None:
    """That is where the references to them look."""
    sent = json_schema(schema)

    assert set(sent["$defs"]) == {"Street"}
    assert sent["properties"]["value"]["items"] == {"$ref": "#/$defs/Street"}
    assert "$defs" not in sent["properties"]["value"]


def test_an_object_schema_is_sent_as_it_is_written() -> None:
    """Whoever writes one by hand means it."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": "b"}}}

    assert json_schema(schema) == schema


@pytest.mark.parametrize("schema", [{"type": "objekt"}, object(), "Town"])
def test_what_is_no_schema_is_refused_before_it_is_sent(schema: Any) -> None:
    with pytest.raises(ConfigError):
        prepared(REQUEST, schema, Capabilities())


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        (Town, "Town"),
        (Point, "Point"),
        (list[int], "list"),
        ({"title": "A city, old"}, "A_city__old"),
        ({"title": "Café"}, "Caf_"),
        ({}, "answer"),
        (int | str, "answer"),
        ({"title": "x" * 99}, "x" * 64),
    ],
)
def test_a_name_for_apis_that_want_one(schema: Any, name: str) -> None:
    """Letters, digits and underscores, at most 64."""
    assert schema_name(schema) == name


# Asking ---------------------------------------------------------------------------------------------


def test_an_api_that_takes_schemas_is_given_one() -> None:
    asked = prepared(REQUEST, Point, Capabilities(structured_output="native"))

    assert asked == replace(REQUEST, schema=POINT_SCHEMA, schema_name="Point")


@pytest.mark.parametrize(
    ("tools", "known", "choice"),
    [
        ((), {"auto", "required", "named"}, "Point"),
        ((), {"auto", "required"}, "required"),
        ((WEATHER,), {"auto", "required", "named"}, "required"),  # or it could never be called
    ],
)
def test_a_model_that_knows_tools_must_call_the_answer(
    tools: tuple[Tool, ...], known: set[str], choice: str
) -> None:
    asked = prepared(
        replace(REQUEST, tools=tools),
        Point,
        Capabilities(structured_output="tool", tool_choices=frozenset(known)),
    )

    answer = Tool(name="Point", description=ANSWER_TOOL, parameters=POINT_SCHEMA)
    assert asked == replace(REQUEST, tools=(*tools, answer), tool_choice=choice)


def test_a_model_that_cannot_be_made_to_call_is_asked_to() -> None:
    capabilities = Capabilities(structured_output="tool", tool_choices=frozenset({"auto"}))

    asked = prepared(REQUEST, Point, capabilities)

    assert [tool.name for tool in asked.tools] == ["Point"]
    assert asked.tool_choice is None
    assert [message.role for message in asked.messages] == ["system", "system", "user"]
    assert "calling the tool Point" in asked.messages[1].text


@pytest.mark.parametrize("opening", [(), (system("Be brief."),), (system("Be brief."), system("Be kind."))])
def test_any_other_model_is_told_in_words(opening: tuple[Any, ...]) -> None:
    """After what the caller's own system messages say, before the conversation."""
    messages = (*opening, QUESTION, assistant("There."), system("Hurry."))

    asked = prepared(replace(REQUEST, messages=messages), Point, Capabilities(structured_output="prompt"))

    instruction = asked.messages[len(opening)]
    assert asked.messages == (*opening, instruction, *messages[len(opening) :])
    assert instruction.role == "system"
    assert json.loads(instruction.text.partition("\n")[2]) == POINT_SCHEMA
    assert (asked.schema, asked.tools) == (None, ())


# Reading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (Street, '{"name": "Rivoli"}', Street(name="Rivoli")),
        (Point, ' {"x": 1} ', Point(1, 0)),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (list[int], "[1, 2]", [1, 2]),  # the model forgot the object around it
        (int, '{"value": 7}', 7),
        (int | dict[str, int], '{"value": {"value": 7}}', {"value": 7}),
        (Literal["a", "b"], '"b"', "b"),
        ({"type": "array"}, '{"value": [1, 2]}', [1, 2]),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"type": "object"}, '{"value": 1}', {"value": 1}),
    ],
)
def test_the_answer_becomes_a_value(schema: Any, text: str, value: Any) -> None:
    """Also where fields with defaults are left out, which only strict APIs do not allow."""
    assert parse(reply(text), schema) == value


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"name": "Rivoli"}\n```',
        'Here you are:\n```\n{"name": "Rivoli"}\n```\nAnything else?',
        'Sure! {"name": "Rivoli"} It is long [1].',
    ],
)
def test_words_around_the_value_do_not_matter(text: str) -> None:
    """A model that was only told to write JSON likes to add some."""
    assert parse(reply(text), Street) == Street(name="Rivoli")


def test_the_value_is_in_the_call_of_the_answering_tool() -> None:
    answer = reply("Let me see.", call("get_weather"), call("Street", '{"name": "Rivoli"}'))

    assert is_answer(answer, Street)
    assert parse(answer, Street) == Street(name="Rivoli")


def test_a_model_that_asks_for_other_tools_has_not_answered_yet() -> None:
    answer = reply(call("get_weather"), finish_reason="tool_calls")

    assert not is_answer(answer, Street)
    with pytest.raises(LLMError, match="asks for get_weather") as raised:
        parse(answer, Street)

    assert (raised.value.code, raised.value.partial) == (ErrorCode.TOOL_CALL_ERROR, answer)
    assert not is_correctable(raised.value)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (Street, ""),
        (Street, "Rivoli"),
        (Street, '{"name": 1}'),
        (Street, '{"nom": "Rivoli"}'),
        (Street, '{"name": "Riv'),
        (Street, '[{"name": "Rivoli"}]'),
        (Street, '[{"name": "Rivoli"}, {"na'),
        (Street, '{"street": {"name": "Rivoli"}, "oth'),
        (Street, '{"name": "Rivoli"} or {"name": "Opéra"}'),
        (list[int], '{"value": ["one"]}'),
        (list[int], "\ud800"),
        ({"type": "object"}, "[]"),
        ({"type": "object"}, "no JSON"),
        ({"type": "object"}, '{"a":' * 100_000),
        ({"type": "array"}, "[" * 100_000),
    ],
)
def test_an_answer_that_does_not_fit_is_on_the_error(schema: Any, text: str) -> None:
    """It was paid for. No part of it is taken for the whole."""
    answer = reply(text)

    with pytest.raises(LLMError, match="does not fit the schema") as raised:
        parse(answer, schema)

    assert (raised.value.code, raised.value.partial) == (ErrorCode.INVALID_RESPONSE, answer)
    assert isinstance(raised.value.__cause__, ValueError)
    assert is_correctable(raised.value)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (reply('{"name": "Riv', finish_reason="length"), "cut off at max_tokens"),
        (reply(call("Street", '{"na'), finish_reason="length"), "cut off at max_tokens"),
        (reply(Refusal("I can't help.")), "refused to answer: I can't help."),
        (reply("No.", finish_reason="refusal"), "refused to answer: No."),
        (reply(finish_reason="refusal"), "refused to answer: it did not say why"),
        (reply("", finish_reason="content_filter"), "content filter"),
    ],
)
def test_an_answer_that_could_not_be_given_is_not_asked_for_again(answer: Reply, problem: str) -> None:
    """The message names the reason, not the JSON that is missing."""
    with pytest.raises(LLMError, match=problem) as raised:
        parse(answer, Street)

    assert (raised.value.code, raised.value.partial) == (ErrorCode.INVALID_RESPONSE, answer)
    assert not is_correctable(raised.value)


def test_a_value_that_is_whole_counts_however_the_answer_ended() -> None:
    assert parse(reply('{"name": "Rivoli"}', finish_reason="length"), Street) == Street(name="Rivoli")


def test_other_errors_are_not_for_the_model_to_correct() -> None:
    assert not is_correctable(LLMError("no", code=ErrorCode.RATE_LIMIT))
    assert not is_correctable(LLMError("nothing came", code=ErrorCode.INVALID_RESPONSE))


# Correcting -----------------------------------------------------------------------------------------


def error_of(answer: Reply) -> LLMError:
    with pytest.raises(LLMError) as raised:
        parse(answer, Street)
    return raised.value


def test_a_model_is_told_what_was_wrong_with_its_text() -> None:
    answer = reply('{"name": 1}')

    messages = correction(answer, error_of(answer))

    expected = (
        "the answer does not fit the schema: name: Input should be a valid string\n"
        "Give the whole answer again, corrected, in the same form."
    )
    assert messages == (answer.message, user(expected))


def test_a_model_is_told_what_was_wrong_with_its_call() -> None:
    """As the result of each call: APIs refuse a call without one."""
    answer = reply(call("Street", "{"), call("get_weather"))

    turn, *results = correction(answer, error := error_of(answer))

    told = f"{error.message}\nGive the whole answer again, corrected, in the same form."
    assert turn == answer.message
    assert results == [
        tool_result("call_Street", told, is_error=True),
        tool_result("call_get_weather", told, is_error=True),
    ]


def test_an_empty_answer_is_not_repeated() -> None:
    """APIs refuse a turn without content."""
    answer = reply()

    (message,) = correction(answer, error_of(answer))

    assert message.role == "user"


# Whatever the value ---------------------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)
PROSE = st.text(st.characters(exclude_characters="{[", exclude_categories=["Cs"]))


@given(value=st.dictionaries(st.text(), JSON_VALUES), before=PROSE, after=PROSE)
def test_an_object_is_found_whatever_is_written_around_it(value: Any, before: str, after: str) -> None:
    text = json.dumps(value)

    assert lone_json(before + text + after) == text


@given(value=JSON_VALUES, ascii_only=st.booleans())
def test_any_value_survives_the_object_around_it(value: Any, ascii_only: bool) -> None:
    text = json.dumps({"value": value}, ensure_ascii=ascii_only)

    assert parse(reply(Text(text)), {"description": "anything"}) == value
    assert value_of(text, json_schema({"description": "anything"})) == {"value": value}


@given(text=st.text("{}[]\"':, \n`1a"))
def test_no_text_is_more_than_invalid(text: str) -> None:
    """Neither another exception nor a value that does not fit."""
    with suppress(LLMError):
        assert all(isinstance(item, int) for item in parse(reply(text), list[int]))
