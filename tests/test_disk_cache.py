"""A response cache in a file: kept over processes, shared by threads, and never a crash."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tapeline.disk_cache import DiskCache
from tapeline.errors import ConfigError
from tapeline.policies.cache import CachedResponse, ResponseCache


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "caches" / "answers.sqlite"


def response(body: bytes = b"{}", *, stored_at_s: float = 0.0) -> CachedResponse:
    return CachedResponse(
        status=200,
        headers=(("content-type", "text/event-stream"),),
        body=body,
        stored_at_s=stored_at_s,
        is_stream=True,
    )


def found(cache: ResponseCache, names: str, now_s: float = 0.0) -> str:
    return "".join(name for name in names if cache.get(name, now_s))


# What is kept ---------------------------------------------------------------------------------------


def test_what_was_put_is_found_by_another_program(path: Path) -> None:
    with DiskCache(path) as cache:
        cache.put("a", response(b"\x00\xff"))
        cache.put("a", response(b"\x00\xfe", stored_at_s=1.5))

    with DiskCache(path) as cache:
        assert cache.get("a", 2.0) == response(b"\x00\xfe", stored_at_s=1.5)
        assert cache.get("b", 2.0) is None


def test_what_was_put_can_be_forgotten(path: Path) -> None:
    with DiskCache(path) as cache:
        for name in "abc":
            cache.put(name, response())

        cache.invalidate("b")
        cache.invalidate("never there")
        assert found(cache, "abc") == "ac"
        cache.clear()
        assert found(cache, "abc") == ""


@pytest.mark.parametrize(
    ("ttl_s", "now_s", "is_found"), [(None, 1e9, True), (60, 159, True), (60, 160, False), (60, 1, True)]
)
def test_what_is_too_old_is_not_found(path: Path, ttl_s: float | None, now_s: float, is_found: bool) -> None:
    with DiskCache(path, ttl_s=ttl_s) as cache:
        cache.put("a", response(stored_at_s=100))

        assert (cache.get("a", now_s) is not None) == is_found


def test_what_is_too_old_makes_room(path: Path) -> None:
    """Found again by a cache without a limit, it would still be there."""
    with DiskCache(path, ttl_s=60) as cache:
        cache.put("a", response(stored_at_s=0))
        cache.put("b", response(stored_at_s=30))
        cache.put("c", response(stored_at_s=60))

    with DiskCache(path) as cache:
        assert found(cache, "abc") == "bc"


def test_what_was_stored_first_goes_first_when_the_file_is_full(path: Path) -> None:
    with DiskCache(path, max_bytes=150_000) as cache:
        for name in "abcdefgh":
            cache.put(name, response(b"x" * 40_000))
            cache.put("a", response(b"again"))

        assert found(cache, "abcdefgh") == "afgh"
    assert path.stat().st_size < 200_000


def test_one_too_large_takes_the_place_of_the_one_before(path: Path) -> None:
    with DiskCache(path, max_bytes=100_000) as cache:
        cache.put("a", response())
        cache.put("b", response())

        cache.put("a", response(b"x" * 100_000))

        assert found(cache, "ab") == "b"


# Who may read and write it --------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no file modes there")
def test_only_its_owner_can_read_it(path: Path) -> None:
    """Nor the files that SQLite puts beside it."""
    with DiskCache(path) as cache:
        cache.put("a", response())
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == {0o600}


def test_threads_share_it(path: Path) -> None:
    with DiskCache(path) as cache, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: cache.put(str(number), response(b"%d" % number)), range(100)))
        bodies = list(pool.map(lambda number: cache.get(str(number), 0.0), range(100)))

    assert [found.body for found in bodies if found] == [b"%d" % number for number in range(100)]


def program(path: Path, *lines: str) -> subprocess.Popen[bytes]:
    """Start another process that opens the cache."""
    code = [
        "import os, sys",
        "from tapeline.disk_cache import DiskCache",
        "from tapeline.policies.cache import CachedResponse",
        "answer = CachedResponse(status=200, headers=(), body=b'{}', stored_at_s=0.0, is_stream=False)",
        "cache = DiskCache(sys.argv[1])",
        *lines,
    ]
    return subprocess.Popen([sys.executable, "-W", "error", "-c", "\n".join(code), str(path)])


def test_processes_share_it(path: Path) -> None:
    """They start at once, and each would make the file."""
    lines = "for number in range(20): cache.put(f'{os.getpid()} {number}', answer)", "cache.close()"

    programs = [program(path, *lines) for _ in range(3)]

    assert [started.wait() for started in programs] == [0, 0, 0]
    with DiskCache(path) as cache:
        assert all(cache.get(f"{started.pid} {number}", 0.0) for started in programs for number in range(20))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
def test_a_forked_process_opens_the_file_anew(path: Path) -> None:
    forking = program(
        path,
        "cache.put('parent', answer)",
        "child = os.fork()",
        "if child == 0:",
        "    cache.put('child', answer)",
        "    os._exit(0 if cache.get('parent', 0.0) else 1)",
        "_, status = os.waitpid(child, 0)",
        "both = cache.get('parent', 0.0) and cache.get('child', 0.0)",
        "cache.close()",
        "sys.exit(0 if both and status == 0 else 1)",
    )

    assert forking.wait() == 0


# Files that are no use ------------------------------------------------------------------------------


def garbage(path: Path) -> None:
    path.write_bytes(b"hello, this is no database" * 100)


def another_program(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE bookmarks (url TEXT)")
    database.close()


def another_version(path: Path) -> None:
    DiskCache(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (garbage, "file is not a database"),
        (another_program, "another program"),
        (another_version, "another version"),
        (Path.mkdir, "unable to open"),
    ],
)
def test_a_file_that_is_no_cache_is_an_error_that_says_what_to_do(
    path: Path, spoil: Callable[[Path], None], word: str
) -> None:
    """And is left as it is."""
    path.parent.mkdir()
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""

    with pytest.raises(ConfigError, match=word) as raised:
        DiskCache(path)

    assert "name another file" in str(raised.value)
    assert str(path) in str(raised.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_file_that_is_damaged_later_is_an_error_too(path: Path) -> None:
    with DiskCache(path) as cache:
        for number in range(50):
            cache.put(str(number), response(b"x" * 5000))
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\x13" * (len(whole) - 4096))

    with DiskCache(path) as cache:
        for use in (lambda: cache.get("1", 0.0), lambda: cache.put("1", response()), cache.clear):
            with pytest.raises(ConfigError, match=r"cannot be used: .*malformed"):
                use()


def test_a_full_disk_is_a_warning(path: Path) -> None:
    """The answer has been paid for, and is there; only its copy is not."""
    with DiskCache(path) as cache:
        cache.put("a", response())
        with cache._database() as database:
            database.execute("PRAGMA max_page_count = 10")

        with pytest.warns(RuntimeWarning, match=r"an answer was not kept: .*full"):
            cache.put("b", response(b"x" * 100_000))

        assert found(cache, "ab") == "a"


def test_a_closed_cache_says_so(path: Path) -> None:
    cache = DiskCache(path)

    cache.close()
    cache.close()

    with pytest.raises(ConfigError, match="was closed"):
        cache.get("a", 0.0)
