"""Functions of the user's, named in a scenario by their dotted path: `checks.is_polite`.

A scenario names code and never holds any. It is imported when it is first needed and not before, so that
reading a scenario runs nothing. Modules are looked for beside the scenario's project too, as pytest does.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tapeline.errors import ConfigError

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def wrong_path(path: Any) -> str | None:
    """Return what is wrong with a dotted path, or None. Imports nothing."""
    if isinstance(path, str) and _DOTTED.fullmatch(path):
        return None
    return f"{path!r} is no dotted path: write module.function"


def find_callable(path: str, folder: Path) -> Callable[..., Any]:
    """Import `module.function`; the module may stand in `folder`. Raises ConfigError."""
    module_name, _, name = path.rpartition(".")
    with _importable(folder):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise ConfigError(f"python {path}: no module {error.name}, here or in {folder}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"python {path}: {module_name} has no function {name}")
    if inspect.iscoroutinefunction(function):
        raise ConfigError(f"python {path}: a coroutine function; a plain one is wanted")
    return function  # type: ignore[no-any-return]  # what callable() leaves of Any


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    entry = str(folder.resolve())
    if entry in sys.path:
        yield
        return
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
