"""The smallest value that fits a schema: what the mock answers when the answer has to have a form."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, TypeAdapter

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.mock.instances import TEXT_OF_FORMAT, instance_of

NODE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}}

INSTANCES = {
    "anything": ({}, None),
    "a constant": ({"const": 7}, 7),
    "the first of an enumeration": ({"type": "string", "enum": ["red", "green"]}, "red"),
    "nothing": ({"type": "null"}, None),
    "yes or no": ({"type": "boolean"}, False),
    "text": ({"type": "string"}, "text"),
    "long text": ({"type": "string", "minLength": 6}, "textxx"),
    "short text": ({"type": "string", "maxLength": 2}, "te"),
    "text that happens to match": ({"type": "string", "pattern": "^[a-z]+$"}, "text"),
    "a number": ({"type": "number"}, 0),
    "a whole number": ({"type": "integer"}, 0),
    "at least": ({"type": "integer", "minimum": 3}, 3),
    "at least a fraction": ({"type": "integer", "minimum": 2.5}, 3),
    "more than": ({"type": "integer", "exclusiveMinimum": 3}, 4),
    "at most": ({"type": "integer", "maximum": -3}, -3),
    "less than": ({"type": "integer", "exclusiveMaximum": -3}, -4),
    "a multiple": ({"type": "integer", "multipleOf": 5, "exclusiveMinimum": 10}, 15),
    "a negative multiple": ({"type": "integer", "multipleOf": 5, "exclusiveMaximum": -5}, -10),
    "a fraction between": ({"type": "number", "exclusiveMinimum": 0.25, "exclusiveMaximum": 0.75}, 0.5),
    "a fraction at the bound": ({"type": "number", "minimum": 0.25, "maximum": 0.75}, 0.25),
    "one of several types": ({"type": ["string", "null"]}, "text"),
    "the first option": ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 0),
    "exactly one": ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "text"),
    "an empty list": ({"type": "array", "items": {"type": "string"}}, []),
    "a list of some": ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [False, False]),
    "a tuple": ({"type": "array", "prefixItems": [{"type": "string"}, {"const": 1}]}, ["text", 1]),
    "an empty object": ({"type": "object"}, {}),
    "only what is required": (
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "required": ["b"],
        },
        {"b": "text"},
    ),
    "an object without a type": ({"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"a": 0}),
    "required but not described": ({"type": "object", "required": ["a"]}, {"a": None}),
    "all of": (
        {
            "allOf": [
                {"$ref": "#/$defs/Named"},
                {"properties": {"age": {"type": "integer"}}, "required": ["age"]},
            ],
            "$defs": {
                "Named": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}},
                    "required": ["name"],
                }
            },
        },
        {"name": "text", "age": 0},
    ),
    "a reference with odd characters": (
        {"$ref": "#/$defs/a~1b~0c", "$defs": {"a/b~c": {"type": "boolean"}}},
        False,
    ),
    "a form that holds itself": (
        {"$ref": "#/$defs/Node", "$defs": {"Node": NODE | {"required": ["next"]}}},
        {"next": None},
    ),
}


@pytest.mark.parametrize(("schema", "instance"), INSTANCES.values(), ids=INSTANCES.keys())
def test_the_smallest_instance(schema: dict[str, object], instance: object) -> None:
    """Pinned, and an independent validator agrees that it fits."""
    found = instance_of(schema)

    Draft202012Validator(schema).validate(found)
    assert json.dumps(found) == json.dumps(instance)


class Address(BaseModel):
    city: Annotated[str, Field(min_length=1)]
    zip: str | None


class Person(BaseModel):
    name: str
    born: int = Field(ge=1900, lt=2030)
    status: Literal["active", "gone"]
    addresses: list[Address] = Field(min_length=1)
    children: list[Person]
    partner: Person | None
    nick: str = ""


def test_a_pydantic_model_takes_it() -> None:
    instance = instance_of(TypeAdapter(Person).json_schema())

    person = Person.model_validate(instance)
    assert (person.name, person.born, person.status) == ("text", 1900, "active")
    assert (person.addresses[0].city, person.children, person.nick) == ("text", [], "")


@pytest.mark.parametrize("format", TEXT_OF_FORMAT)
def test_text_of_a_format_is_of_it(format: str) -> None:
    schema = {"type": "string", "format": format}

    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
        instance_of(schema)
    )


IMPOSSIBLE = {
    "a pattern": ({"type": "string", "pattern": "^[0-9]{5}$"}, "tell it what to reply"),
    "no number between": ({"type": "integer", "minimum": 3, "maximum": 2}, "finds no number"),
    "nowhere": ({"$ref": "#/$defs/Missing"}, "refers to #/\\$defs/Missing"),
    "endless": (
        {
            "$ref": "#/$defs/A",
            "$defs": {"A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]}},
        },
        "no finite instance",
    ),
}


@pytest.mark.parametrize(("schema", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_where_there_is_none_it_says_so(schema: dict[str, object], message: str) -> None:
    with pytest.raises(LLMError, match=message) as caught:
        instance_of(schema)

    assert caught.value.code == ErrorCode.INVALID_REQUEST
