"""What is wrong with a cassette: what keeps it from being replayed, or should not be in it.

An error is something to mend before the file is committed; a warning, something to know. Reads one file and
its side files, and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.secrets.redaction import redacted
from tapeline.cassettes.secrets.suspicion import refuse_secrets
from tapeline.cassettes.storage.fileformat import content_of_file, items_of
from tapeline.cassettes.storage.frames import frame_lines
from tapeline.cassettes.storage.side_files import SideFiles
from tapeline.cassettes.storage.vcr_form import interaction_of
from tapeline.cassettes.unpacking import unpacked
from tapeline.errors import CassetteError, InvalidCassetteError

REQUEST_KEYS = frozenset({"method", "uri", "body", "headers"})

Severity: TypeAlias = Literal["error", "warning"]
Found: TypeAlias = Iterator[tuple[Severity, str]]


class Finding(NamedTuple):
    """One thing that is wrong. place: which interaction, or "" for the whole file."""

    severity: Severity
    place: str
    message: str


def lint(path: Path) -> list[Finding]:
    """Return what is wrong with a cassette, errors first; nothing for one that is fine."""
    try:
        content = content_of_file(path)
        items = items_of(content, path)
    except InvalidCassetteError as error:
        return [Finding("error", "", error.message)]
    read = [_read(item, SideFiles(path)) for item in items]
    findings = [
        Finding(severity, f"interaction {number}", message)
        for number, (item, found) in enumerate(zip(items, read, strict=True), 1)
        for severity, message in _of_one(item, found)
    ]
    whole = [found for found in read if isinstance(found, Interaction)]
    about_all = (*_metadata(content), *_secrets(path, whole), *_dates(whole), *_orphans(path))
    findings += [Finding(severity, "", message) for severity, message in about_all]
    return sorted(findings, key=lambda finding: finding.severity)


def _read(item: Any, side: SideFiles) -> Interaction | str:
    """Return an interaction, or why it cannot be read."""
    try:
        return interaction_of(item["request"], item["response"], side)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return f"cannot be read: {type(error).__name__}: {error}"
    except InvalidCassetteError as error:
        return error.message


# One interaction ----------------------------------------------------------------------------------------


def _of_one(item: Any, found: Interaction | str) -> Found:
    if isinstance(found, str):
        yield "error", found
    else:
        for check in CHECKS:
            yield from check(item, found)


def _for_other_readers(item: Mapping[str, Any], _: Interaction) -> Found:
    """What stock vcrpy cannot load or replay."""
    if foreign := sorted(map(str, item["request"].keys() - REQUEST_KEYS)):
        yield "error", f"vcrpy cannot load a request with {', '.join(foreign)}: only a response may hold more"
    if missing := sorted(REQUEST_KEYS - item["request"].keys()):
        yield "error", f"vcrpy cannot load a request without {', '.join(missing)}"
    if "message" not in item["response"]["status"]:
        yield "error", "vcrpy cannot replay a response without status.message; it may be empty"
    if "string" not in item["response"]["body"]:
        yield "error", "vcrpy cannot replay a response without body.string; it may be empty"


def _length(item: Mapping[str, Any], interaction: Interaction) -> Found:
    """A length that is not that of what other readers hand out."""
    stated = _header(interaction, "content-length")
    if not stated or "side" in item["response"]:
        return
    body = item["response"]["body"].get("string") or ""
    size = len(body.encode() if isinstance(body, str) else body)
    if stated != str(size):
        yield "error", f"the header content-length says {stated}, and body.string has {size} bytes"


def _encoding(_: Mapping[str, Any], interaction: Interaction) -> Found:
    encoding, body = _header(interaction, "content-encoding"), interaction.response.body
    if not encoding or not body:
        return
    try:
        unpacked(body, encoding)
    except ValueError as error:
        yield "warning", f"the header content-encoding says {encoding}: {error}"


def _frames(item: Mapping[str, Any], interaction: Interaction) -> Found:
    stated = item["response"]["body"].get("frames")
    if stated is not None and stated != frame_lines(interaction.response.body):
        yield "error", "body.frames is not what body.string says; only body.string is replayed"


def _times(item: Mapping[str, Any], interaction: Interaction) -> Found:
    if item["response"].get("timing") and not interaction.response.times and not interaction.response.failure:
        yield "warning", "timing does not fit the body, and is ignored: record it again, or remove it"


def _redaction(_: Mapping[str, Any], interaction: Interaction) -> Found:
    clean = redacted(interaction)
    if clean == interaction:
        return
    kept = {name for name, _ in clean.response.headers} | clean.request.headers.keys()
    names = {name for name, _ in interaction.response.headers} | interaction.request.headers.keys()
    gone = f" (headers {', '.join(sorted(names - kept))})" if names - kept else ""
    yield "warning", f"it holds what is not written any more{gone}: migrate or scrub the cassette"


def _header(interaction: Interaction, wanted: str) -> str:
    return next((value for name, value in interaction.response.headers if name.lower() == wanted), "")


CHECKS: tuple[Callable[[Mapping[str, Any], Interaction], Found], ...] = (
    _for_other_readers,
    _length,
    _encoding,
    _frames,
    _times,
    _redaction,
)


# The whole file -----------------------------------------------------------------------------------------


def _metadata(content: Mapping[str, Any]) -> Found:
    if content.get("metadata"):
        yield "warning", "pytest-recording cannot load a cassette with metadata: migrate it"


def _secrets(path: Path, whole: Sequence[Interaction]) -> Found:
    try:
        refuse_secrets(path.read_text(encoding="utf-8"), whole, str(path))
    except CassetteError as error:
        yield "error", f"it would not be written today: {error.message}"


def _dates(whole: Sequence[Interaction]) -> Found:
    if undated := sum("recorded_at" not in item.response.meta for item in whole):
        yield "warning", f"no meta.recorded_at in {undated} of {len(whole)}: nobody can tell how old it is"


_DIGEST = re.compile(r"\bsha256: '?([0-9a-f]{64})\b")


def _orphans(path: Path) -> Found:
    named = _DIGEST.findall(path.read_text(encoding="utf-8"))
    for orphan in SideFiles(path).orphans(named):
        yield "warning", f"no interaction names the side file {orphan.name}: remove it"
