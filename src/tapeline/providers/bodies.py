"""JSON bodies: reading them into wire structs, writing them from plain dicts."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from tapeline.providers.errors import NOT_JSON, empty, invalid_request, malformed, preview
from tapeline.types import Json

W = TypeVar("W")
"""A wire struct."""

_ANY = msgspec.json.Decoder()
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def parse(body: bytes, decoder: msgspec.json.Decoder[W]) -> W:
    """Decode JSON into a wire struct, or raise LLMError with code malformed_response or empty_response."""
    try:
        return decoder.decode(body)
    except NOT_JSON as error:
        if not body.strip():
            raise empty("an empty body") from error
        raise malformed(f"{error}: {preview(body)}") from error


def parse_any(body: bytes) -> Json:
    """Decode JSON of any shape, for a codec that has no structs. Raises LLMError as `parse` does."""
    return parse(body, _ANY)


def parse_request(body: bytes) -> dict[str, Json]:
    """Decode what a client sent. Raises LLMError (invalid_request), as the fault is not the provider's."""
    try:
        return _OBJECT.decode(body)
    except NOT_JSON as error:
        raise invalid_request(f"cannot decode the request: {error}") from error


def dumps(value: Json) -> bytes:
    return msgspec.json.encode(value)


def without_none(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that were set: an absent field and a null one are not the same to an API."""
    return {name: value for name, value in fields.items() if value is not None}
