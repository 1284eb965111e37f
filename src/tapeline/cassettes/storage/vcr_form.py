"""An interaction in the form of vcrpy's format version 1: one dict for the request, one for the response.

A request has four keys and no other, or vcrpy does not load it; what only tapeline reads stands inside the
response, where vcrpy keeps it. There are two forms of writing. The plain one holds bodies as they were; the
readable one, for files, holds them as people read them, and says how to get the bytes back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tapeline.cassettes.interaction import (
    Interaction,
    RecordedResponse,
    decode_failure,
    decode_times,
    encode_failure,
    encode_times,
    first_blocks,
)
from tapeline.cassettes.storage import body_text
from tapeline.cassettes.storage.frames import frame_lines
from tapeline.cassettes.storage.side_files import SideFiles, is_large_binary, placeholder, reference
from tapeline.latency.framing import FRAMES, media_type
from tapeline.latency.pacing import IncomingRequest

NO_RESPONSE_STATUS = 599
"""What stands where a connection failed before its status came: other readers need a number."""

WRAPPED_BODY_KEYS = frozenset({"encoding", "string"})
"""What older writers made of a request's body. Another table or a list is the JSON that an aiohttp client
was given: vcrpy stores it as it gets it.
"""


# Reading ------------------------------------------------------------------------------------------------


def interaction_of(
    request: dict[str, Any], response: dict[str, Any], side: SideFiles | None = None
) -> Interaction:
    """Build an interaction from the two dicts of the format; side: where its large bodies are.

    Raises KeyError, TypeError, ValueError, AttributeError or OverflowError for what is not of that form,
    InvalidCassetteError for a side file that cannot be read.
    """
    if "parsed_body" in request or "parsed_body" in response:
        raise ValueError("bodies that another tool has parsed: run `tapeline cassette migrate` on it")
    return Interaction(
        request=IncomingRequest(
            method=_checked(request["method"], str),
            url=_url(request["uri"]),
            headers={name.lower(): _text(_first(value)) for name, value in _headers(request)},
            body=_body(request.get("body"), response, "request", side),
        ),
        response=_response(response, _body(response["body"].get("string"), response, "response", side)),
    )


def _response(response: dict[str, Any], body: bytes) -> RecordedResponse:
    timing, error = response.get("timing"), response.get("error")
    whole = RecordedResponse(
        status=int(response["status"]["code"]),
        reason=_checked(response["status"].get("message") or "", str),
        headers=tuple(_response_headers(response)),
        body=body,
        times=decode_times(timing, len(body)) if timing else None,
        meta=_checked(response.get("meta") or {}, dict),
        is_cut=bool(response.get("is_cut")),
    )
    return _failed(whole, _checked(error, dict)) if error else whole


def _failed(whole: RecordedResponse, error: Mapping[str, Any]) -> RecordedResponse:
    """Return what came of a response until its connection failed; the file may hold more of it."""
    size = int(error.get("after_bytes", 0))
    if not 0 <= size <= len(whole.body):
        raise ValueError(f"error after_bytes is {size}, and the body has {len(whole.body)} bytes")
    times = first_blocks(whole.times, size) if whole.times else None
    failure = decode_failure(error, times)
    if not failure.has_head:
        return replace(whole, status=0, reason="", headers=(), body=b"", times=None, failure=failure)
    return replace(whole, body=whole.body[:size], times=times, failure=failure)


def _checked(value: Any, wanted: type) -> Any:
    if not isinstance(value, wanted):
        raise TypeError(f"{type(value).__name__} where {wanted.__name__} is wanted")
    return value


def _url(value: Any) -> str:
    """Return a URL that can be taken apart, which all readers do."""
    url: str = _checked(value, str)
    urlsplit(url)
    return url


def _headers(part: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(_checked(name, str), value) for name, value in (part.get("headers") or {}).items()]


def _response_headers(response: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, values in _headers(response):
        yield from ((name, _text(value)) for value in (values if isinstance(values, list) else [values]))


def _body(body: Any, response: dict[str, Any], part: str, side: SideFiles | None) -> bytes:
    """Return the bytes of a part's body: as they stand there, in their style, or from a side file."""
    place = _checked(response.get("side") or {}, dict).get(part)
    if place is not None:
        return _aside(_checked(place, dict), side)
    style = _checked(response.get("style") or {}, dict).get(part)
    data = _bytes(body)
    return data if style is None else body_text.restored(data.decode("utf-8"), style)


def _aside(place: dict[str, Any], side: SideFiles | None) -> bytes:
    if side is None:
        raise ValueError("a body in a side file, of a cassette that has no side files")
    return side.read(place)


def _bytes(body: Any) -> bytes:
    if isinstance(body, dict) and body.keys() <= WRAPPED_BODY_KEYS:
        body = body.get("string")
    if isinstance(body, dict | list):
        return json.dumps(body, ensure_ascii=False).encode()
    return body if isinstance(body, bytes) else (body or "").encode("utf-8")


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


# Writing, plain -----------------------------------------------------------------------------------------


def request_dict(interaction: Interaction) -> dict[str, Any]:
    """Return the request in vcrpy's form, its body as the bytes that were sent: four keys, no other."""
    request = interaction.request
    return {
        "method": request.method,
        "uri": request.url,
        "body": request.body or None,
        "headers": {name: [value] for name, value in request.headers.items()},
    }


def response_dict(interaction: Interaction) -> dict[str, Any]:
    """Return the response in vcrpy's form, its body as the bytes that came, then what only we read."""
    response = interaction.response
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name, []).append(value)
    return {
        "status": _status(response),
        "headers": headers,
        "body": {"string": response.body},
        **_facts(response),
    }


def _status(response: RecordedResponse) -> dict[str, Any]:
    failure = response.failure
    if failure is not None and not failure.has_head:
        return {"code": NO_RESPONSE_STATUS, "message": f"no response: {failure.kind}"}
    return {"code": response.status, "message": response.reason}


def _facts(response: RecordedResponse) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if response.times is not None:
        facts["timing"] = encode_times(response.times)
    if response.failure is not None:
        facts["error"] = encode_failure(response.failure, len(response.body))
    if response.meta:
        facts["meta"] = dict(response.meta)
    return facts | ({"is_cut": True} if response.is_cut else {})


# Writing, readable --------------------------------------------------------------------------------------


def readable_item(interaction: Interaction) -> dict[str, Any]:
    """Return an interaction as a file holds it."""
    request, response = request_dict(interaction), response_dict(interaction)
    written = {part: _written(body, headers) for part, (body, headers) in _parts(interaction).items()}
    request["body"] = written["request"].content or None
    response["body"] = {"string": written["response"].content}
    if (lines := _frames(interaction.response)) is not None:
        response["body"]["frames"] = lines
    styles = {part: body.style for part, body in written.items() if body.style}
    places = {part: body.side for part, body in written.items() if body.side}
    notes = {name: note for name, note in (("style", styles), ("side", places)) if note}
    return {"request": request, "response": response | notes}


def bodies_aside(interaction: Interaction) -> list[bytes]:
    """Return the bodies that `readable_item` names, and that a side file has to hold."""
    return [body for body, headers in _parts(interaction).values() if _belongs_aside(body, headers)]


class _Written(NamedTuple):
    """A body in a file; style and side: what the response notes of it."""

    content: str | bytes
    style: str | None = None
    side: dict[str, Any] | None = None


def _parts(interaction: Interaction) -> dict[str, tuple[bytes, Mapping[str, str]]]:
    """Return body and headers (in lower case) of the request and of the response."""
    request, response = interaction.request, interaction.response
    headers = {name.lower(): value for name, value in response.headers}
    return {"request": (request.body, request.headers), "response": (response.body, headers)}


def _written(body: bytes, headers: Mapping[str, str]) -> _Written:
    if _belongs_aside(body, headers):
        return _Written(placeholder(body), side=reference(body))
    if "content-length" in headers:  # other readers hand out what stands there, and it would not be as long
        return _Written(*body_text.readable(body, ""))
    return _Written(*body_text.readable(body, _media_type(headers)))


def _belongs_aside(body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether a body is large and binary for good; other readers have to replay streams and packed text."""
    is_other = "content-encoding" in headers or _media_type(headers) == FRAMES
    return not is_other and is_large_binary(body)


def _frames(response: RecordedResponse) -> str | None:
    headers = {name.lower(): value for name, value in response.headers}
    return frame_lines(response.body) if _media_type(headers) == FRAMES else None


def _media_type(headers: Mapping[str, str]) -> str:
    return media_type(headers.get("content-type", ""))
