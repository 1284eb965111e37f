"""How a check ends: what the contract wants, and what came instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from tapeline.errors import LLMError, shortened

CAME_LIMIT = 400
"""Characters of what came: enough to see what it is."""


def require(is_met: bool, wanted: str, came: object) -> None:
    """Fail the check unless the claim is met. wanted: the claim, after "the contract wants"."""
    __tracebackhide__ = True
    if not is_met:
        broken(wanted, came)


def broken(wanted: str, came: object) -> NoReturn:
    """Fail the check."""
    __tracebackhide__ = True
    pytest.fail(f"the contract wants {wanted}; what came is {shortened(shown(came), CAME_LIMIT)}")


def shown(came: object) -> str:
    """Return what came as text. An error says more by itself than by its repr."""
    return f"{type(came).__name__}: {came}" if isinstance(came, Exception) else repr(came)


def error_of(call: Callable[[], Any], wanted: str) -> LLMError:
    """Return the LLMError that a call raises; fail the check if it raises none, or something else."""
    __tracebackhide__ = True
    try:
        came = call()
    except LLMError as error:
        return error
    except Exception as error:  # whatever it is, it is not what callers are told to catch
        came = error
    broken(f"an LLMError ({wanted})", came)
