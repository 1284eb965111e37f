"""Media: bytes or a URL, and a type that the bytes do not contradict."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.media import Audio, Document, Image, media_type_of

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
PDF = b"%PDF-1.7\n"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", None),
        (b"RIFF", None),
        (PDF, "application/pdf"),
        (b"ID3\x04", "audio/mpeg"),
        (b"hello", None),
        (b"", None),
    ],
)
def test_first_bytes_tell_the_type(data: bytes, media_type: str | None) -> None:
    assert media_type_of(data) == media_type


def test_a_file_is_what_its_bytes_say_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "scan.jpg"
    path.write_bytes(PNG)

    assert Image.from_path(path) == Image(media_type="image/png", data=PNG)


def test_a_document_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hi")

    assert Document.from_path(path) == Document(media_type="text/plain", data=b"hi", name="notes.txt")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(PDF)

    with pytest.raises(ValueError, match=r"picture\.png: Image cannot be of type 'application/pdf'"):
        Image.from_path(path)


def test_a_file_of_no_known_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mystery"
    path.write_bytes(b"?")

    with pytest.raises(ValueError, match=r"mystery: not a known type; pass Audio\(media_type=, data=\)"):
        Audio.from_path(path)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"media_type": "image/png"}, "takes data or a url"),
        ({"media_type": "image/png", "data": PNG, "url": "https://example.org/a.png"}, "takes data or a url"),
        ({"media_type": "audio/wav", "data": b"x"}, "cannot be of type 'audio/wav'"),
        ({"media_type": "image/jpeg", "data": PNG}, "says image/jpeg, but its bytes are image/png"),
    ],
)
def test_a_picture_that_cannot_be_one_is_refused(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Image(**given)  # type: ignore[arg-type]


def test_common_misnomers_are_understood() -> None:
    assert Image(media_type="image/jpg", data=b"\xff\xd8\xff").media_type == "image/jpeg"
    assert Audio(media_type="audio/mp3", data=b"ID3").media_type == "audio/mpeg"


def test_a_url_tells_the_type_if_it_can() -> None:
    assert Image.from_url("https://example.org/a.png?size=1").media_type == "image/png"
    assert Image.from_url("https://example.org/a").media_type == "image/*"
    assert Document.from_url("https://example.org/a", media_type="application/pdf").url is not None
