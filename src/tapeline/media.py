"""Pictures, documents and sound in a message: bytes or a URL, with a media type that is checked.

A media type that contradicts the first bytes of the data is an error here, and not a refusal by the
provider after an upload. What a provider takes is its codec's business.
"""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlsplit

MAGIC_BYTES = 16

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)
"""First bytes -> what they begin. Formats without such bytes are taken at their word."""

ALIASES = {"image/jpg": "image/jpeg", "audio/mp3": "audio/mpeg", "audio/x-wav": "audio/wav"}
"""Names that people use -> the registered ones; wav, which never was registered, by its usual name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Bytes or a URL, one of the two. Raises ValueError for a media type of another kind."""

    kinds: ClassVar[tuple[str, ...]] = ()

    media_type: str
    data: bytes | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "media_type", ALIASES.get(self.media_type, self.media_type))
        name = type(self).__name__
        if (self.data is None) == (self.url is None):
            raise ValueError(f"{name} takes data or a url, one of the two")
        if not self.media_type.startswith(self.kinds):
            raise ValueError(f"{name} cannot be of type {self.media_type!r}")
        seen = media_type_of(self.data) if self.data else None
        if seen is not None and seen != self.media_type and not self.media_type.endswith("/*"):
            raise ValueError(f"{name} says {self.media_type}, but its bytes are {seen}")

    @classmethod
    def from_path(cls, path: str | Path) -> Self:
        """Read a file. Its type follows from its first bytes, else from its name.

        Raises ValueError where neither tells, or where it is another kind of file.
        """
        data = Path(path).read_bytes()
        media_type = media_type_of(data) or mimetypes.guess_type(str(path))[0]
        if media_type is None:
            raise ValueError(f"{path}: not a known type; pass {cls.__name__}(media_type=, data=)")
        try:
            return cls(media_type=media_type, data=data)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def from_url(cls, url: str, *, media_type: str | None = None) -> Self:
        """Point to what the provider shall fetch. The type follows from the URL, or is left to the server."""
        guessed = media_type or mimetypes.guess_type(urlsplit(url).path)[0]
        return cls(media_type=guessed or f"{cls.kinds[0]}*", url=url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Media):
    """A picture."""

    kinds: ClassVar[tuple[str, ...]] = ("image/",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio(Media):
    """Sound."""

    kinds: ClassVar[tuple[str, ...]] = ("audio/",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Media):
    """A file to read, such as a PDF. `name` is shown to the model where the API has a place for it."""

    kinds: ClassVar[tuple[str, ...]] = ("application/", "text/")

    name: str | None = None

    @classmethod
    def from_path(cls, path: str | Path) -> Self:
        """`Media.from_path`, with the file's name."""
        # Not super() alone: slots make the decorator build a second class, which it does not know.
        return replace(super(Document, cls).from_path(path), name=Path(path).name)


def media_type_of(data: bytes) -> str | None:
    """Return the media type that the first bytes of a file tell, or None."""
    head = data[:MAGIC_BYTES]
    if head.startswith(b"RIFF") and len(head) >= 12:
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    return next((media_type for start, media_type in SIGNATURES if head.startswith(start)), None)
