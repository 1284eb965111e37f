"""Putting a function of ours in the place of another, and taking it away again."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple


class Patch(NamedTuple):
    """What stood at an attribute before."""

    owner: Any
    name: str
    real: Any


def patch(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Patch:
    """Replace an attribute by what `wrap` makes of it."""
    real = getattr(owner, name)
    setattr(owner, name, wrap(real))
    return Patch(owner, name, real)


def undo(done: Patch) -> None:
    """Put back what stood there."""
    setattr(done.owner, done.name, done.real)


def module_or_none(name: str) -> Any:
    """Return a module, or None where its package is not installed."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        return None
    return importlib.import_module(name)
