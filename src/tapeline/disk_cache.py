"""A response cache in a file, shared by the threads and processes of one machine.

An SQLite database, readable by its owner only, as it holds answers in plain text. Questions are in it as
digests. What is stored first goes first when the file is full: to note each use would make every hit a
write (the default of the `diskcache` package, for the same reason).
"""

from __future__ import annotations

import json
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from tapeline.errors import ConfigError
from tapeline.policies.cache import CachedResponse

APPLICATION_ID = 0x7461_7065  # "tape"; SQLite keeps it in the header of the file
FORMAT = 1
BUSY_TIMEOUT_S = 5.0
DEFAULT_MAX_BYTES = 2**30

TABLE = """
CREATE TABLE responses (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    status INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    stored_at_s REAL NOT NULL,
    is_stream INTEGER NOT NULL
)
"""
COLUMNS = "status, headers, body, stored_at_s, is_stream"


class DiskCache:
    """A cache in the file `path`, which is made if it is not there. Close it, or use `with`.

    ttl_s: None to keep without end. max_bytes: of the file.
    Raises ConfigError for a file that is damaged or something else; it is left as it is.
    """

    def __init__(
        self, path: str | Path, *, ttl_s: float | None = None, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        self._path = Path(path)
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._process = os.getpid()
        self._connection: sqlite3.Connection | None = self._opened()
        self._of_parents: list[sqlite3.Connection | None] = []

    def get(self, key: str, now_s: float) -> CachedResponse | None:
        """Return what is kept under `key`, if it is not too old."""
        with self._database() as database:
            try:
                row = database.execute(f"SELECT {COLUMNS} FROM responses WHERE key = ?", (key,)).fetchone()
            except sqlite3.OperationalError as error:  # such as a lock that is held too long: ask the model
                warnings.warn(f"{self._path}: cannot be read: {error}", RuntimeWarning, stacklevel=2)
                return None
        response = _response(row) if row else None
        return None if response is None or response.is_expired(now_s, self._ttl_s) else response

    def put(self, key: str, response: CachedResponse) -> None:
        """Keep a response; let go of what is too old, and of what was stored first until it fits.

        A disk that is full is a warning: an answer that was paid for is not lost for want of its copy.
        """
        with self._database() as database:
            try:
                database.execute("BEGIN IMMEDIATE")
                self._write(database, key, response)
            except sqlite3.OperationalError as error:
                database.rollback()
                warnings.warn(f"{self._path}: an answer was not kept: {error}", RuntimeWarning, stacklevel=2)

    def invalidate(self, key: str) -> None:
        """Forget what is kept under `key`, if anything is."""
        with self._database() as database:
            database.execute("DELETE FROM responses WHERE key = ?", (key,))

    def clear(self) -> None:
        """Forget everything. The file keeps its size, to be filled again."""
        with self._database() as database:
            database.execute("DELETE FROM responses")

    def close(self) -> None:
        """Close the file. The cache cannot be used after that."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, database: sqlite3.Connection, key: str, response: CachedResponse) -> None:
        database.execute("DELETE FROM responses WHERE key = ?", (key,))
        if self._ttl_s is not None:
            oldest_s = response.stored_at_s - self._ttl_s
            database.execute("DELETE FROM responses WHERE stored_at_s <= ?", (oldest_s,))
        if response.size_bytes > self._max_bytes:
            return
        values = (key, response.status, json.dumps(response.headers), response.body, response.stored_at_s)
        database.execute(
            f"INSERT INTO responses (key, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", (*values, response.is_stream)
        )
        while _used_bytes(database) > self._max_bytes and _has_dropped_the_first(database):
            pass

    # The file -------------------------------------------------------------------------------------------

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; what was begun in it is ended."""
        if self._process != os.getpid():
            self._leave_parent()
        with self._lock:
            if self._connection is None:
                raise ConfigError(f"the cache {self._path} was closed; make another DiskCache")
            try:
                with self._connection:
                    yield self._connection
            except sqlite3.DatabaseError as error:
                raise _unusable(self._path, error) from error

    def _leave_parent(self) -> None:
        """Open the file anew in a forked process."""
        # A connection must not be used there, nor even closed: sqlite.org/howtocorrupt.html, section 2.6.
        self._of_parents.append(self._connection)
        self._lock = Lock()
        self._process = os.getpid()
        self._connection = self._opened()

    def _opened(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _make_private(self._path)
            return _connected(self._path)
        except OSError as error:
            raise ConfigError(f"the cache {self._path}: {error.strerror}; name another file") from error
        except sqlite3.DatabaseError as error:
            raise _unusable(self._path, error) from error


def _make_private(path: Path) -> None:
    """Make the file if it is not there, as SQLite would let others read it."""
    # Never open one that is there: to close it again drops the locks that this process holds on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # of processes that start together, one makes the table
            _make_or_recognise(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_or_recognise(connection: sqlite3.Connection, path: Path) -> None:
    is_empty = _number(connection, "SELECT count(*) FROM sqlite_master") == 0
    found = _number(connection, "PRAGMA application_id"), _number(connection, "PRAGMA user_version")
    if is_empty and found == (0, 0):
        connection.execute(TABLE)
        connection.execute("CREATE INDEX by_age ON responses (stored_at_s)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    elif found[0] != APPLICATION_ID:
        raise ConfigError(f"{path} is a database of another program; name another file for the cache")
    elif found[1] != FORMAT:
        raise ConfigError(
            f"{path} is a cache of another version of tapeline; delete it, or name another file"
        )


def _unusable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"the cache {path} cannot be used: {error}; delete it, or name another file")


def _response(row: tuple[int, str, bytes, float, int]) -> CachedResponse:
    status, headers, body, stored_at_s, is_stream = row
    return CachedResponse(
        status=status,
        headers=tuple((name, value) for name, value in json.loads(headers)),
        body=body,
        stored_at_s=stored_at_s,
        is_stream=bool(is_stream),
    )


def _used_bytes(database: sqlite3.Connection) -> int:
    """The size of the file without the pages that are free to be filled again."""
    pages = _number(database, "PRAGMA page_count") - _number(database, "PRAGMA freelist_count")
    return pages * _number(database, "PRAGMA page_size")


def _has_dropped_the_first(database: sqlite3.Connection) -> bool:
    drop = "DELETE FROM responses WHERE number = (SELECT min(number) FROM responses)"
    return database.execute(drop).rowcount > 0


def _number(database: sqlite3.Connection, query: str) -> int:
    [value] = database.execute(query).fetchone()
    return int(value)
