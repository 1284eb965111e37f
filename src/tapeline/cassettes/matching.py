"""Which recorded request a new one is: a digest of what it means.

Two requests are the same if method, scheme, host, port, path, query and body are; a JSON body is compared
as a value, so key order and spacing do not count. Secrets take no part, because they are not recorded: not
the fields whose name says that they are secret, not the account that a name belongs to, and of what was
blanked not its length. `Matcher.compared` says what of a body counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit, urlunsplit

from tapeline.cassettes.secrets.blanks import without_accounts
from tapeline.cassettes.secrets.secret_names import (
    is_secret_name,
    is_secret_query_key,
    may_have_secret_fields,
)
from tapeline.errors import ConfigError
from tapeline.latency.pacing import IncomingRequest
from tapeline.types import Json

_BLANK = re.compile(rb"REDACTED\*+")
FORM = "application/x-www-form-urlencoded"
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\*)\]")
_RANDOM_ID = re.compile(rb"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
"""UUIDs: what clients make up for sessions, users, documents. Other ids may well mean something."""
_BOUNDARY = re.compile(r"boundary=\"?([^\";]+)")


@lru_cache(maxsize=256)  # a tape has few URLs, and they are asked for over and over
def normal_url(url: str) -> str:
    """Return a URL fit to be stored and compared: no credentials, no account, query in one order."""
    parts = urlsplit(url)
    query = sorted(
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if not is_secret_query_key(name)
    )
    host = parts.netloc.rpartition("@")[2].lower()
    path = without_accounts(parts.path.encode()).decode()
    return urlunsplit((parts.scheme.lower(), host, path, urlencode(query), ""))


@dataclass(frozen=True, slots=True)
class Matcher:
    """Says when two requests are the same.

    ignore: JSON paths of the body that may differ, such as "$.metadata.user_id" or "$.messages[*].id".
    Raises ConfigError for a path that is none.
    """

    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in self.ignore:
            parse_path(path)

    def digest(self, request: IncomingRequest) -> bytes:
        """Return 16 bytes that are equal for equal requests."""
        hashed = blake2b(f"{request.method} {normal_url(request.url)}\n".encode(), digest_size=16)
        hashed.update(self.canonical_body(request))
        return hashed.digest()

    def digest_but_for_ids(self, request: IncomingRequest) -> bytes | None:
        """Return a digest that random ids take no part in; None for a request without any.

        Ids are told apart by their order alone: a request that says one twice is not one that says two.
        """
        whole = f"{request.method} {normal_url(request.url)}\n".encode() + self.canonical_body(request)
        numbers: dict[bytes, bytes] = {}
        renamed = _RANDOM_ID.sub(lambda id: numbers.setdefault(id[0], b"<id %d>" % len(numbers)), whole)
        return blake2b(renamed, digest_size=16).digest() if numbers else None

    def canonical_body(self, request: IncomingRequest) -> bytes:
        value = self.compared(request)
        if value is None:
            return _anonymous(_plain(request))
        return _anonymous(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())

    def compared(self, request: IncomingRequest) -> Json | None:
        """Return the JSON of a body without what is ignored or secret, or None if it is no JSON."""
        value = json_of(request.body)
        if value is not None and may_have_secret_fields(request.body):
            value = _without_secrets(value)
        for path in self.ignore if value is not None else ():
            _remove(value, parse_path(path))
        return value


def json_of(body: bytes) -> Json | None:
    """Return a body as a JSON object or array, or None if it is neither."""
    if body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return json.loads(body, parse_float=_number)
    except (ValueError, RecursionError):
        return None


def _without_secrets(value: Json) -> Json:
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_a_piece_of_text = "logprob" in value
    return {
        name: _without_secrets(item)
        for name, item in value.items()
        if not (isinstance(item, str) and is_secret_name(name)) or is_a_piece_of_text
    }


def _anonymous(body: bytes) -> bytes:
    """Return a body without whose it is, and without how long its secrets were."""
    body = without_accounts(body)
    return _BLANK.sub(b"REDACTED", body) if b"REDACTED*" in body else body


def _number(text: str) -> int | float:
    """Read 1.0 as 1: the same value, and some clients write it so."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def parse_path(path: str) -> list[str | int]:
    """Read "$.a[0].b[*]" as ["a", 0, "b", "*"]. Raises ConfigError."""
    steps = list(_STEP.finditer(path, 1))
    if not steps or not path.startswith("$") or "".join(step[0] for step in steps) != path[1:]:
        raise ConfigError(f"not a JSON path: {path!r}; write it like $.messages[0].id or $.tools[*].id")
    return [step[1] if step[1] else ("*" if step[2] == "*" else int(step[2])) for step in steps]


def _remove(value: Json, steps: Sequence[str | int]) -> None:
    """Delete what the path names, where it exists."""
    first, rest = steps[0], steps[1:]
    if first == "*":
        _remove_from_all(value, rest)
        return
    has_it = (isinstance(value, dict) and first in value) or (
        isinstance(value, list) and isinstance(first, int) and first < len(value)
    )
    if not has_it:
        return
    if rest:
        _remove(value[first], rest)
    else:
        del value[first]


def _remove_from_all(value: Json, rest: Sequence[str | int]) -> None:
    if not isinstance(value, (dict, list)):
        return
    if not rest:
        value.clear()
        return
    for child in value.values() if isinstance(value, dict) else value:
        _remove(child, rest)


def _plain(request: IncomingRequest) -> bytes:
    """Return a body that is no JSON without what is random or secret in it."""
    media_type = request.headers.get("content-type", "")
    if media_type.startswith(FORM):
        pairs = request.body.split(b"&")
        return b"&".join(pair for pair in pairs if not is_secret_query_key(_name(pair)))
    boundary = _BOUNDARY.search(media_type)
    return request.body.replace(boundary[1].encode(), b"boundary") if boundary else request.body


def _name(pair: bytes) -> str:
    return unquote_plus(pair.partition(b"=")[0].decode("utf-8", "replace"))
