"""Which answers are worth keeping, under which key, and a cache of them in memory.

A cache holds responses as they came over the wire, decoded of any content encoding, so that a hit passes
through the same codec as a live answer. Nothing here reads a clock: `now_s` and `stored_at_s` are seconds
since the epoch, which the caller passes in. A cache on disk is in `tapeline.disk_cache`.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Protocol, runtime_checkable

from tapeline.types import FinishReason, Json

KEPT_HEADERS = frozenset({"content-type", "request-id", "x-request-id", "x-amzn-requestid"})
"""What is needed to read a body again, or to ask the provider about it. Never a cookie or an organisation."""

KEPT_ENDINGS: frozenset[FinishReason] = frozenset({"stop", "length", "tool_calls"})
"""An answer that was filtered, refused or broken off may well turn out better the next time."""

DEFAULT_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedResponse:
    """A response as it came. Of its headers only those in `KEPT_HEADERS` are kept."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    stored_at_s: float
    is_stream: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", tuple(_kept(self.headers)))

    @property
    def size_bytes(self) -> int:
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers)

    def is_expired(self, now_s: float, ttl_s: float | None) -> bool:
        """Return whether it is too old. One from the future, of a clock set back, is not."""
        return ttl_s is not None and now_s - self.stored_at_s >= ttl_s


def _kept(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return ((name.lower(), value) for name, value in headers if name.lower() in KEPT_HEADERS)


@runtime_checkable
class ResponseCache(Protocol):
    """Where responses are kept, by `request_key`. Used from several threads at once."""

    def get(self, key: str, now_s: float) -> CachedResponse | None: ...

    def put(self, key: str, response: CachedResponse) -> None: ...

    def invalidate(self, key: str) -> None: ...

    def clear(self) -> None: ...


class MemoryCache:
    """A cache in memory: of what was used last, as much as fits. ttl_s: None to keep without end."""

    def __init__(
        self, *, max_entries: int = 1024, max_bytes: int = DEFAULT_MAX_BYTES, ttl_s: float | None = None
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._lock = Lock()
        self._entries: OrderedDict[str, CachedResponse] = OrderedDict()
        self._bytes = 0

    def get(self, key: str, now_s: float) -> CachedResponse | None:
        """Return what is kept under `key`, if it is not too old."""
        with self._lock:
            response = self._entries.get(key)
            if response is None:
                return None
            if response.is_expired(now_s, self._ttl_s):
                self._remove(key)
                return None
            self._entries.move_to_end(key)
            return response

    def put(self, key: str, response: CachedResponse) -> None:
        """Keep a response, and let go of those that were not used for longest."""
        with self._lock:
            self._remove(key)
            if response.size_bytes > self._max_bytes:
                return
            self._entries[key] = response
            self._bytes += response.size_bytes
            while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
                self._remove(next(iter(self._entries)))

    def invalidate(self, key: str) -> None:
        """Forget what is kept under `key`, if anything is."""
        with self._lock:
            self._remove(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def _remove(self, key: str) -> None:
        response = self._entries.pop(key, None)
        self._bytes -= response.size_bytes if response else 0


# What is kept, and under which key ----------------------------------------------------------------------


def is_kept(status: int, finish_reason: FinishReason | None) -> bool:
    """Return whether a response is worth keeping: a whole answer, which would be given again."""
    return status == 200 and finish_reason in KEPT_ENDINGS


def request_key(provider: str, base_url: str, path: str, body: bytes) -> str:
    """Return the key of a request: equal for equal questions to one place. 64 hex digits.

    Spacing in the body does not count, nor does the order of its fields. The order inside them does: a
    model fills in a schema in the order of its properties. Keys and headers take no part.
    """
    parts = [provider, base_url.rstrip("/"), path, *_canonical(body)]
    return sha256(json.dumps(parts).encode()).hexdigest()


def _canonical(body: bytes) -> tuple[str, Json]:
    """A JSON body as a value, fields sorted; any other body as its digest."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return "bytes", sha256(body).hexdigest()
    return "json", dict(sorted(value.items())) if isinstance(value, dict) else value
