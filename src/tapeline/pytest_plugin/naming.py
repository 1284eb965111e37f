"""Which cassette belongs to which test: no two tests share one.

The names are pytest-recording's, so that its cassettes are found: `cassettes/MODULE/TEST.yaml` beside the
module. It writes a `-` for each character that file names cannot have, and so gives `test[a/b]` and
`test[a:b]` one file. Here such a test, and one with too long a name, has a digest of its name in the file's.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import pytest

FORBIDDEN = frozenset("<>?%*:|\"'/\\")
NAME_BYTES = 200
DIGEST_BYTES = 4


def cassette_folder(item: pytest.Item) -> Path:
    """Return the folder of a test's module: each has its own."""
    return item.path.parent / "cassettes" / item.path.stem


def cassette_name(item: pytest.Item) -> str:
    """Return the name of a test's cassette, without its suffix: a function of the test's id alone."""
    name = _full_name(item)
    shown = "".join("-" if _is_forbidden(letter) else letter for letter in name)
    if shown == name and len(name.encode()) <= NAME_BYTES:
        return name
    short = shown.encode()[:NAME_BYTES].decode(errors="ignore")
    return f"{short}-{blake2b(name.encode(), digest_size=DIGEST_BYTES).hexdigest()}"


def known_name(item: pytest.Item, folder: Path) -> str:
    """Return the name to use: pytest-recording's, where only it has a cassette yet."""
    name, theirs = cassette_name(item), recording_name(item)
    has_ours, has_theirs = ((folder / f"{each}.yaml").exists() for each in (name, theirs))
    return theirs if has_theirs and not has_ours else name


def recording_name(item: pytest.Item) -> str:
    """Return the name that pytest-recording gives."""
    return "".join("-" if letter in FORBIDDEN else letter for letter in _full_name(item))


def cassette_path(item: pytest.Item, path: str | None) -> Path:
    """Return the file of a test's own tape. Raises UsageError for one outside the test's folder."""
    folder = cassette_folder(item)
    if path is None:
        return folder / f"{known_name(item, folder)}.yaml"
    chosen = folder / path
    if not chosen.resolve().is_relative_to(folder.resolve()):
        raise pytest.UsageError(f"{item.nodeid}: {path}: a cassette lies below {folder}, and nowhere else")
    return chosen if chosen.suffix else chosen.with_suffix(".yaml")


def _full_name(item: pytest.Item) -> str:
    cls = getattr(item, "cls", None)
    return f"{cls.__name__}.{item.name}" if cls is not None else item.name


def _is_forbidden(letter: str) -> bool:
    return letter in FORBIDDEN or not letter.isprintable()
