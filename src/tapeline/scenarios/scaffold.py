"""What `tapeline init` puts into a project: a scenario, a test and a CI job that pass at once, without a key.

The recordings that come along are made up, and say so; all files are meant to be kept and changed. What is
there already stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from tapeline.errors import ConfigError
from tapeline.scenarios.editor_schema import editor_schema

SCHEMA_PATH = "scenarios/scenario.schema.json"

BASICS: Mapping[str, str] = {
    "scenarios/hello.yaml": "scenario.txt",
    "scenarios/__snapshots__/hello/test_hello[french@openai].yaml": "snapshot_french.txt",
    "scenarios/__snapshots__/hello/test_hello[italian@openai].yaml": "snapshot_italian.txt",
    "cassettes/hello/openai/french.yaml": "cassette_french.txt",
    "cassettes/hello/openai/italian.yaml": "cassette_italian.txt",
    "tests/test_llm.py": "test.txt",
    "tests/cassettes/test_llm/test_the_greeting_is_french.yaml": "cassette_test.txt",
    ".github/workflows/llm-tests.yml": "workflow.txt",
}
"""Where a file goes -> the template of its content."""

ASV: Mapping[str, str] = {
    "asv.conf.json": "asv_config.txt",
    "benchmarks/__init__.py": "empty.txt",
    "benchmarks/scenarios.py": "asv_benchmarks.txt",
}
"""The same for a history of the figures with asv."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaffoldFile:
    """A file of the scaffold. exists: something is in its place."""

    path: Path
    content: str
    exists: bool


Outcome = Literal["created", "exists"]


def scaffold(folder: Path, *, with_asv: bool = False) -> list[ScaffoldFile]:
    """Return the files that belong into a project. Writes nothing."""
    templates = {**BASICS, **(ASV if with_asv else {})}
    contents = {place: _template(name) for place, name in templates.items()}
    contents[SCHEMA_PATH] = json.dumps(editor_schema(), indent=2) + "\n"
    return [
        ScaffoldFile(path=folder / place, content=content, exists=(folder / place).exists())
        for place, content in sorted(contents.items())
    ]


def _template(name: str) -> str:
    return files("tapeline.scenarios").joinpath("scaffold_files", name).read_text(encoding="utf-8")


def write(file: ScaffoldFile) -> Outcome:
    """Create a file, and never replace one, not even through a link. Raises ConfigError if it cannot."""
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with file.path.open("x", encoding="utf-8", newline="\n") as new:
            new.write(file.content)
    except FileExistsError:
        if not file.path.parent.is_dir():
            raise ConfigError(f"cannot create {file.path}: {file.path.parent} is no folder") from None
        return "exists"
    except OSError as error:
        raise ConfigError(f"cannot create {file.path}: {error.strerror}") from error
    return "created"
