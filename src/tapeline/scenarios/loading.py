"""Finding scenario files and reading them: YAML in, a Scenario out, errors with file, line and column."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tapeline.errors import ConfigError, ScenarioError
from tapeline.scenarios.attachments import checked_file, is_url, project_folder
from tapeline.scenarios.cases import rows
from tapeline.scenarios.documents import Document, read_document
from tapeline.scenarios.messages import MessageSpec
from tapeline.scenarios.schema import Scenario, TurnSpec, second
from tapeline.scenarios.strict import WrongPartError
from tapeline.scenarios.targets import Target


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario and where it was found. case: the row of its table that this is; "" for the whole file."""

    path: Path
    scenario: Scenario
    case: str = ""

    @property
    def folder(self) -> Path:
        """The folder that paths in the file are seen from."""
        return self.path.parent

    @property
    def cassettes(self) -> Path:
        """The folder of the scenario's cassettes."""
        return project_folder(self.folder) / "cassettes" / self.scenario.name

    @property
    def label(self) -> str:
        """What people are told: the scenario's name, and the case."""
        return f"{self.scenario.name}[{self.case}]" if self.case else self.scenario.name

    def cases(self) -> list[ScenarioFile]:
        """Return one for each row of the table, its variables filled in; itself where it has no table."""
        if self.case:
            return [self]
        return [ScenarioFile(self.path, scenario, id) for id, scenario in rows(self.scenario)]

    def cassette(self, target: Target) -> Path:
        """Return the cassette of a target, beside the scenarios folder.

        `cassettes/SCENARIO/TARGET.yaml`, or `cassettes/SCENARIO/TARGET/CASE.yaml` where there is a table.
        """
        if self.case:
            return self.cassettes / target.id / f"{self.case}.yaml"
        return self.cassettes / f"{target.id}.yaml"


def load_scenario(path: str | Path) -> ScenarioFile:
    """Read one scenario. Raises ScenarioError, which starts with file:line:column."""
    document = read_document(Path(path))
    try:
        file = ScenarioFile(document.path, Scenario.model_validate(document.content))
        problems = list(_unreadable_files(file, document))
    except ValidationError as error:
        raise ScenarioError(_explained(document, error)) from None
    except ConfigError as error:  # of a text that its variables make too long
        raise ScenarioError(f"{document.where()}: {error.message}") from error
    if problems:
        raise ScenarioError("\n".join(problems))
    return file


def load_scenarios(folder: str | Path) -> list[ScenarioFile]:
    """Read all `*.yaml` of a folder, by name. Raises ScenarioError, for two of one name too."""
    paths = sorted(Path(folder).glob("*.yaml"))
    if not paths:
        raise ScenarioError(f"{folder}: no scenarios (*.yaml) in this folder")
    files = [load_scenario(path) for path in paths]
    names = [file.scenario.name for file in files]
    if (n := second(names)) is not None:
        raise ScenarioError(
            f"{paths[n]}: another scenario here is called {names[n]!r} too: they would share cassettes"
        )
    return files


def bundled_scenarios() -> Path:
    """Return the folder of the scenarios that come with tapeline."""
    package = Path(__file__).parent.parent
    installed = package / "bundled" / "scenarios"
    return installed if installed.is_dir() else package.parent.parent / "scenarios"  # a source checkout


# Files it names -----------------------------------------------------------------------------------------


def _unreadable_files(file: ScenarioFile, document: Document) -> Iterator[str]:
    """Yield a line for each attachment that is not there, or may not be read."""
    seen = set()
    for case in file.cases():
        for steps, source in _attached(case.scenario):
            if source in seen:
                continue
            seen.add(source)
            try:
                checked_file(source, file.folder)
            except ConfigError as error:
                yield f"{document.where(steps)}: {error.message}"


def _attached(scenario: Scenario) -> Iterator[tuple[Sequence[str | int], str]]:
    said: Mapping[str, Sequence[MessageSpec | TurnSpec]]
    said = {"messages": scenario.messages, "turns": scenario.turns}
    for key, specs in said.items():
        for n, spec in enumerate(specs):
            for m, part in enumerate(spec.content):
                if part.medium is not None and not is_url(part.source):
                    yield (key, n, "content", m, part.medium), part.source


# Errors -------------------------------------------------------------------------------------------------


def _explained(document: Document, error: ValidationError) -> str:
    return "\n".join(_line(document, problem) for problem in error.errors(include_url=False))


def _line(document: Document, problem: Any) -> str:
    cause = problem.get("ctx", {}).get("error")
    steps = (*problem["loc"], *(cause.steps if isinstance(cause, WrongPartError) else ()))
    known = document.known_steps(steps)
    named = [*known, *steps[-1:]] if problem["type"] == "missing" else known
    return f"{document.where(steps)}: {'.'.join(map(str, named)) or 'scenario'}: {_message(problem)}"


def _message(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        *above, key = problem["loc"]
        return f"unknown key{_hint(str(key), _keys(_table(above)))}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] in ("literal_error", "enum"):
        known = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        message += _hint(str(problem["input"]), known)
    return message


def _hint(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _keys(table: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in table.model_fields.items()]


def _table(steps: Iterable[str | int]) -> type[BaseModel]:
    """Return the table that the steps lead into."""
    table: type[BaseModel] = Scenario
    for step in steps:
        for name, field in table.model_fields.items():
            if step in (name, field.alias):
                table = next(_tables_in(field.annotation), table)
    return table


def _tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _tables_in(argument)
