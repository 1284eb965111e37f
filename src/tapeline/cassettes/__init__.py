"""Cassettes: recorded HTTP, replayed byte by byte with the times it had. Knows HTTP, never LLM types.

Works under httpx, httpx2, requests, urllib3, aiohttp and boto3, and so under the vendors' SDKs and ours.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, get_args

from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.storage.fileformat import load, save, save_changes
from tapeline.cassettes.tape import RecordMode, Tape
from tapeline.cassettes.tape_transport import TapeTransport
from tapeline.clock import Clock, SystemClock
from tapeline.errors import ConfigError
from tapeline.latency.faults import FaultPlan, parse_faults
from tapeline.latency.pacing import Pace, parse_pace

__all__ = ["Matcher", "RecordMode", "Tape", "TapeTransport", "load_tape", "save_tape", "use_cassette"]


Faults = Sequence[Mapping[str, Any]] | FaultPlan
"""What goes wrong at replay, as a marker or a scenario says it; see `tapeline.latency.fault_spec`."""


def load_tape(
    path: str | Path,
    *,
    record_mode: RecordMode = "none",
    pace: str | Pace = "none",
    clock: Clock | None = None,
    ignore: Sequence[str] = (),
    faults: Faults = (),
    is_looping: bool = False,
    meta: Mapping[str, Any] | None = None,
) -> Tape:
    """Read a cassette; one that does not exist, or is about to be recorded anew, is empty.

    Raises InvalidCassetteError for a file that is none, ConfigError for an unknown mode, pace or fault.
    """
    if record_mode not in get_args(RecordMode):
        raise ConfigError(f"unknown record mode {record_mode!r}: use {', '.join(get_args(RecordMode))}")
    path = Path(path)
    return Tape(
        source=str(path),
        interactions=load(path) if path.exists() and record_mode != "all" else [],
        record_mode=record_mode,
        pace=parse_pace(pace) if isinstance(pace, str) else pace,
        clock=clock or SystemClock(),
        matcher=Matcher(tuple(ignore)),
        is_looping=is_looping,
        meta=meta or {},
        faults=faults if isinstance(faults, FaultPlan) else parse_faults(faults) if faults else None,
    )


def save_tape(tape: Tape, path: str | Path) -> None:
    """Write what a tape recorded, if anything. Raises CassetteError where it holds a secret.

    What others have recorded into the file meanwhile stays, unless the tape records everything anew.
    """
    if not tape.recorded():
        return
    if tape.record_mode == "all":
        save(Path(path), tape.to_save())
    else:
        save_changes(Path(path), before=tape.interactions, after=tape.to_save())


def use_cassette(
    path: str | Path,
    *,
    record_mode: RecordMode = "none",
    pace: str | Pace = "none",
    clock: Clock | None = None,
    ignore: Sequence[str] = (),
    faults: Faults = (),
    meta: Mapping[str, Any] | None = None,
) -> CassetteBlock:
    """Replay, or record, the HTTP calls in the block; also a decorator.

    record_mode: none (replay only: anything else is a CassetteMissError), once, new_episodes, all, verify.
    pace: none, recorded, recorded*FACTOR, or a profile. meta: stored with recordings.
    ignore: JSON paths of the request body that may differ. faults: what goes wrong at replay.
    A recording is saved when the block ends well; an exception leaves the file as it was.
    """
    load = partial(
        load_tape,
        path,
        record_mode=record_mode,
        pace=pace,
        clock=clock,
        ignore=ignore,
        faults=faults,
        meta=meta,
    )
    return CassetteBlock(lambda: _saved(load(), path))


@contextmanager
def _saved(tape: Tape, path: str | Path) -> Iterator[Tape]:
    with intercepted(tape):
        yield tape
    save_tape(tape, path)


class CassetteBlock:
    """A `with` block on one cassette; a decorator of functions and of coroutine functions."""

    def __init__(self, open_block: Callable[[], AbstractContextManager[Tape]]) -> None:
        self._open_block = open_block

    def __enter__(self) -> Tape:
        self._block = self._open_block()
        return self._block.__enter__()

    def __exit__(self, *failure: Any) -> bool | None:
        return self._block.__exit__(*failure)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("a generator runs when it is iterated: open the cassette inside it instead")

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._open_block():
                return function(*args, **kwargs)

        @wraps(function)
        async def arun(*args: Any, **kwargs: Any) -> Any:
            with self._open_block():
                return await function(*args, **kwargs)

        return arun if inspect.iscoroutinefunction(function) else run
