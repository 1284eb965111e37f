"""Functions of the user's, named in a scenario by their dotted path: `checks.is_polite`.

A scenario names code and never holds any. It is imported when it is first needed and not before, so that
reading a scenario runs nothing. The code must be the project's own: `python: os.system` would make a
scenario from somebody else, together with its recorded answers, a program.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from tapeline.errors import ConfigError

INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders of what was installed, in an environment that may lie inside the project."""

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def wrong_path(path: Any) -> str | None:
    """Return what is wrong with a dotted path, or None. Imports nothing."""
    if isinstance(path, str) and _DOTTED.fullmatch(path):
        return None
    return f"{path!r} is no dotted path: write module.function"


def find_callable(path: str, folder: Path) -> Callable[..., Any]:
    """Import `module.function` of the project in `folder`. Raises ConfigError."""
    module_name, _, name = path.rpartition(".")
    with _importable(folder):
        _refuse_foreign(path, folder.resolve())
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise ConfigError(f"python {path}: no module {error.name}") from error
        except Exception as error:  # whatever it does when it is imported
            raise ConfigError(
                f"python {path}: importing {module_name} failed: {type(error).__name__}: {error}"
            ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"python {path}: {module_name} has no function {name}")
    if inspect.iscoroutinefunction(function):
        raise ConfigError(f"python {path}: a coroutine function; a plain one is wanted")
    return function  # type: ignore[no-any-return]  # what callable() leaves of Any


def _refuse_foreign(path: str, folder: Path) -> None:
    """Raise ConfigError for a module of anybody else's, before it is imported."""
    top = path.partition(".")[0]
    spec = _spec_of(top)
    if spec is None:
        raise ConfigError(f"python {path}: no module {top} in {folder}, or where Python looks for modules")
    places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
    if not places or not all(_is_own(Path(str(place)), folder) for place in places):
        raise ConfigError(
            f"python {path}: {top} is not part of the project in {folder}; call it in a module of the project"
        )


def _spec_of(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ValueError:  # such as __main__, which has none
        return None


def _is_own(path: Path, folder: Path) -> bool:
    path = path.resolve()
    return path.is_relative_to(folder) and not INSTALLED & set(path.relative_to(folder).parts)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Look for modules in the project's folder too, as pytest does."""
    entry = str(folder.resolve())
    if entry in sys.path:
        yield
        return
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
