"""Which schemas OpenAI accepts as strict: one that is not would be an error, not an answer."""

from __future__ import annotations

import pytest

from tapeline.providers.schemas import is_strict, named_schema
from tapeline.types import Json


def closed(properties: dict[str, Json], **fields: Json) -> dict[str, Json]:
    """An object with these properties, all required, and no others."""
    required = {"type": "object", "properties": properties, "required": list(properties)}
    return required | {"additionalProperties": False} | fields


STRING = {"type": "string", "maxLength": 40}
TREE = closed({"children": {"type": "array", "items": {"$ref": "#"}}})

STRICT = {
    "strings": closed({"a": STRING, "b": STRING}),
    "nothing": closed({}),
    "a choice inside": closed({"a": {"anyOf": [STRING, {"type": "null"}]}}),
    "objects in a list": closed({"a": {"type": "array", "items": closed({"b": STRING})}}),
    "a definition": closed({"a": {"$ref": "#/$defs/B"}}, **{"$defs": {"B": closed({"b": STRING})}}),
    "itself": TREE,
    "a property with the name of a keyword": closed({"default": STRING, "properties": STRING}),
    "an enum that looks like a schema": closed({"a": {"enum": [{"default": 1}]}}),
}

LOOSE = {
    "no object": STRING,
    "no type": {},
    "a choice": closed({}, anyOf=[closed({})]),
    "an optional property": closed({"a": STRING, "b": STRING}, required=["a"]),
    "open": closed({"a": STRING}, additionalProperties=True),
    "not said to be closed": {"type": "object", "properties": {}},
    "a default": closed({"a": STRING | {"default": ""}}),
    "an open object in a list": closed({"a": {"type": "array", "items": {"type": "object"}}}),
    "an open object in a choice": closed({"a": {"anyOf": [{"type": "object"}]}}),
    "an open definition": closed({"a": {"$ref": "#/$defs/B"}}, **{"$defs": {"B": {"type": "object"}}}),
    "a description beside a reference": closed({"a": {"$ref": "#/$defs/B", "description": "B"}}),
    "a keyword unknown to it": closed({"a": {"oneOf": [STRING]}}),
}


@pytest.mark.parametrize("schema", STRICT.values(), ids=STRICT.keys())
def test_a_closed_schema_is_strict(schema: dict[str, Json]) -> None:
    """Every object in it requires all its properties and allows no other."""
    assert is_strict(schema)


@pytest.mark.parametrize("schema", LOOSE.values(), ids=LOOSE.keys())
def test_any_other_schema_is_not(schema: dict[str, Json]) -> None:
    """One part of it is enough."""
    assert not is_strict(schema)


def test_a_schema_is_sent_as_strict_where_it_is() -> None:
    assert named_schema("a", closed({})) == {"name": "a", "schema": closed({}), "strict": True}
    assert named_schema("a", {}) == {"name": "a", "schema": {}, "strict": False}
