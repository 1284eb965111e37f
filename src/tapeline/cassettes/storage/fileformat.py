"""Cassette files: vcrpy's format version 1, read safely and written whole or not at all.

Stock vcrpy and pytest-recording replay these files. Large binary bodies stand in files beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.secrets.redaction import redacted
from tapeline.cassettes.secrets.suspicion import refuse_secrets
from tapeline.cassettes.storage.locking import locked, replace_file
from tapeline.cassettes.storage.side_files import SideFiles
from tapeline.cassettes.storage.vcr_form import (
    bodies_aside,
    interaction_of,
    readable_item,
    request_dict,
    response_dict,
)
from tapeline.cassettes.storage.yaml_text import emit, parse
from tapeline.errors import InvalidCassetteError

FORMAT_VERSION = 1
FILE_BYTES_LIMIT = 64 * 1024 * 1024


# Reading ------------------------------------------------------------------------------------------------


def load(path: Path) -> list[Interaction]:
    """Read a cassette. Raises InvalidCassetteError, which names the file and the interaction."""
    side, found = SideFiles(path), items_of(content_of_file(path), path)
    return [_interaction(item, f"{path}: interaction {number}", side) for number, item in enumerate(found, 1)]


def items_of(content: Any, path: Path) -> list[Any]:
    """Return the interactions of a file's content as they stand there. Raises InvalidCassetteError."""
    if not isinstance(content, dict) or not isinstance(content.get("interactions"), list):
        raise InvalidCassetteError(f"{path}: not a cassette: it has no list of interactions")
    found: list[Any] = content["interactions"]
    return found


def content_of_file(path: Path) -> Any:
    """Return what a file says, whatever that is. Raises InvalidCassetteError."""
    try:
        if path.stat().st_size > FILE_BYTES_LIMIT:
            raise InvalidCassetteError(f"{path}: larger than {FILE_BYTES_LIMIT} bytes")
        text = path.read_text(encoding="utf-8")
        content = parse(text)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCassetteError(f"{path}: cannot read it: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidCassetteError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if content is None:
        raise InvalidCassetteError(f"{path}: empty: delete it, and record it again with --record-mode=once")
    return content


def _interaction(item: Any, where: str, side: SideFiles) -> Interaction:
    try:
        return interaction_of(item["request"], item["response"], side)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidCassetteError(f"{where}: {type(error).__name__}: {error}") from error


# Writing ------------------------------------------------------------------------------------------------


def save(path: Path, interactions: Sequence[Interaction]) -> None:
    """Write a cassette: redacted, checked for secrets, and replaced in one step.

    Raises CassetteError if something in it still looks like a secret; the old file is then untouched.
    """
    with locked(path):
        _write(path, interactions)


def update(path: Path, change: Callable[[list[Interaction]], Sequence[Interaction]]) -> None:
    """Write what `change` makes of the interactions a cassette holds now; none if there is no file yet.

    No other process writes it in the meantime, so that two which record into one cassette lose nothing.
    Raises as `load` and `save` do.
    """
    with locked(path):
        _write(path, change(load(path) if path.exists() else []))


def save_changes(path: Path, *, before: list[Interaction], after: list[Interaction]) -> None:
    """Write a cassette that held `before` when it was loaded, and keep what others have added to it since.

    Raises as `load` and `save` do.
    """
    update(path, lambda current: [*after, *_added(current, before, after)])


def _added(
    current: list[Interaction], before: list[Interaction], after: list[Interaction]
) -> list[Interaction]:
    if current == before:
        return []
    known = [*before, *map(_as_read_back, after)]  # the same may be saved twice
    return [item for item in current if item not in known]


def _as_read_back(interaction: Interaction) -> Interaction:
    kept = redacted(interaction)
    return interaction_of(request_dict(kept), response_dict(kept))


def _write(path: Path, interactions: Sequence[Interaction]) -> None:
    kept = [redacted(interaction) for interaction in interactions]
    text = dump(kept)
    refuse_secrets(text, kept, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    side = SideFiles(path)
    digests = side.write(body for interaction in kept for body in bodies_aside(interaction))
    replace_file(path, text)
    side.remove_orphans(digests)


def dump(interactions: Sequence[Interaction]) -> str:
    """Return the text of a cassette file. What it says loads back as the same interactions."""
    written = [readable_item(interaction) for interaction in interactions]
    return emit({"version": FORMAT_VERSION, "interactions": written})
