"""Pictures, documents and sound that a scenario sends: files of its project, or URLs the provider fetches.

A scenario may come from anyone, so it reads nothing outside the project's folder, through no link either,
and no file of more than `FILE_BYTES_LIMIT`.
"""

from __future__ import annotations

from pathlib import Path

from tapeline.errors import ConfigError
from tapeline.media import Media

FILE_BYTES_LIMIT = 20 * 1024 * 1024  # above what any provider takes in a request


def project_folder(folder: Path) -> Path:
    """Return the folder of the project whose scenarios stand in `folder`."""
    return folder.parent if folder.name == "scenarios" else folder


def attachment(kind: type[Media], source: str, folder: Path) -> Media:
    """Return a URL or a file, its path seen from `folder`. Raises ConfigError."""
    if is_url(source):
        return kind.from_url(source)
    path = checked_file(source, folder)
    try:
        return kind.from_path(path)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def is_url(source: str) -> bool:
    return source.startswith(("https://", "http://", "s3://"))


def checked_file(source: str, folder: Path) -> Path:
    """Return the file a scenario names. Raises ConfigError for one it may not, or cannot, read."""
    if "\0" in source:
        raise ConfigError(f"{source!r}: no such file in {folder}")
    path = (folder / source).resolve()
    project = project_folder(folder.resolve())
    if not path.is_relative_to(project):
        raise ConfigError(f"{source}: outside the project's folder {project}; copy the file into it")
    if not path.is_file():
        raise ConfigError(f"{source}: no such file in {folder}")
    if path.stat().st_size > FILE_BYTES_LIMIT:
        raise ConfigError(f"{source}: larger than {FILE_BYTES_LIMIT} bytes")
    return path
