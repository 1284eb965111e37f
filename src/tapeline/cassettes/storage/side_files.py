"""Large binary bodies (pictures, sounds, documents) in files beside a cassette, named by their digest.

Those of `talk.yaml` are `talk.yaml.d/<SHA-256>.bin`. Only a digest names one, so a cassette can point
nowhere else, and what is read is checked against it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from tapeline.cassettes.storage.locking import replace_file
from tapeline.errors import InvalidCassetteError

INLINE_BYTES_LIMIT = 64 * 1024
FILE_BYTES_LIMIT = 64 * 1024 * 1024
NAME_CHARACTERS_LIMIT = 255
"""Of one name, on the usual file systems."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(rf"({_DIGEST.pattern})\.bin")


def is_large_binary(body: bytes) -> bool:
    """Whether a body is too large for a cassette, and says nothing to who reads it there."""
    if len(body) <= INLINE_BYTES_LIMIT:
        return False
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def reference(body: bytes) -> dict[str, Any]:
    """Return how a cassette names a body that stands aside."""
    return {"sha256": sha256(body).hexdigest(), "bytes": len(body)}


def placeholder(body: bytes) -> str:
    """Return what stands in its place, for readers that know no side files."""
    return f"({len(body)} bytes in the side file {sha256(body).hexdigest()}.bin)"


class SideFiles:
    """Those of one cassette."""

    def __init__(self, cassette: Path) -> None:
        self.folder = cassette.with_name(f"{cassette.name[: NAME_CHARACTERS_LIMIT - 2]}.d")

    def read(self, place: Mapping[str, Any]) -> bytes:
        """Return the body a reference names.

        Raises ValueError for what is no reference, InvalidCassetteError for a file that is not there, or
        not what it was.
        """
        digest = place["sha256"]
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ValueError("the name of a side file is a SHA-256 in 64 hexadecimal digits")
        path = self._path(digest)
        try:
            if path.stat().st_size > FILE_BYTES_LIMIT:
                raise InvalidCassetteError(f"{path}: larger than {FILE_BYTES_LIMIT} bytes")
            body = path.read_bytes()
        except OSError as error:
            raise InvalidCassetteError(
                f"{path}: cannot read this side file of a cassette: {error.strerror}. "
                "Restore it, or record the cassette again."
            ) from error
        if sha256(body).hexdigest() != digest:
            raise InvalidCassetteError(
                f"{path}: not the bytes that were recorded. Restore it, or record again."
            )
        return body

    def write(self, bodies: Iterable[bytes]) -> set[str]:
        """Write the files of these bodies, unless they are there and whole. Returns their digests."""
        digests = {sha256(body).hexdigest(): body for body in bodies}
        for digest, body in digests.items():
            path = self._path(digest)
            if not path.is_file() or path.read_bytes() != body:
                self.folder.mkdir(exist_ok=True)
                replace_file(path, body)
        return set(digests)

    def orphans(self, digests: Collection[str]) -> list[Path]:
        """Return the side files with none of these digests."""
        found = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [path for path in found if (name := _NAME.fullmatch(path.name)) and name[1] not in digests]

    def remove_orphans(self, digests: Collection[str]) -> None:
        """Remove what no interaction names any more; call it once the new cassette is whole."""
        for path in self.orphans(digests):
            path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.bin"
