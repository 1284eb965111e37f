"""Packed bodies: undone where they are what they say, refused where they are not, and never too large."""

from __future__ import annotations

import gzip
import zlib
from functools import partial
from importlib import import_module, util

import pytest

from tapeline.cassettes import unpacking
from tapeline.cassettes.unpacking import plain, unpacked
from tapeline.http.decoding import BoundedBody

TEXT = b'{"answer": "yes"}' * 200


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, ""),
        (TEXT, "identity"),
        (gzip.compress(TEXT), "gzip"),
        (gzip.compress(TEXT), " X-GZIP "),
        (zlib.compress(TEXT), "deflate"),
        (gzip.compress(zlib.compress(TEXT)), "deflate, gzip"),
    ],
    ids=["none", "identity", "gzip", "another name", "deflate", "two"],
)
def test_a_packed_body_is_unpacked(body: bytes, encoding: str) -> None:
    assert unpacked(body, encoding) == TEXT


def is_there(*packages: str) -> bool:
    return any(util.find_spec(name.partition(".")[0]) and util.find_spec(name) for name in packages)


@pytest.mark.skipif(not is_there("brotli"), reason="needs the package brotli")
def test_brotli_is_unpacked_where_its_package_is() -> None:
    packed = import_module("brotli").compress(TEXT)

    assert unpacked(packed, "br") == TEXT
    with pytest.raises(ValueError, match="not in the encoding it says"):
        unpacked(TEXT, "br")


ZSTD = ("compression.zstd", "backports.zstd", "zstandard")


@pytest.mark.skipif(not is_there(*ZSTD), reason="needs a package for zstd")
def test_zstd_is_unpacked_where_its_package_is() -> None:
    package = next(name for name in ZSTD if is_there(name))

    assert unpacked(import_module(package).compress(TEXT), "zstd") == TEXT
    with pytest.raises(ValueError, match="not in the encoding it says"):
        unpacked(TEXT, "zstd")


@pytest.mark.parametrize(("encoding", "package"), [("br", "brotli"), ("zstd", "zstandard")])
def test_a_package_that_is_missing_is_named(
    encoding: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(unpacking, "import_module", missing)

    with pytest.raises(ValueError, match=f"install the package '{package}"):
        unpacked(b"packed", encoding)


@pytest.mark.parametrize(
    ("body", "encoding", "problem"),
    [
        (TEXT, "gzip", "not in the encoding it says"),
        (TEXT, "gzip, rot13", "unknown content encoding 'rot13'"),
    ],
    ids=["not packed", "the last one is undone first"],
)
def test_what_cannot_be_unpacked_says_why(body: bytes, encoding: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        unpacked(body, encoding)


def test_a_body_that_would_burst_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "BoundedBody", partial(BoundedBody, 10_000))

    assert len(unpacked(gzip.compress(bytes(10_000)), "gzip")) == 10_000
    with pytest.raises(ValueError, match="larger than 10000 bytes"):
        unpacked(gzip.compress(bytes(10_001)), "gzip")


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (gzip.compress(TEXT), [("Content-Encoding", "gzip")], TEXT),
        (TEXT, [("content-encoding", "gzip")], TEXT),
        (TEXT, [("content-encoding", "rot13")], TEXT),
        (TEXT, [("content-type", "application/json")], TEXT),
    ],
    ids=["packed", "not as it says", "unknown", "plain"],
)
def test_a_body_is_plain_where_it_can_be(
    body: bytes, headers: list[tuple[str, str]], expected: bytes
) -> None:
    assert plain(body, headers) == expected
