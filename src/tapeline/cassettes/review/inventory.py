"""Which cassettes there are, and what they hold: models, streams, tokens, cost, dates, times.

Looks below folders, reads every file once and keeps a few facts of each call, not the bodies. A file that
cannot be read is told of like the others, with its problem. Sizes are bytes, durations seconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.review.contents import STREAMS, media_type
from tapeline.cassettes.review.expiry import recorded_at
from tapeline.cassettes.review.spending import Spent, Totals, asked_model, cost_of
from tapeline.cassettes.storage.fileformat import load
from tapeline.cassettes.storage.side_files import SideFiles
from tapeline.errors import ConfigError, InvalidCassetteError
from tapeline.latency.pacing import IncomingRequest
from tapeline.providers.paths import codec_for

SUFFIXES = (".yaml", ".yml")
JSON_SUFFIXES = (".json",)
"""Of cassettes that vcrpy wrote as JSON, which are to be migrated and no more."""

SKIPPED_FOLDERS = frozenset({"node_modules", "venv", "site-packages", "__pycache__", "__snapshots__"})
"""Never looked into, like all whose name begins with a dot."""

HEAD_BYTES = 2048
_HEAD = re.compile(rb'^interactions:|"interactions": *\[', re.MULTILINE)
"""How a cassette begins, in vcrpy's form and in ours."""


# Finding ------------------------------------------------------------------------------------------------


def find_cassettes(paths: Sequence[Path], suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """Return the cassettes of files and folders, each once. Raises ConfigError for a path that is not there.

    A file counts as it is. Of a folder: every file below a folder named `cassettes`, so that broken ones
    are seen, and elsewhere what begins as cassettes do. Links to folders are not followed.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise ConfigError(f"{path}: no such file or folder")
        found |= dict.fromkeys(sorted(_below(path, suffixes)) if path.is_dir() else [path])
    return list(found)


def _below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for path in project_files(folder, suffixes):
        if "cassettes" in _folders(path, folder) or _begins_as_one(path):
            yield path


def _folders(path: Path, folder: Path) -> tuple[str, ...]:
    """Return the folders a file is in, from the current one on: a project may lie anywhere."""
    here, absolute = Path.cwd(), path.absolute()
    start = here if absolute.is_relative_to(here) else folder.absolute().parent
    return absolute.relative_to(start).parent.parts


def project_files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files of a project whose names end so, without what is hidden or installed."""
    for name, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not _is_skipped(each)]
        for path in (Path(name, file) for file in files if file.endswith(suffixes)):
            if not path.name.startswith(".") and not path.is_fifo():  # who reads a pipe waits for ever
                yield path


def _is_skipped(folder: str) -> bool:
    return folder.startswith(".") or folder in SKIPPED_FOLDERS


def _begins_as_one(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _HEAD.search(file.read(HEAD_BYTES)) is not None
    except OSError:
        return False


# Reading ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is kept of one interaction.

    source: "provider:model" of a chat, "host model" or the host of anything else. spent: None of what is no
    chat, and of errors. waited_s: how long it took, which a replay saves; None in plain vcrpy files.
    """

    source: str
    status: int
    is_stream: bool
    body_bytes: int
    spent: Spent | None
    recorded_at: datetime | None
    waited_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cassette:
    """A file and its calls. problem: why it cannot be read, or None. file_bytes: with its side files."""

    path: Path
    file_bytes: int
    calls: tuple[Call, ...] = ()
    problem: str | None = None

    @property
    def streams(self) -> int:
        return sum(call.is_stream for call in self.calls)

    @property
    def sources(self) -> list[str]:
        """Return what answered, each once, what answered most often first."""
        names = [call.source for call in self.calls]
        return sorted(dict.fromkeys(names), key=lambda name: -names.count(name))

    @property
    def totals(self) -> Totals:
        return spent_in_all(self.calls)

    @property
    def recorded(self) -> tuple[datetime, datetime] | None:
        """Return when its oldest and its newest call were recorded, if that is known."""
        dates = [call.recorded_at for call in self.calls if call.recorded_at is not None]
        return (min(dates), max(dates)) if dates else None

    def expired(self, older_than: datetime) -> list[int]:
        """Return the numbers, from 1, of calls recorded before a moment. What has no date is not judged."""
        dated = ((number, call.recorded_at) for number, call in enumerate(self.calls, 1))
        return [number for number, at in dated if at is not None and at < older_than]

    def to_json(self) -> dict[str, Any]:
        oldest, newest = self.recorded or (None, None)
        return {
            "path": str(self.path),
            "problem": self.problem,
            "interactions": len(self.calls),
            "streams": self.streams,
            "file_bytes": self.file_bytes,
            "sources": self.sources,
            "recorded_from": oldest and oldest.isoformat(),
            "recorded_to": newest and newest.isoformat(),
            "waited_s": waited_in_all_s(self.calls),
            **spending_json(self.totals),
        }


def read_cassette(path: Path) -> Cassette:
    """Return what a file holds, or what is wrong with it."""
    try:
        file_bytes = _size(path)
        calls = tuple(map(call_of, load(path)))
    except OSError as error:
        return Cassette(path=path, file_bytes=0, problem=f"cannot read it: {error.strerror}")
    except InvalidCassetteError as error:
        return Cassette(path=path, file_bytes=file_bytes, problem=error.message.removeprefix(f"{path}: "))
    return Cassette(path=path, file_bytes=file_bytes, calls=calls)


def _size(path: Path) -> int:
    every_side_file = SideFiles(path).orphans(())
    return sum(file.stat().st_size for file in (path, *every_side_file))


def call_of(interaction: Interaction) -> Call:
    """Return what is kept of an interaction."""
    request, response = interaction.request, interaction.response
    return Call(
        source=source_of(request, spent := cost_of(interaction)),
        status=response.status,
        is_stream=media_type(response) in STREAMS,
        body_bytes=len(request.body) + len(response.body),
        spent=spent,
        recorded_at=recorded_at(interaction),
        waited_s=waited_s(response),
    )


def source_of(request: IncomingRequest, spent: Spent | None) -> str:
    """Return whom a request asked: a model, by the name it was priced by, or else a host."""
    url = urlsplit(request.url)
    model = spent.model if spent is not None else asked_model(request)
    if (codec := codec_for(url.path)) is not None:
        return f"{codec.provider}:{model or '?'}"
    host = url.hostname or "?"
    return f"{host} {model}" if model else host


def waited_s(response: RecordedResponse) -> float | None:
    """Return how long a call took, to its last byte or to the failure that ended it."""
    if response.failure is not None:
        return response.failure.at_s
    times = response.times
    return times.head_s + (times.blocks[-1][1] if times.blocks else 0.0) if times else None


def delete_cassette(path: Path) -> None:
    """Remove a cassette with its side files, and its folder if nothing is left in it."""
    path.unlink()
    SideFiles(path).remove_orphans(())
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


# Sums ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The calls of one source, or all of them. oldest: when the first of them was recorded."""

    source: str
    files: int
    calls: int
    body_bytes: int
    totals: Totals
    waited_s: float
    oldest: datetime | None

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "files": self.files,
            "interactions": self.calls,
            "body_bytes": self.body_bytes,
            "waited_s": self.waited_s,
            "oldest": self.oldest and self.oldest.isoformat(),
            **spending_json(self.totals),
        }


def groups(cassettes: Iterable[Cassette]) -> list[Group]:
    """Return the calls by source, what costs most first."""
    placed: dict[str, list[tuple[Path, Call]]] = {}
    for cassette in cassettes:
        for call in cassette.calls:
            placed.setdefault(call.source, []).append((cassette.path, call))
    found = [group(source, calls) for source, calls in placed.items()]
    return sorted(found, key=lambda each: (-each.totals.cost_usd, -each.calls, each.source))


def group(source: str, placed: Sequence[tuple[Path, Call]]) -> Group:
    """Sum up calls, each with the file it is in."""
    calls = [call for _, call in placed]
    return Group(
        source=source,
        files=len({path for path, _ in placed}),
        calls=len(calls),
        body_bytes=sum(call.body_bytes for call in calls),
        totals=spent_in_all(calls),
        waited_s=waited_in_all_s(calls),
        oldest=min((call.recorded_at for call in calls if call.recorded_at is not None), default=None),
    )


def spent_in_all(calls: Iterable[Call]) -> Totals:
    return reduce(Totals.plus, (call.spent for call in calls if call.spent is not None), Totals())


def waited_in_all_s(calls: Iterable[Call]) -> float:
    """Return the seconds of all calls together, in whole milliseconds."""
    return round(sum(call.waited_s for call in calls if call.waited_s is not None), 3)


def spending_json(totals: Totals) -> dict[str, Any]:
    """Return tokens and cost; null where no price is known, so that nothing reads as free."""
    is_priced = totals.calls > totals.unpriced_calls
    return {
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cost_usd": str(totals.cost_usd) if is_priced else None,
        "unpriced_calls": totals.unpriced_calls,
    }
