"""Stored bodies without their content encoding: gzip, deflate; br and zstd where a package for them is there.

Bounded: a body that would unpack to more than any response may hold is refused before it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from tapeline.errors import LLMError
from tapeline.http.decoding import INFLATED, BoundedBody, inflater

PIECE_BYTES = 1024
"""Small, because a piece is unpacked at once, however much it says."""

Unpack = Callable[[bytes], bytes]


def unpacked(body: bytes, content_encoding: str) -> bytes:
    """Return a body with its encodings undone, the last one first.

    Raises ValueError where the body is not in them, is too large, or needs a package that is not there.
    """
    for name in reversed([part.strip().lower() for part in content_encoding.split(",")]):
        body = body if name in ("", "identity") else _undone(body, name)
    return body


def plain(body: bytes, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a body as it reads: unpacked where its headers say that it is packed, and that can be undone."""
    encoding = ", ".join(value for name, value in headers if name.lower() == "content-encoding")
    try:
        return unpacked(body, encoding)
    except ValueError:
        return body


def _undone(body: bytes, name: str) -> bytes:
    whole = BoundedBody()
    try:
        for piece in _pieces(body, name):
            whole.add(piece)
    except LLMError as error:
        raise ValueError(str(error)) from error
    return whole.whole()


def _pieces(body: bytes, name: str) -> Iterator[bytes]:
    if name in INFLATED:
        yield from inflater()(body)
        return
    unpack, failure = _unpacker(name)
    try:
        yield from (unpack(body[at : at + PIECE_BYTES]) for at in range(0, len(body), PIECE_BYTES))
    except failure as error:
        raise ValueError(f"the body is not in the encoding it says ({name}): {error}") from error


def _unpacker(name: str) -> tuple[Unpack, type[Exception]]:
    """Return what undoes an encoding piece by piece, and what that raises for other bytes."""
    if name == "br":
        brotli: Any = _package(name, "brotli", "brotlicffi")
        return brotli.Decompressor().process, brotli.error
    if name == "zstd":
        zstd: Any = _package(name, "compression.zstd", "backports.zstd", "zstandard")
        if hasattr(zstd, "ZstdDecompressor") and not hasattr(zstd.ZstdDecompressor, "decompressobj"):
            return zstd.ZstdDecompressor().decompress, zstd.ZstdError
        return zstd.ZstdDecompressor().decompressobj().decompress, zstd.ZstdError
    raise ValueError(f"unknown content encoding {name!r}")


def _package(encoding: str, *names: str) -> Any:
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ValueError(f"a body in {encoding!r}: install the package {names[-1]!r} to have it unpacked")
