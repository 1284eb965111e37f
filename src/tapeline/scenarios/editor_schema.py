"""The JSON schema of scenario files, which editors complete and check them by.

It is made from the models that read the files, short forms included, so that it cannot say anything else.
What only reading tells (that a variable has a value, that a file is there) it does not know.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from tapeline.scenarios.schema import Scenario


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of the keys, which editors show already."""

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:
        return False


def editor_schema() -> dict[str, Any]:
    """Return the schema."""
    schema = Scenario.model_json_schema(by_alias=True, mode="validation", schema_generator=_Untitled)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "tapeline scenario"}
