"""Tools as a scenario file declares them, and what answers their calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from tapeline.scenarios.attachments import project_folder
from tapeline.scenarios.callables import find_callable, wrong_path
from tapeline.scenarios.strict import Strict, Variables, valid_schema
from tapeline.scenarios.templates import filled, filled_text
from tapeline.tools import TOOL_NAME
from tapeline.types import Tool


class ToolSpec(Strict):
    """A tool the model may call, and what answers its calls; without an answer the turn ends with them."""

    name: str = Field(description="Letters, digits, _ and -.")
    description: str = Field(default="", description="What the model is told about it.")
    parameters: dict[str, Any] = Field(
        default_factory=lambda: {"type": "object", "properties": {}},
        description="The JSON schema of its arguments.",
    )
    result: Any = Field(default=None, description="What every call returns.")
    python: str | None = Field(
        default=None, description="module.function of yours that answers a call, given the arguments by name."
    )

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not TOOL_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a tool: take 1 to 64 of a-z, A-Z, 0-9, _ and -")
        return name

    @field_validator("parameters")
    @classmethod
    def _is_a_schema(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        return valid_schema(parameters)

    @field_validator("python")
    @classmethod
    def _is_dotted(cls, path: str | None) -> str | None:
        if path is not None and (problem := wrong_path(path)):
            raise ValueError(problem)
        return path

    @model_validator(mode="after")
    def _has_one_answer(self) -> ToolSpec:
        if self.python is not None and "result" in self.model_fields_set:
            raise ValueError("give either result or python")
        return self

    def declared(self) -> Tool:
        """Return what the model is told."""
        return Tool(name=self.name, description=self.description, parameters=self.parameters)

    def tool(self, folder: Path) -> Tool:
        """Return the tool with what answers it. Raises ConfigError if its function cannot be found."""
        return replace(self.declared(), function=self._function(folder))

    def _function(self, folder: Path) -> Callable[..., Any] | None:
        if self.python is not None:
            return find_callable(self.python, project_folder(folder))
        return (lambda **_: self.result) if "result" in self.model_fields_set else None

    def filled(self, variables: Variables) -> ToolSpec:
        update: dict[str, Any] = {"description": filled_text(self.description, variables)}
        if "result" in self.model_fields_set:
            update["result"] = filled(self.result, variables)
        return self.model_copy(update=update)
