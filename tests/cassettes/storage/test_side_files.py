"""Side files: only a digest names one, and what is read is what was written."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from tapeline.cassettes.storage import side_files
from tapeline.cassettes.storage.side_files import SideFiles, is_large_binary, placeholder, reference
from tapeline.errors import InvalidCassetteError

PICTURE = b"\x89PNG" + bytes(100)
DIGEST = sha256(PICTURE).hexdigest()


@pytest.fixture
def side(tmp_path: Path) -> SideFiles:
    return SideFiles(tmp_path / "talk.yaml")


@pytest.mark.parametrize(
    ("body", "is_aside"),
    [
        (b"\xff" * (64 * 1024 + 1), True),
        (b"\xff" * (64 * 1024), False),
        (b"a" * 100_000, False),
        ("é".encode() * 100_000, False),
    ],
    ids=["large and binary", "as large as allowed", "large text", "large UTF-8"],
)
def test_only_large_binary_bodies_stand_aside(body: bytes, is_aside: bool) -> None:
    assert is_large_binary(body) is is_aside


def test_a_body_comes_back(side: SideFiles, tmp_path: Path) -> None:
    assert side.write([PICTURE, PICTURE]) == {DIGEST}

    assert side.read(reference(PICTURE)) == PICTURE
    assert [path.name for path in tmp_path.glob("*/*")] == [f"{DIGEST}.bin"]
    assert side.folder == tmp_path / "talk.yaml.d"


def test_a_damaged_file_is_written_anew(side: SideFiles) -> None:
    side.write([PICTURE])
    [path] = side.folder.iterdir()
    path.write_bytes(b"half")

    side.write([PICTURE])

    assert side.read(reference(PICTURE)) == PICTURE


def test_nothing_is_made_where_no_body_stands_aside(side: SideFiles) -> None:
    side.write([])

    assert not side.folder.exists()


def test_the_folder_of_a_long_name_fits_the_file_system(tmp_path: Path) -> None:
    side = SideFiles(tmp_path / f"{'n' * 250}.yaml")

    side.write([PICTURE])

    assert side.read(reference(PICTURE)) == PICTURE


def test_a_file_that_is_gone_is_missed(side: SideFiles) -> None:
    with pytest.raises(
        InvalidCassetteError, match=r"[0-9a-f]{64}\.bin: cannot read this side file .* Restore"
    ):
        side.read(reference(PICTURE))


def test_a_file_that_changed_is_refused(side: SideFiles) -> None:
    side.write([PICTURE])
    [path] = side.folder.iterdir()
    path.write_bytes(PICTURE + b"!")

    with pytest.raises(InvalidCassetteError, match="not the bytes that were recorded"):
        side.read(reference(PICTURE))


def test_too_large_a_file_is_not_read(side: SideFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    side.write([PICTURE])
    monkeypatch.setattr(side_files, "FILE_BYTES_LIMIT", len(PICTURE) - 1)

    with pytest.raises(InvalidCassetteError, match="larger than"):
        side.read(reference(PICTURE))


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "",
        "a" * 63,
        "A" * 64,
        "a" * 64 + "\n",
        f"{'a' * 61}/..",
        None,
        5,
        ["a"],
    ],
    ids=repr,
)
def test_only_a_digest_names_a_file(name: object, side: SideFiles) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        side.read({"sha256": name})


def test_files_nobody_names_any_more_are_removed(side: SideFiles) -> None:
    """And only those: what somebody else put there stays."""
    side.write([PICTURE, b"old"])
    (side.folder / "notes.txt").write_text("mine")
    assert [path.stem for path in side.orphans([DIGEST])] == [sha256(b"old").hexdigest()]

    side.remove_orphans([DIGEST])

    assert {path.name for path in side.folder.iterdir()} == {
        "notes.txt",
        f"{DIGEST}.bin",
    }


def test_an_empty_folder_is_removed(side: SideFiles) -> None:
    side.write([PICTURE])

    side.remove_orphans([])

    assert not side.folder.exists()
    side.remove_orphans([])


def test_a_placeholder_names_the_file() -> None:
    assert placeholder(b"abc") == f"(3 bytes in the side file {sha256(b'abc').hexdigest()}.bin)"
