"""Reading scenario files: safe YAML in, a Scenario out, errors with file, line and column."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from tapeline.cassettes.fileformat import refuse_nesting
from tapeline.errors import ScenarioError
from tapeline.scenarios.schema import Load, Match, MessageSpec, Options, Repeated, Scenario, Target

FILE_BYTES_LIMIT = 4 * 1024 * 1024
TABLES: Mapping[str, type[BaseModel]] = {
    "targets": Target,
    "messages": MessageSpec,
    "content": Repeated,
    "options": Options,
    "match": Match,
    "load": Load,
}
"""Key -> the model of what stands below it."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario and where it was found."""

    path: Path
    scenario: Scenario

    def cassette(self, target: Target) -> Path:
        """Return the cassette of a target: `cassettes/SCENARIO/TARGET.yaml`, beside the scenarios folder."""
        folder = self.path.parent
        root = folder.parent if folder.name == "scenarios" else folder
        return root / "cassettes" / self.scenario.name / f"{target.id}.yaml"


def load_scenario(path: str | Path) -> ScenarioFile:
    """Read one scenario. Raises ScenarioError, which starts with file:line:column."""
    path = Path(path)
    try:
        if path.stat().st_size > FILE_BYTES_LIMIT:
            raise ScenarioError(f"{path}: larger than {FILE_BYTES_LIMIT} bytes")
        text = path.read_text(encoding="utf-8")
        refuse_nesting(text)
        root = yaml.compose(text, Loader=_Loader)
        content = yaml.load(text, Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot read it: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ScenarioError(f"{path}{_yaml_place(error)}: {_yaml_problem(error)}") from error
    try:
        return ScenarioFile(path, Scenario.model_validate(content))
    except ValidationError as error:
        raise ScenarioError(_explained(path, root, error)) from None


def load_scenarios(folder: str | Path) -> list[ScenarioFile]:
    """Read all `*.yaml` of a folder, by name. Raises ScenarioError."""
    paths = sorted(Path(folder).glob("*.yaml"))
    if not paths:
        raise ScenarioError(f"{folder}: no scenarios (*.yaml) in this folder")
    return [load_scenario(path) for path in paths]


def bundled_scenarios() -> Path:
    """Return the folder of the scenarios that come with tapeline."""
    package = Path(__file__).parent.parent
    installed = package / "bundled" / "scenarios"
    return installed if installed.is_dir() else package.parent.parent / "scenarios"  # a source checkout


# Errors -------------------------------------------------------------------------------------------------


def _yaml_place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""


def _yaml_problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]


def _explained(path: Path, root: Any, error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False):
        line, column = _place(root, problem["loc"])
        dotted = ".".join(str(step) for step in problem["loc"])
        problems.append(f"{path}:{line}:{column}: {dotted or 'scenario'}: {_message(problem)}")
    return "\n".join(problems)


def _message(problem: Any) -> str:
    if problem["type"] != "extra_forbidden":
        return str(problem["msg"]).removeprefix("Value error, ")
    *above, key = problem["loc"]
    table = next((TABLES[step] for step in reversed(above) if step in TABLES), Scenario)
    known = [field.alias or name for name, field in table.model_fields.items()]
    near = difflib.get_close_matches(str(key), known, n=1)
    return f"unknown key; did you mean {near[0]!r}?" if near else "unknown key"


def _place(node: Any, steps: Sequence[str | int]) -> tuple[int, int]:
    """Return line and column (from 1) of what the steps lead to, or of the last thing on the way."""
    mark = node.start_mark if node is not None else None
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            if pair is None:
                continue  # pydantic adds steps of its own, such as the branch of a union
            mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
