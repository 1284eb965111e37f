"""`tapeline schema`: what editors need to complete and check scenario files."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from tapeline.cli.terminal import say_json, tell
from tapeline.errors import ConfigError


def schema(
    output: Annotated[Path | None, typer.Option(help="Write it to this file instead.")] = None,
) -> None:
    """Print the JSON schema of scenario files, for editors.

    Name it in the first line of a scenario, `# yaml-language-server: $schema=PATH`, to have keys completed.

    Example: tapeline schema --output scenarios/scenario.schema.json
    """
    from tapeline.cassettes.storage.locking import replace_file
    from tapeline.scenarios.editor_schema import editor_schema

    if output is None:
        say_json(editor_schema())
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        replace_file(output, jsonlib.dumps(editor_schema(), indent=2) + "\n")
    except OSError as error:
        raise ConfigError(f"cannot write to {output}: {error.strerror}") from error
    tell(f"wrote {output}")
