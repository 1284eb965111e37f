"""What changed in a request since it was recorded, although it still matches its recording.

A test that ignores a path, or matches by URL alone, stays green while its recording grows stale. Drift is
what such a test no longer sees. Both sides are compared as they would be stored: secrets take no part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from tapeline.cassettes.matching import Matcher, json_of, normal_url
from tapeline.cassettes.review.differences import (
    ABSENT,
    Absent,
    beside,
    is_volatile,
    readable,
    value_differences,
)
from tapeline.cassettes.secrets.redaction import redacted_request
from tapeline.latency.framing import media_type
from tapeline.latency.pacing import IncomingRequest
from tapeline.types import Json

DriftKind = Literal["method", "url", "query", "header", "body", "volatile", "sdk"]
"""Where a difference stands. volatile: an id or a time in the body; sdk: the client and its version."""

MILD: frozenset[DriftKind] = frozenset({"volatile", "sdk"})

MEANT_HEADERS = ("accept", "anthropic-beta", "anthropic-version", "content-type", "openai-beta")
"""Headers that change what is asked for. The rest is the transport's business, or secret."""

OFTEN_LEFT_OUT = frozenset({"accept", "content-type"})
"""Headers that say little: what is left out is the same as the usual, and some recordings were filtered."""

FOREIGN_HEADERS = frozenset({"accept-encoding", "connection", "content-length", "host"})
"""Never in a recording of ours. One that has them was filtered by other rules: what it lacks says nothing."""

_PRODUCT = re.compile(r"\S+( v?\d\S*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that changed. place: a JSON path, or the name of a header or query key.

    old, new: excerpts fit to be shown, "(absent)" where nothing stood.
    """

    kind: DriftKind
    place: str
    old: str
    new: str

    @property
    def is_mild(self) -> bool:
        """Whether it changes with every run or every update, and means nothing by itself."""
        return self.kind in MILD

    def __str__(self) -> str:
        kind = f"{self.kind} " if self.kind in ("header", "query", "sdk") else ""
        return f"{kind}{self.place}: {self.old} -> {self.new}"


def request_drift(
    recorded: IncomingRequest, now: IncomingRequest, matcher: Matcher
) -> tuple[Difference, ...]:
    """Return what changed between a recorded request and the one it answers now; nothing for equal ones.

    What the matcher evens out by itself, such as boundaries and the order of keys, is no change.
    """
    agents = (headers.get("user-agent", "") for headers in (recorded.headers, now.headers))
    return (*_meant_drift(recorded, now, matcher), *_sdk_drift(*agents))


def _meant_drift(recorded: IncomingRequest, now: IncomingRequest, matcher: Matcher) -> Iterator[Difference]:
    is_foreign = not FOREIGN_HEADERS.isdisjoint(recorded.headers)
    if _looks_equal(recorded, now, is_foreign=is_foreign):
        return
    old, new = redacted_request(recorded), redacted_request(now)
    yield from _head_drift(old, new)
    for name, was, is_now in _header_changes(old.headers, new.headers, is_foreign=is_foreign):
        yield _difference("header", name, was, is_now)
    yield from _body_drift(old, new, matcher)


def _looks_equal(recorded: IncomingRequest, now: IncomingRequest, *, is_foreign: bool) -> bool:
    """The short way, which nearly every replayed request takes: redacting both takes 100 times as long."""
    return (
        _says_the_same(recorded.body, now.body)
        and recorded.url in (now.url, normal_url(now.url))
        and recorded.method == now.method
        and not any(_header_changes(recorded.headers, now.headers, is_foreign=is_foreign))
    )


def _says_the_same(old: bytes, new: bytes) -> bool:
    if old == new:
        return True
    left, right = json_of(old), json_of(new)
    return None not in (left, right) and not any(value_differences(left, right))


@lru_cache(maxsize=64)  # after an update of an SDK every request of a run drifts in the same way
def _sdk_drift(old: str, new: str) -> tuple[Difference, ...]:
    was, is_now = _product(old), _product(new)
    if not was or not is_now or was == is_now:
        return ()
    return (_difference("sdk", "user-agent", was, is_now),)


def _difference(kind: DriftKind, place: str, old: Json | Absent, new: Json | Absent) -> Difference:
    left, right = beside(old, new)
    return Difference(kind=kind, place=readable(place), old=left, new=right)


# Head ---------------------------------------------------------------------------------------------------


def _head_drift(old: IncomingRequest, new: IncomingRequest) -> Iterator[Difference]:
    if old.method != new.method:
        yield _difference("method", "method", old.method, new.method)
    if _without_query(old.url) != _without_query(new.url):
        yield _difference("url", "URL", _without_query(old.url), _without_query(new.url))
    yield from _query_drift(_query(old.url), _query(new.url))


def _query_drift(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield _difference("query", key, old.get(key, ABSENT), new.get(key, ABSENT))


def _without_query(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query=""))


def _query(url: str) -> dict[str, str]:
    """Return the query of a URL; a key given twice has both values."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        query[name] = f"{query[name]}, {value}" if name in query else value
    return query


def _header_changes(
    old: Mapping[str, str], new: Mapping[str, str], *, is_foreign: bool
) -> Iterator[tuple[str, str | Absent, str | Absent]]:
    """Yield the name of each header that means something else now, and both meanings."""
    for name in MEANT_HEADERS:
        if old.get(name) == new.get(name):
            continue
        left, right = _meaning(name, old.get(name)), _meaning(name, new.get(name))
        is_unknown = (left is None and is_foreign) or (name in OFTEN_LEFT_OUT and None in (left, right))
        if left != right and not is_unknown:
            yield name, left or ABSENT, right or ABSENT


def _meaning(name: str, value: str | None) -> str | None:
    """Return what a header says: a boundary is random, and the order of a list of flags is nothing."""
    if value is None:
        return None
    if name == "content-type":
        return media_type(value)
    return ", ".join(sorted(part.strip() for part in value.split(",")))


def _product(user_agent: str) -> str | None:
    """Return the client and its version, without the machine: botocore tells of the kernel, too."""
    product = _PRODUCT.match(user_agent)
    return product[0] if product else None


# Body ---------------------------------------------------------------------------------------------------


def _body_drift(old: IncomingRequest, new: IncomingRequest, matcher: Matcher) -> Iterator[Difference]:
    left, right = json_of(old.body), json_of(new.body)
    if left is not None and right is not None:
        for path, was, is_now in value_differences(left, right):
            yield _difference(_kind_of(was, is_now), path, was, is_now)
    elif matcher.canonical_body(old) != matcher.canonical_body(new):
        yield _difference("body", "body", _text(old.body), _text(new.body))


def _kind_of(old: Json | Absent, new: Json | Absent) -> DriftKind:
    return "volatile" if is_volatile(old) and is_volatile(new) else "body"


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
