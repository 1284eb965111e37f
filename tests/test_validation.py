"""Validation: the JSON schemas of Python types, and what is said of JSON that does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from tapeline.errors import ConfigError
from tapeline.validation import adapter_of, check, checked_schema, explained, per_type, schema_of, value_of


class Street(BaseModel):
    name: str
    length_m: int = Field(default=0, title="Length in metres")


class Town(TypedDict):
    """A town."""

    streets: list[Street]


class Part(BaseModel):
    parts: list[Part] = []


class Box(BaseModel):
    content: object = Field(default=object())


CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": ["integer", "null"]}},
    "required": ["name"],
    "additionalProperties": False,
}
NESTED = {"properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"const": 1}}]}}}


def complaint(text: str, schema: Any) -> str:
    try:
        value_of(text, schema)
    except ValueError as error:
        return explained(error)
    return ""


# Python types ---------------------------------------------------------------------------------------


def test_only_titles_that_somebody_wrote_are_kept() -> None:
    """Those that pydantic makes of names cost tokens in every call."""
    assert schema_of(adapter_of(Street)) == {
        "type": "object",
        "title": "Street",
        "properties": {
            "name": {"type": "string"},
            "length_m": {"type": "integer", "default": 0, "title": "Length in metres"},
        },
        "required": ["name"],
    }


def test_a_recursive_type_is_an_object_all_the_same() -> None:
    schema = schema_of(adapter_of(Part))

    assert schema["type"] == "object"
    assert schema["properties"]["parts"]["items"] == {"$ref": "#/$defs/Part"}
    assert schema["$defs"]["Part"]["type"] == "object"


def test_a_default_that_is_no_json_is_left_out_without_a_warning() -> None:
    assert schema_of(adapter_of(Box))["properties"] == {"content": {}}


def test_an_adapter_is_built_once_for_a_type() -> None:
    """It takes milliseconds, and every call needs one."""
    assert adapter_of(Town) is adapter_of(Town)
    assert adapter_of(list[Street]) is adapter_of(list[Street])


def test_a_type_that_cannot_be_hashed_is_worked_out_each_time() -> None:
    kind = Annotated[int, {"of": "metadata"}]
    with pytest.raises(TypeError):
        hash(kind)
    seen = []

    lookup = per_type(seen.append)
    lookup(kind)
    lookup(kind)

    assert seen == [kind, kind]


@pytest.mark.parametrize("kind", [object(), "Town", list["Nowhere"], Callable[[int], int], 5])  # noqa: F821
def test_what_is_no_type_of_json_values_is_a_wrong_setting(kind: Any) -> None:
    """The message says what to pass instead, and has no link in it."""
    with pytest.raises(ConfigError, match="Pass a pydantic model") as raised:
        schema_of(adapter_of(kind))

    assert "\n" not in raised.value.message
    assert "http" not in raised.value.message


# JSON -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (Street, '{"name": "Rivoli"}', Street(name="Rivoli")),
        (Town, '{"streets": []}', {"streets": []}),
        (CITY, '{"name": "Paris", "people": null}', {"name": "Paris", "people": None}),
        ({}, " [1, 2.5] ", [1, 2.5]),
    ],
)
def test_json_that_fits_becomes_a_value(schema: Any, text: str, value: Any) -> None:
    assert value_of(text, schema) == value


@pytest.mark.parametrize(
    ("schema", "text", "explanation"),
    [
        (
            Street,
            '{"length_m": "long"}',
            ["name: Field required", "length_m: Input should be a valid integer"],
        ),
        (Town, '{"streets": [{"name": 5}]}', ["streets.0.name: Input should be a valid string"]),
        (Street, "[]", ["Input should be an object"]),
        (Street, "{", ["Invalid JSON: EOF while parsing an object"]),
        (
            CITY,
            '{"people": "many"}',
            ["people: 'many' is not of type 'integer', 'null'", "'name' is a required"],
        ),
        (CITY, '{"name": "Paris", "x": 1}', ["Additional properties are not allowed ('x' was unexpected)"]),
        (CITY, '{"name": NaN}', ["expected value at line 1"]),
        (CITY, "[" * 100_000, ["recursion limit exceeded"]),
        (NESTED, '{"a": [1, 2]}', ["a.1: 1 was expected"]),
    ],
)
def test_what_does_not_fit_is_told_in_a_line_each(schema: Any, text: str, explanation: list[str]) -> None:
    """With the way to it; of a choice, where its nearest alternative failed."""
    lines = complaint(text, schema).splitlines()

    assert len(lines) == len(explanation)
    assert all(line.startswith(start) for line, start in zip(sorted(lines), sorted(explanation), strict=True))


def test_an_explanation_is_short_however_much_is_wrong() -> None:
    """Neither the value of a page nor a hundred lines of the same."""
    text = json.dumps(["x" * 5_000] * 100)

    lines = complaint(text, {"items": {"type": "integer"}}).splitlines()

    assert lines[-1] == "and 94 more"
    assert len(lines) == 7
    assert max(map(len, lines)) < 200


# JSON schemas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"type": "string", "pattern": "("},
        {"properties": {"a": {"minimum": "1"}}},
        {"default": object()},
    ],
)
def test_a_schema_that_is_none_is_a_wrong_setting(schema: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="not a JSON schema"):
        checked_schema(schema)


@pytest.mark.parametrize("reference", ["#/$defs/Nowhere", "https://schemas.invalid/city.json"])
def test_a_reference_is_looked_up_in_the_schema_and_nowhere_else(reference: str) -> None:
    """jsonschema alone would ask the network."""
    with pytest.raises(ConfigError, match="refers to nothing"):
        check(1, {"$ref": reference})


def test_a_schema_says_its_own_dialect() -> None:
    """A list of `items` is what draft 7 calls a tuple; newer ones refuse it."""
    draft_7 = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}]}

    check([1, "x"], draft_7)
    with pytest.raises(ValueError, match="0: 'x' is not of type 'integer'"):
        check(["x"], draft_7)
