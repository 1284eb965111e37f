"""Validation: the JSON schema of a Python type, and JSON held against a type or a schema.

Knows no model, no request and no tool. pydantic answers for Python types, jsonschema for schemas written
by hand; nothing is ever fetched for a `$ref`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema, from_json

from tapeline.errors import ConfigError, shortened
from tapeline.types import Json

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

T = TypeVar("T")

CACHED_TYPES = 256  # an adapter takes pydantic 0.1 to 10 ms to build, and a call needs one
MAX_PROBLEMS = 6  # named of one value: a model mends those first, and the error has room for no more
PROBLEM_CHARACTERS = 160

UNUSABLE = (PydanticUserError, PydanticUndefinedAnnotation)
"""What pydantic raises for a type it cannot read or cannot write as a JSON schema."""


def per_type(function: Callable[[Any], T]) -> Callable[[Any], T]:
    """Cache what a function makes of a type; types that cannot be hashed are worked out each time."""
    cached = lru_cache(maxsize=CACHED_TYPES)(function)

    @wraps(function)
    def lookup(kind: Any) -> T:
        try:
            hash(kind)
        except TypeError:  # such as Annotated[int, Field(examples=[1])]
            return function(kind)
        return cached(kind)

    return lookup


# Python types ---------------------------------------------------------------------------------------


def new_adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what reads a type from JSON. Raises ConfigError if pydantic knows no way."""
    try:
        return TypeAdapter(kind)
    except UNUSABLE as error:
        raise _unusable(error) from error


adapter_of = per_type(new_adapter)


def schema_of(adapter: TypeAdapter[Any]) -> dict[str, Json]:
    """Return the JSON schema of a type, an object also where it is recursive. Raises ConfigError."""
    try:
        schema = adapter.json_schema(schema_generator=_LeanSchema)
    except UNUSABLE as error:
        raise _unusable(error) from error
    if "$ref" not in schema:
        return schema
    # pydantic writes a recursive type as a reference to its definition; APIs want to see the object.
    definition = schema["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return {**definition, "$defs": schema["$defs"]}


class _LeanSchema(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of names: they cost tokens and tell a model nothing.

    A default that is no JSON is nobody's mistake here, so it is left out without a warning.
    """

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:
        return False


def _unusable(error: Exception) -> ConfigError:
    reason = str(error).partition("\n")[0].rstrip(".")  # below is a link
    return ConfigError(
        f"{reason}. Pass a pydantic model, a dataclass, a TypedDict, another type of JSON values, "
        "or a JSON schema as a dict; names in quotes must be defined in their module."
    )


# JSON -----------------------------------------------------------------------------------------------


def value_of(text: str, schema: Any) -> Any:
    """Return the value that JSON text holds, checked against a type or a JSON schema.

    Raises ValueError, which `explained` puts into words; ConfigError if the schema itself is wrong.
    """
    if not isinstance(schema, Mapping):
        return adapter_of(schema).validate_json(text)
    value = from_json(text, allow_inf_nan=False)
    check(value, schema)
    return value


def check(value: Json, schema: Mapping[str, Json]) -> None:
    """Raise ValueError with a line for each way in which a value does not fit a JSON schema."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        # Of a choice it is said where the nearest alternative failed, not that all of them did.
        problems = [best_match([error]) for error in checked_schema(schema).iter_errors(value)]
    except Unresolvable as error:
        raise ConfigError(f"the JSON schema refers to nothing: {error}") from error
    if problems:
        raise ValueError(_lines((problem.absolute_path, problem.message) for problem in problems if problem))


def checked_schema(schema: Mapping[str, Json]) -> Validator:
    """Return what checks values against a JSON schema. Raises ConfigError if it is none."""
    try:
        text = json.dumps(dict(schema))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"not a JSON schema: {error}") from error
    return _validator(text)


@lru_cache(maxsize=CACHED_TYPES)
def _validator(text: str) -> Validator:
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    schema = json.loads(text)
    dialect = validator_for(schema, default=Draft202012Validator)
    try:
        dialect.check_schema(schema)
    except SchemaError as error:
        raise ConfigError(f"not a JSON schema: {error.message} at {error.json_path}") from error
    # An empty registry: by default, jsonschema would fetch remote references over the network.
    return dialect(schema, registry=Registry())


def explained(error: Exception) -> str:
    """Return what is wrong with a value, a line each: "streets.0.name: Field required"."""
    if not isinstance(error, ValidationError):
        return str(error)
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return _lines((problem["loc"], problem["msg"]) for problem in problems)


def _lines(problems: Iterable[tuple[Iterable[Any], str]]) -> str:
    lines = [
        shortened(": ".join(filter(None, (".".join(map(str, path)), message))), PROBLEM_CHARACTERS)
        for path, message in problems
    ]
    rest = len(lines) - MAX_PROBLEMS
    return "\n".join(lines[:MAX_PROBLEMS] + ([f"and {rest} more"] if rest > 0 else []))
