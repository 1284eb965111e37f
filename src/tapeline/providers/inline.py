"""Pictures, sound and documents inside a JSON body: base64, data URLs, and documents as plain text.

Shared by the formats that write them alike. Fetches nothing: what is behind a URL stays there.
"""

from __future__ import annotations

import base64

from tapeline.media import Document, Image, Media
from tapeline.providers.errors import invalid_request

TEXT_TYPES = ("text/", "application/json", "application/xml", "application/yaml", "application/toml")
"""Starts of the media types that any model can read as they are."""


def base64_of(media: Media) -> str:
    """Return the bytes of a picture, a sound or a document, for JSON."""
    return base64.b64encode(media.data or b"").decode()


def data_url(media: Media) -> str:
    return f"data:{media.media_type};base64,{base64_of(media)}"


def parse_data_url(url: str) -> tuple[str, bytes]:
    """Return the media type and the bytes of a data URL. Raises ValueError for any other."""
    media_type, mark, data = url.removeprefix("data:").partition(";base64,")
    if not mark:
        raise ValueError(f"not a data URL in base64: {url:.40}")
    return media_type, base64.b64decode(data, validate=True)


def image_of(url: str) -> Image:
    """Return the picture that a data URL holds, or that any other URL points to."""
    if not url.startswith("data:"):
        return Image(media_type="image/*", url=url)
    media_type, data = parse_data_url(url)
    return Image(media_type=media_type, data=data)


def text_of(document: Document) -> str:
    """Return the text of a document. Raises LLMError (invalid_request) where its bytes are no UTF-8."""
    try:
        return (document.data or b"").decode()
    except UnicodeDecodeError as error:
        raise invalid_request(f"{_name(document)} is no UTF-8 text: {error}. Decode it first.") from error


def document_text(document: Document) -> str | None:
    """Return a text document as a piece of prompt, between tags that name it; None for any other kind.

    For APIs that have no place for text documents. Raises LLMError as `text_of` does.
    """
    if document.data is None or not document.media_type.startswith(TEXT_TYPES):
        return None
    return f'\n<document name="{_name(document)}">\n{text_of(document)}\n</document>\n'


def _name(document: Document) -> str:
    return document.name or document.media_type
