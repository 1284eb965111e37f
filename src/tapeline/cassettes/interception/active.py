"""Which tape a call belongs to.

Tapes are kept in a context variable, so that those of different tasks do not mix. Threads do not inherit
it: a thread without a tape of its own uses the tape that was entered last.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tapeline.cassettes.tape import Tape
from tapeline.latency.pacing import IncomingRequest

_own: ContextVar[tuple[Tape, ...]] = ContextVar("tapeline_tapes", default=())
"""The tapes entered in this context, the innermost last."""
_sending: ContextVar[bool] = ContextVar("tapeline_sending", default=False)
_entered: list[Tape] = []


@contextmanager
def entered(tape: Tape) -> Iterator[None]:
    """Make a tape the active one until the block ends."""
    _entered.append(tape)
    _own.set((*_own.get(), tape))
    try:
        yield
    finally:
        _entered.remove(tape)
        # No token to reset: blocks may end in any order, and in another context, as async fixtures do.
        _own.set(tuple(other for other in _own.get() if other is not tape))


def active_tape() -> Tape | None:
    """Return the innermost tape of this context that is still open, or the one entered last anywhere."""
    tapes = _entered[:]  # one look: other threads come and go
    own = (tape for tape in reversed(_own.get()) if tape in tapes)
    return next(own, tapes[-1] if tapes else None)


def taped(request: IncomingRequest) -> tuple[Tape, IncomingRequest] | None:
    """Return the tape a request belongs to and the request as it should see it, or None for no tape."""
    tape = active_tape()
    if tape is None or _sending.get() or (seen := tape.filtered(request)) is None:
        return None
    return tape, seen


@contextmanager
def sending() -> Iterator[None]:
    """Around a live call: where one seam is built on another, only the outer one records."""
    token = _sending.set(True)
    try:
        yield
    finally:
        _sending.reset(token)
