"""The smallest value that fits a JSON schema: what the mock answers when an answer has to have a form.

Deterministic: the first of several options, required properties only, bounds kept. Knows what pydantic
and the providers' own subsets of JSON schema use. Not: what stands beside an `anyOf`, `not`, `if`,
`uniqueItems`; text for a `pattern` only where plain text happens to match it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tapeline.providers.errors import invalid_request
from tapeline.types import Json

Schema = Mapping[str, Any]

TEXT = "text"
TEXT_OF_FORMAT = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def instance_of(schema: Schema) -> Json:
    """Return a value that fits. Raises LLMError (invalid_request) if there is none the mock can find."""
    return _Instances(schema).of(schema, ())


class _Instances:
    """Instances of the parts of one schema, `root`. within: the references followed on the way to a part."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._of_type: dict[str, Callable[[Schema, tuple[str, ...]], Json]] = {
            "object": self._object,
            "array": self._array,
            "string": lambda schema, within: _text(schema),
            "integer": lambda schema, within: _number(schema, _multiples(schema)),
            "number": lambda schema, within: _number(schema, _numbers(schema)),
            "boolean": lambda schema, within: False,
            "null": lambda schema, within: None,
        }

    def of(self, schema: Schema | bool, within: tuple[str, ...]) -> Json:
        if isinstance(schema, bool):  # true: anything will do
            return None
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        if "$ref" in schema:
            return self._referenced(schema, within)
        if "allOf" in schema:
            return self.of(self._combined(schema), within)
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self._first(options, within)
        return self._of_type[_type(schema)](schema, within)

    def _referenced(self, schema: Schema, within: tuple[str, ...]) -> Json:
        ref = schema["$ref"]
        if ref in within:
            raise invalid_request(f"the schema has no finite instance: {ref} always holds another one")
        return self.of(self._target(ref), (*within, ref))

    def _target(self, ref: str) -> Schema:
        found: Any = self._root
        try:
            for name in ref.removeprefix("#").split("/")[1:]:
                found = found[name.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError):
            raise invalid_request(f"the schema refers to {ref}, which it does not hold") from None
        return found  # type: ignore[no-any-return]

    def _combined(self, schema: Schema) -> Schema:
        own = {name: value for name, value in schema.items() if name != "allOf"}
        parts = (self._target(part["$ref"]) if "$ref" in part else part for part in schema["allOf"])
        return _merged((*parts, own))

    def _first(self, options: Sequence[Schema], within: tuple[str, ...]) -> Json:
        """Return an instance of the first option that does not lead back to where we are."""
        outside = [option for option in options if option.get("$ref") not in within]
        return self.of((outside or options)[0], within)

    def _object(self, schema: Schema, within: tuple[str, ...]) -> Json:
        properties = schema.get("properties", {})
        return {name: self.of(properties.get(name, True), within) for name in schema.get("required", ())}

    def _array(self, schema: Schema, within: tuple[str, ...]) -> Json:
        first = [self.of(item, within) for item in schema.get("prefixItems", ())]
        missing = schema.get("minItems", 0) - len(first)
        return first + [self.of(schema.get("items", True), within) for _ in range(missing)]


def _type(schema: Schema) -> str:
    named = schema.get("type", "object" if "properties" in schema else "null")
    return named if isinstance(named, str) else str(named[0])


def _merged(parts: Iterable[Schema]) -> Schema:
    merged: dict[str, Any] = {}
    for part in parts:
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", ()), *part.get("required", ())]
        merged = {**merged, **part, "required": required}
        if properties:
            merged["properties"] = properties
    return merged


def _text(schema: Schema) -> str:
    text = TEXT_OF_FORMAT.get(schema.get("format", ""), TEXT).ljust(schema.get("minLength", 0), "x")
    text = text[: schema.get("maxLength", len(text))]
    if "pattern" in schema and not re.search(schema["pattern"], text):
        raise invalid_request(
            f"the mock cannot make up text for the pattern {schema['pattern']!r}: tell it what to reply"
        )
    return text


BOUNDS: Mapping[str, Callable[[float, float], bool]] = {
    "minimum": operator.ge,
    "exclusiveMinimum": operator.gt,
    "maximum": operator.le,
    "exclusiveMaximum": operator.lt,
}


def _number(schema: Schema, candidates: Iterable[float]) -> float:
    """Return the first candidate within the bounds of the schema."""
    bounds = [(holds, schema[name]) for name, holds in BOUNDS.items() if name in schema]
    for value in candidates:
        if all(holds(value, bound) for holds, bound in bounds):
            return value
    raise invalid_request(f"the mock finds no number that fits {dict(schema)}: tell it what to reply")


def _multiples(schema: Schema) -> Iterator[float]:
    """Yield multiples of the step of a schema, of 1 if it has none: 0, then those next to a bound."""
    step = schema.get("multipleOf", 1)
    yield 0
    for name in [name for name in BOUNDS if name in schema]:
        nearest = math.ceil(schema[name] / step)
        yield from ((nearest + offset) * step for offset in (0, 1, -1, -2))


def _numbers(schema: Schema) -> Iterator[float]:
    """Yield multiples; where there is no step, also the bounds and what is between them."""
    yield from _multiples(schema)
    bounds = [schema[name] for name in BOUNDS if name in schema]
    if bounds and "multipleOf" not in schema:
        yield from bounds
        yield sum(bounds) / len(bounds)
