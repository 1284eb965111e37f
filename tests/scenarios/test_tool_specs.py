"""Tools of a scenario: what the model is told, and what answers its calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tapeline.errors import ConfigError
from tapeline.scenarios.tool_specs import ToolSpec
from tapeline.types import Tool

CITY = {"type": "object", "properties": {"city": {"type": "string"}}}


def spec(**keys: Any) -> ToolSpec:
    return ToolSpec.model_validate({"name": "weather"} | keys)


def answer(tool: Tool, **arguments: Any) -> Any:
    assert tool.function is not None
    return tool.function(**arguments)


def test_a_tool_is_declared_as_it_is_written() -> None:
    declared = spec(description="Tells.", parameters=CITY).declared()

    assert declared == Tool(name="weather", description="Tells.", parameters=CITY)
    assert declared.function is None


@pytest.mark.parametrize("result", ["sunny", {"sky": "blue"}, None, 0])
def test_a_result_answers_every_call(result: Any) -> None:
    """Also one that says nothing: it was given."""
    assert answer(spec(result=result).tool(Path()), city="Paris") == result


def test_a_function_answers_with_the_arguments(tmp_path: Path) -> None:
    """It is found in the project, around the folder of scenarios."""
    (tmp_path / "tools_of_a_project.py").write_text("def weather(city):\n    return f'sunny in {city}'\n")

    tool = spec(python="tools_of_a_project.weather").tool(tmp_path / "scenarios")

    assert answer(tool, city="Paris") == "sunny in Paris"


def test_without_either_nothing_answers() -> None:
    assert spec().tool(Path()).function is None


def test_a_function_that_is_not_there_is_an_error_when_it_is_needed() -> None:
    tool = spec(python="no_such_module_here.weather")

    with pytest.raises(ConfigError, match="no module no_such_module_here"):
        tool.tool(Path())


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        ({"name": "two words"}, "is no name for a tool"),
        ({"name": ""}, "is no name for a tool"),
        ({"parameters": {"type": "objekt"}}, "not a JSON schema"),
        ({"python": "weather"}, "write module.function"),
        ({"python": "a.b", "result": 1}, "either result or python"),
        ({"javascript": "x"}, "extra_forbidden"),
    ],
)
def test_nonsense_is_refused(keys: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        spec(**keys)


def test_variables_are_filled_into_the_description_and_the_result() -> None:
    tool = spec(description="Of {{city}}.", result={"city": "{{city}}", "n": "{{n}}"})

    filled = tool.filled({"city": "Paris", "n": 3})

    assert filled.description == "Of Paris."
    assert answer(filled.tool(Path())) == {"city": "Paris", "n": 3}
    assert spec().filled({}).tool(Path()).function is None
