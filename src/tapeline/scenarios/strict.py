"""What all tables of a scenario file have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

from tapeline.errors import ConfigError
from tapeline.validation import checked_schema

Variables: TypeAlias = Mapping[str, Any]


class Strict(BaseModel):
    """A table that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class WrongPartError(ValueError):
    """Something is wrong further below: `steps` lead there from the table that is checked."""

    def __init__(self, message: str, *steps: str | int) -> None:
        super().__init__(message)
        self.steps = steps


def valid_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON schema. Raises ValueError, as pydantic wants it, if it is none."""
    try:
        checked_schema(schema)
    except ConfigError as error:
        raise ValueError(error.message) from None
    return schema
