"""JSON schemas that OpenAI can hold a model to, which is a smaller language than JSON Schema.

Source: https://platform.openai.com/docs/guides/structured-outputs, "Supported schemas". Changes no schema:
to require an optional property would ask for another answer than the caller did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tapeline.types import Json

REFUSED = frozenset(
    {
        "allOf",
        "default",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "not",
        "oneOf",
        "patternProperties",
        "then",
    }
)
"""Keywords that make a strict schema an error."""


def named_schema(name: str, schema: Mapping[str, Json]) -> dict[str, Json]:
    """Return a schema as both of OpenAI's APIs take it: strict if it can be."""
    return {"name": name, "schema": dict(schema), "strict": is_strict(schema)}


def is_strict(schema: Mapping[str, Json]) -> bool:
    """Whether a schema may be sent with `strict: true`: with any other that is an error of the API."""
    is_object = schema.get("type") == "object" and "anyOf" not in schema
    return is_object and all(map(_obeys, _with_subschemas(schema)))


def _obeys(schema: Mapping[str, Json]) -> bool:
    if "$ref" in schema and len(schema) > 1:
        return False  # not even a description may stand beside it
    if schema.keys() & REFUSED:
        return False
    if schema.get("type") != "object":
        return True
    is_closed = schema.get("additionalProperties") is False
    return is_closed and set(schema.get("required", ())) == set(schema.get("properties", ()))


def _with_subschemas(schema: Json) -> Iterator[Mapping[str, Json]]:
    """Yield a schema and all that it is made of. Names and data are none, even where they look like one."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    named = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    for part in (*named, *schema.get("anyOf", ()), schema.get("items")):
        yield from _with_subschemas(part)
