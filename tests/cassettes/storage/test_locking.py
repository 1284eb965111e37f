"""Files: the old one or the new one, never half of it, and one writer at a time."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tapeline.cassettes.storage.locking import lock_path, locked, replace_file
from tapeline.errors import CassetteError


@pytest.mark.parametrize("content", ["line\nü\n", b"\xff\x00"], ids=["text", "bytes"])
def test_a_file_is_replaced(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    replace_file(path, content)

    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        replace_file(path, "new")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_keeps_others_out_and_lies_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "file"

    refused = pytest.raises(CassetteError, match="another process has been writing it for 0 s")
    with locked(path), refused, locked(path, timeout_s=0):
        pytest.fail("two writers at once")

    with locked(path, timeout_s=0):
        assert list(tmp_path.iterdir()) == []


def test_a_file_has_one_lock_whatever_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("file")

    assert (
        lock_path(Path("file")) == lock_path(tmp_path / "x" / ".." / "file") == lock_path(tmp_path / "link")
    )
    assert lock_path(Path("file")) != lock_path(Path("other"))


def test_a_lock_is_nobody_elses() -> None:
    folder = lock_path(Path("file")).parent

    assert folder.stat().st_uid == os.getuid()
    assert not stat.S_IMODE(folder.stat().st_mode) & 0o077


HOLD = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """Also where that is killed: no lock file has to be removed by hand."""
    path = tmp_path / "file"
    command = [sys.executable, "-c", HOLD, str(lock_path(path))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(CassetteError, match="another process"), locked(path, timeout_s=0):
            pytest.fail("two processes at once")
        holder.kill()

    with locked(path, timeout_s=5):
        pass
