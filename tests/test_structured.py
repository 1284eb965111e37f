"""Structured output: schemas that strict APIs take, and values that fit them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from tapeline.errors import ErrorCode, LLMError
from tapeline.structured import json_schema, parse, schema_name
from tapeline.types import Reply, assistant


class Street(BaseModel):
    name: str


class Town(BaseModel):
    streets: list[Street]
    twin: Town | None = None


@dataclass
class Point:
    x: int
    y: int = 0


class Awkward(BaseModel):
    """Fields and data that are named like keywords."""

    properties: dict[str, int] = {}
    kind: Literal["properties"] = "properties"
    default: dict[str, dict[str, int]] = {"properties": {"a": 1}}


def reply(text: str) -> Reply:
    return Reply(message=assistant(text), finish_reason="stop")


def test_every_object_is_closed() -> None:
    """Strict APIs want to hear of each that it has no other properties, also where they refer to one."""
    schema = json_schema(Town)

    assert schema["$defs"]["Street"] == {
        "type": "object",
        "title": "Street",
        "properties": {"name": {"title": "Name", "type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    assert schema["$defs"]["Town"]["additionalProperties"] is False


def test_a_dataclass_is_an_object_too() -> None:
    assert json_schema(Point) == {
        "type": "object",
        "title": "Point",
        "properties": {
            "x": {"title": "X", "type": "integer"},
            "y": {"title": "Y", "type": "integer", "default": 0},
        },
        "required": ["x"],
        "additionalProperties": False,
    }


def test_names_and_data_are_no_objects_to_close() -> None:
    """A field called `properties`, or a default that holds the word, stays as it is."""
    schema = json_schema(Awkward)

    assert set(schema["properties"]) == {"properties", "kind", "default"}
    assert schema["properties"]["default"]["default"] == {"properties": {"a": 1}}
    assert schema["properties"]["properties"]["additionalProperties"] == {"type": "integer"}
    assert schema["additionalProperties"] is False


def test_an_open_map_stays_open() -> None:
    assert json_schema(dict[str, int]) == {"type": "object", "additionalProperties": {"type": "integer"}}


def test_a_schema_is_taken_as_it_is() -> None:
    """Whoever writes one by hand means it; but it is copied."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}

    taken = json_schema(schema)

    assert taken == schema
    assert taken is not schema


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


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (Street, '{"name": "Rivoli"}', Street(name="Rivoli")),
        (Point, ' {"x": 1} ', Point(1, 0)),
        (list[int], "[1, 2]", [1, 2]),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"type": "object"}, "{}", {}),
    ],
)
def test_the_answer_becomes_a_value(schema: Any, text: str, value: Any) -> None:
    assert parse(reply(text), schema) == value


@pytest.mark.parametrize("text", ["", "Rivoli", '{"name": 1}', '{"nom": "Rivoli"}', '{"name": "Riv'])
def test_an_answer_that_does_not_fit_is_on_the_error(text: str) -> None:
    answer = reply(text)

    with pytest.raises(LLMError, match="does not fit the schema") as raised:
        parse(answer, Street)

    assert (raised.value.code, raised.value.partial) == (ErrorCode.INVALID_RESPONSE, answer)
    assert isinstance(raised.value.__cause__, ValueError)


def test_a_schema_of_your_own_needs_json_and_no_more() -> None:
    """The value is not checked against it: no validator is among our dependencies."""
    with pytest.raises(LLMError) as raised:
        parse(reply("no JSON"), {"type": "object"})

    assert raised.value.code is ErrorCode.INVALID_RESPONSE
    assert parse(reply("[]"), {"type": "object"}) == []
