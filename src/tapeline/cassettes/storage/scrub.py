"""Take the secrets out of a cassette that was written without that care, and say what was taken out.

By kind and number, never by value. What must be out of a cassette is `redaction`'s to know. A secret that
was in a file may be in its history, too: whoever scrubs a cassette should also withdraw the key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.secrets.redaction import redacted
from tapeline.cassettes.secrets.secret_names import is_secret_name
from tapeline.cassettes.secrets.suspicion import refuse_secrets
from tapeline.cassettes.storage.fileformat import dump, load, update
from tapeline.cassettes.unpacking import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubReport:
    """What was taken out of a cassette. blanked: kind -> how often, such as {"request header cookie": 2}.

    is_written: whether the file was replaced; not where nothing was found, and not on a dry run.
    """

    path: Path
    blanked: Mapping[str, int]
    is_written: bool

    @property
    def total(self) -> int:
        return sum(self.blanked.values())


def scrub(path: Path, *, is_dry_run: bool = False) -> ScrubReport:
    """Redact a cassette and its side files in place, in one step; a dry run only says what would be done.

    Raises InvalidCassetteError for a file that is none, and CassetteError for one that then still looks as
    if it held a secret; the file stays as it was.
    """
    interactions = load(path)
    kept = [redacted(interaction) for interaction in interactions]
    refuse_secrets(dump(kept), kept, str(path))
    blanked = Counter(kind for pair in zip(interactions, kept, strict=True) for kind in _blanked(*pair))
    is_to_write = bool(blanked) and not is_dry_run
    if is_to_write:
        update(path, lambda current: current)  # saving redacts
    return ScrubReport(path=path, blanked=dict(sorted(blanked.items())), is_written=is_to_write)


def _blanked(before: Interaction, after: Interaction) -> Iterator[str]:
    """Yield the kind of each thing that is no longer there."""
    yield from _of_url(before.request.url, after.request.url)
    yield from _of_headers("request", before.request.headers.items(), after.request.headers.items())
    yield from _of_headers("response", before.response.headers, after.response.headers)
    yield from _of_body(
        "request", plain(before.request.body, before.request.headers.items()), after.request.body
    )
    yield from _of_body("response", plain(before.response.body, before.response.headers), after.response.body)
    if before.response.reason != after.response.reason or before.response.meta != after.response.meta:
        yield "note of the response"


def _of_url(before: str, after: str) -> Iterator[str]:
    old, new = urlsplit(before), urlsplit(after)
    left = {name for name, _ in parse_qsl(new.query, keep_blank_values=True)}
    yield from (f"query key {name}" for name, _ in parse_qsl(old.query) if name not in left)
    if "@" in old.netloc:
        yield "credentials of the URL"
    if old.path != new.path:
        yield "part of the URL"


Headers = Iterable[tuple[str, str]]


def _of_headers(side: str, before: Headers, after: Headers) -> Iterator[str]:
    left = {(name.lower(), value) for name, value in after}
    yield from (
        f"{side} header {name.lower()}" for name, value in before if (name.lower(), value) not in left
    )


_FIELD = re.compile(rb'"([\w. -]{2,64})\\*"\s*:\s*\\*"$')
_TAIL_BYTES = 80


def _of_body(side: str, before: bytes, after: bytes) -> Iterator[str]:
    if before == after or len(before) != len(after):  # of different length: packed, and stayed as it was
        return
    for start, _ in _changes(before, after):
        yield f"{_kind(before[max(0, start - _TAIL_BYTES) : start], after[start:])} in a {side} body"


def _kind(lead: bytes, blank: bytes) -> str:
    field = _FIELD.search(lead)
    if field and is_secret_name(name := field[1].decode("utf-8", "replace")):
        return f"field {name}"
    if lead.endswith((b"org-", b"proj_")):
        return "organization or project"
    return "account" if blank.startswith(b"0") else "secret"


_SAME = 4
"""So many equal bytes end a change: a blank may agree with what it stands for here and there."""


def _changes(before: bytes, after: bytes) -> Sequence[tuple[int, int]]:
    """Return where two texts of one length differ, as (start, end)."""
    found: list[tuple[int, int]] = []
    for at, (one, other) in enumerate(zip(before, after, strict=True)):
        if one == other:
            continue
        if found and at - found[-1][1] < _SAME:
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
    return found
