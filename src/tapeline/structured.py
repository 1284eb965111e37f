"""Structured output: from a Python type or a JSON schema to a schema, and from text to a value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tapeline.errors import ErrorCode, LLMError
from tapeline.types import Json, Reply


def json_schema(schema: Any) -> dict[str, Json]:
    """Return the JSON schema of a pydantic model, a dataclass, another type, or a schema itself."""
    if isinstance(schema, Mapping):
        return dict(schema)
    from pydantic import TypeAdapter

    closed: dict[str, Json] = _closed(TypeAdapter(schema).json_schema())
    return closed


def schema_name(schema: Any) -> str:
    """Return a name for the schema, as some APIs want one."""
    title = schema.get("title") if isinstance(schema, Mapping) else getattr(schema, "__name__", None)
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in title or "answer")[:64]


def parse(reply: Reply, schema: Any) -> Any:
    """Return the value a reply holds, validated where the schema is a Python type.

    Raises LLMError (invalid_response) with the reply on `.partial`.
    """
    try:
        if isinstance(schema, Mapping):
            return json.loads(reply.text)
        from pydantic import TypeAdapter

        return TypeAdapter(schema).validate_json(reply.text)
    except ValueError as error:  # of json, and what pydantic's ValidationError derives from
        raise LLMError(
            f"the answer does not fit the schema: {error}", code=ErrorCode.INVALID_RESPONSE, partial=reply
        ) from error


def _closed(schema: Json) -> Json:
    """Say of each object that it has no other properties: strict APIs want to hear it."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {keyword: _closed_value(keyword, value) for keyword, value in schema.items()}
    if "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


def _closed_value(keyword: str, value: Json) -> Json:
    """Close the schemas below a keyword. Names and data are none, even if they are called "properties"."""
    if keyword in {"properties", "$defs"}:
        return {name: _closed(schema) for name, schema in value.items()}
    return value if keyword in {"default", "const", "enum", "examples"} else _closed(value)
