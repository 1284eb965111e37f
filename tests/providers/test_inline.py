"""Media in JSON: what goes in comes out, and what is text can be read as text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.media import Document, Image
from tapeline.providers.inline import base64_of, data_url, document_text, image_of, parse_data_url, text_of


def test_a_data_url_holds_the_type_and_the_bytes() -> None:
    image = Image(media_type="image/png", data=b"\x01\x02")

    assert base64_of(image) == "AQI="
    assert data_url(image) == "data:image/png;base64,AQI="
    assert parse_data_url(data_url(image)) == ("image/png", b"\x01\x02")


@pytest.mark.parametrize(
    "url", ["https://example.org/cat.png", "data:image/png,AQI=", "data:image/png;base64,?"]
)
def test_what_is_no_data_url_in_base64_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        parse_data_url(url)


@pytest.mark.parametrize(
    "image",
    [
        Image(media_type="image/png", data=b"\x01\x02"),
        Image(media_type="image/*", url="https://example.org/cat"),
    ],
    ids=["bytes", "URL"],
)
def test_a_picture_is_read_from_whatever_url_it_was_written_as(image: Image) -> None:
    assert image_of(image.url or data_url(image)) == image


@pytest.mark.parametrize("media_type", ["text/plain", "text/markdown; charset=utf-8", "application/json"])
def test_a_text_document_becomes_a_piece_of_prompt_with_its_name(media_type: str) -> None:
    """The tags tell the model where it begins, where it ends and what it is."""
    document = Document(media_type=media_type, data="Olá".encode(), name="a.md")

    assert document_text(document) == '\n<document name="a.md">\nOlá\n</document>\n'


def test_a_document_without_a_name_is_called_by_its_type() -> None:
    document = Document(media_type="text/csv", data=b"a,b")

    assert document_text(document) == '\n<document name="text/csv">\na,b\n</document>\n'


@pytest.mark.parametrize(
    "document",
    [
        Document(media_type="application/pdf", data=b"%PDF-1.7"),
        Document(media_type="text/plain", url="https://example.org/a.txt"),
    ],
    ids=["PDF", "URL"],
)
def test_what_no_model_can_read_as_it_is_becomes_no_text(document: Document) -> None:
    assert document_text(document) is None


@pytest.mark.parametrize("read", [text_of, document_text])
def test_text_in_another_encoding_is_refused_by_name(read: Callable[[Document], str | None]) -> None:
    """To guess would put other characters into the prompt."""
    with pytest.raises(LLMError, match=r"a\.txt is no UTF-8") as raised:
        read(Document(media_type="text/plain", data=b"Ol\xe1", name="a.txt"))

    assert raised.value.code is ErrorCode.INVALID_REQUEST
