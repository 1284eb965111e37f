"""Files that are replaced in one step, and changed by one process at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from hashlib import blake2b
from pathlib import Path

from filelock import FileLock, Timeout

from tapeline.errors import CassetteError

LOCK_TIMEOUT_S = 60.0
"""Far longer than a save takes: whoever holds a lock for so long hangs."""


def replace_file(path: Path, content: str | bytes) -> None:
    """Replace a file in one step: readers see the old content or the new one, never half of it."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tapeline-")  # the name may be 255 long
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path, *, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Keep other processes and threads out of a file that is about to be read, changed and replaced.

    Raises CassetteError if another one does not let go of it in time.
    """
    lock = FileLock(lock_path(path))
    try:
        with lock.acquire(timeout=timeout_s):
            yield
    except Timeout as error:
        raise CassetteError(
            f"{path}: not written: another process has been writing it for {timeout_s:g} s. "
            "Find out what keeps it, and run this again."
        ) from error


def lock_path(path: Path) -> Path:
    """Return where the lock of a file is: with the temporary files, so that none lies among the cassettes.

    In a folder of this user, where nobody else can put a link of that name.
    """
    folder = Path(tempfile.gettempdir()) / f"tapeline-locks-{_user()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{blake2b(os.fsencode(path.resolve()), digest_size=16).hexdigest()}.lock"


_user = getattr(os, "getuid", getuser)  # in containers a user often has a number, but no name
