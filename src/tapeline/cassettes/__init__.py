"""Cassettes: recorded HTTP, replayed byte by byte with the times it had. Knows HTTP, never LLM types.

Works under any client: ours, the vendors' SDKs, boto3, bare httpx.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from tapeline.cassettes.fileformat import load, save
from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.tape import RecordMode, Tape
from tapeline.clock import Clock, SystemClock
from tapeline.errors import ConfigError
from tapeline.latency.pacing import Pace, parse_pace

__all__ = ["Matcher", "RecordMode", "Tape", "load_tape", "save_tape", "use_cassette"]


def load_tape(
    path: str | Path,
    *,
    record_mode: RecordMode = "none",
    pace: str | Pace = "none",
    clock: Clock | None = None,
    ignore: Sequence[str] = (),
    is_looping: bool = False,
    meta: Mapping[str, Any] | None = None,
) -> Tape:
    """Read a cassette; one that does not exist, or is about to be recorded anew, is empty.

    Raises InvalidCassetteError for a file that is none, ConfigError for an unknown mode or pace.
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
    )


def save_tape(tape: Tape, path: str | Path) -> None:
    """Write what a tape recorded, if anything. Raises CassetteError where it holds a secret."""
    if tape.recorded():
        save(Path(path), tape.to_save())


@contextmanager
def use_cassette(
    path: str | Path,
    *,
    record_mode: RecordMode = "none",
    pace: str | Pace = "none",
    clock: Clock | None = None,
    ignore: Sequence[str] = (),
    meta: Mapping[str, Any] | None = None,
) -> Iterator[Tape]:
    """Replay, or record, every HTTP call of the block; also a decorator.

    record_mode: none (never the network), once, new_episodes, all. pace: none, recorded, recorded*FACTOR,
    or a profile. ignore: JSON paths of the request body that may differ. meta: stored with recordings.
    A recording is saved when the block ends well; an exception leaves the file as it was.
    """
    tape = load_tape(path, record_mode=record_mode, pace=pace, clock=clock, ignore=ignore, meta=meta)
    with intercepted(tape):
        yield tape
    save_tape(tape, path)
