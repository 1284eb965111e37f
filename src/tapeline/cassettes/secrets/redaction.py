"""What must never reach a cassette, and is known: it is taken out here. `suspicion` refuses what is left.

Headers are an allow-list. Known secrets are blanked wherever they stand; so is what a name declares secret,
in JSON of any depth, in forms, in URLs; so are accounts and organizations. A blank is as long as what it
stands for, so that the recorded block sizes stay true. What a stream says piece by piece is read in one, and
blanked in its pieces.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any
from urllib.parse import unquote_plus
from zlib import crc32

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.matching import FORM, normal_url
from tapeline.cassettes.secrets.blanks import accounts_in, blank, without_accounts
from tapeline.cassettes.secrets.body_strings import (
    Piece,
    packed_documents,
    rewritten,
    runs,
    said,
    texts,
)
from tapeline.cassettes.secrets.known_secrets import Needle, environment_secrets, needles, secrets_of
from tapeline.cassettes.secrets.secret_names import (
    KEPT_HEADERS,
    is_secret_name,
    is_secret_query_key,
    may_have_secret_fields,
)
from tapeline.cassettes.unpacking import plain
from tapeline.latency.framing import FRAMES
from tapeline.latency.pacing import IncomingRequest, RecordedTimes
from tapeline.secret_shapes import STARRED_KEY, without_secrets

MULTIPART = "multipart/"


def redacted(interaction: Interaction) -> Interaction:
    """Return what may be written of an interaction. What was redacted once stays as it is."""
    request, response = _unpacked_request(interaction.request), _unpacked_response(interaction.response)
    wanted = [
        *needles([*secrets_of(interaction), *_declared_by(request), *_declared(response.body)]),
        *_accounts(request.url.encode() + request.body + response.body),
    ]
    kept = Interaction(request=_request(request, wanted), response=_response(response, wanted))
    return _packed_again(interaction, kept, wanted, readable=Interaction(request=request, response=response))


def redacted_request(request: IncomingRequest) -> IncomingRequest:
    """Return a request as it would be written: to compare it with written ones, and to speak of it."""
    no_answer = RecordedResponse(status=0, reason="", headers=(), body=b"")
    return redacted(Interaction(request=request, response=no_answer)).request


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a message without anything that is a secret or looks like one."""
    data = _blanked(text.encode("utf-8", "replace"), needles([*secrets, *environment_secrets()]))
    return without_secrets(data.decode("utf-8", "replace"))


# Heads --------------------------------------------------------------------------------------------------


def _request(request: IncomingRequest, wanted: Sequence[Needle]) -> IncomingRequest:
    return replace(
        request,
        url=_text(normal_url(request.url), wanted),
        headers=dict(_kept(request.headers.items(), wanted)),
        body=_body(request.body, request.headers.get("content-type", ""), wanted),
    )


def _response(response: RecordedResponse, wanted: Sequence[Needle]) -> RecordedResponse:
    headers = {name.lower(): value for name, value in response.headers}
    return replace(
        response,
        reason=_text(response.reason, wanted),
        headers=tuple(_kept(response.headers, wanted)),
        body=_body(response.body, headers.get("content-type", ""), wanted),
        meta=_noted(response.meta, wanted),
    )


def _kept(headers: Iterable[tuple[str, str]], wanted: Sequence[Needle]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if KEPT_HEADERS.fullmatch(name.lower()):
            yield name, _text(normal_url(value) if name.lower() == "location" else value, wanted)


def _noted(meta: Mapping[str, Any], wanted: Sequence[Needle]) -> dict[str, Any]:
    return {name: _text(value, wanted) if isinstance(value, str) else value for name, value in meta.items()}


def _text(text: str, wanted: Sequence[Needle]) -> str:
    return _blanked(text.encode("utf-8", "surrogateescape"), wanted).decode("utf-8", "surrogateescape")


# Packed bodies ------------------------------------------------------------------------------------------


def _unpacked_request(request: IncomingRequest) -> IncomingRequest:
    body = plain(request.body, request.headers.items())
    if body == request.body:
        return request
    headers = {name: value for name, value in request.headers.items() if name != "content-encoding"}
    return replace(request, headers=headers, body=body)


def _unpacked_response(response: RecordedResponse) -> RecordedResponse:
    body = plain(response.body, response.headers)
    if body == response.body:
        return response
    headers = tuple(pair for pair in response.headers if pair[0].lower() != "content-encoding")
    times = response.times and _stretched(response.times, len(body))
    return replace(response, headers=headers, body=body, times=times)


def _stretched(times: RecordedTimes, body_bytes: int) -> RecordedTimes:
    """Return times for a body of another size: each block with its share of it."""
    before = sum(size for size, _ in times.blocks)
    ends = [end * body_bytes // before for end in accumulate(size for size, _ in times.blocks)]
    sizes = [end - start for start, end in pairwise([0, *ends])]
    blocks = ((size, at_s) for size, (_, at_s) in zip(sizes, times.blocks, strict=True) if size)
    return replace(times, blocks=tuple(blocks))


def _packed_again(
    original: Interaction, kept: Interaction, wanted: Sequence[Needle], *, readable: Interaction
) -> Interaction:
    """Return what is kept, with the bodies that hold no secret packed as they came."""
    request, response = kept.request, kept.response
    if request.body == readable.request.body:
        headers = dict(_kept(original.request.headers.items(), wanted))
        request = replace(request, headers=headers, body=original.request.body)
    if response.body == readable.response.body:
        whole = original.response
        headers_of_it = tuple(_kept(whole.headers, wanted))
        response = replace(response, headers=headers_of_it, body=whole.body, times=whole.times)
    return Interaction(request=request, response=response)


# Bodies -------------------------------------------------------------------------------------------------


def _body(body: bytes, media_type: str, wanted: Sequence[Needle]) -> bytes:
    clean = _by_type(_in_packed(_in_pieces(_blanked(body, wanted), wanted), wanted), media_type)
    return _with_true_checksums(clean) if clean != body and media_type.startswith(FRAMES) else clean


def _in_pieces(body: bytes, wanted: Sequence[Needle]) -> bytes:
    """Blank what only shows where strings are read as they are meant: joined, and without escapes."""
    if not _says_secrets(body, wanted):
        return body
    for run in runs(body):
        body = _rewritten_run(body, run, wanted)
    return body


def _says_secrets(body: bytes, wanted: Sequence[Needle]) -> bool:
    has_escapes = b"\\" in body
    try:
        found = [text for text in texts(body) if has_escapes or len(text.parts) > 1]
    except ValueError:
        return True  # not quite JSON: look closely
    for text in found:
        data = "".join(text.parts).encode("utf-8", "surrogatepass")
        if _blanked(data, wanted) != data:
            return True
    return False


def _rewritten_run(body: bytes, run: Sequence[Piece], wanted: Sequence[Needle]) -> bytes:
    parts = [said(body[piece.start : piece.end]) for piece in run]
    whole = b"".join(parts)
    clean = _blanked(whole, wanted)
    if clean == whole:
        return body
    changed, at = bytearray(body), 0
    for piece, part in zip(run, parts, strict=True):
        now = clean[at : at + len(part)]
        changed[piece.start : piece.end] = rewritten(body[piece.start : piece.end], now)
        at += len(part)
    return bytes(changed)


def _in_packed(body: bytes, wanted: Sequence[Needle]) -> bytes:
    """Blank what stands in JSON that is packed in base64, all of it read as one stream."""
    if not (found := packed_documents(body)):
        return body
    lines = b"\n".join(each.document for each in found)
    clean = _in_pieces(_blanked(lines, wanted), wanted)
    if clean == lines:
        return body
    changed = bytearray(body)
    for each, document in zip(found, clean.split(b"\n"), strict=True):
        changed[each.start : each.end] = b64encode(document)
    return bytes(changed)


def _with_true_checksums(frames: bytes) -> bytes:
    """Return event-stream frames with a checksum that fits what they say now."""
    mended, start = bytearray(frames), 0
    while (size := int.from_bytes(mended[start : start + 4])) >= 16 and start + size <= len(mended):
        end = start + size
        mended[end - 4 : end] = crc32(mended[start : end - 4]).to_bytes(4)
        start = end
    return bytes(mended)


# What is blanked in a text ------------------------------------------------------------------------------


def _blanked(data: bytes, wanted: Sequence[Needle]) -> bytes:
    """Blank all that is known or declared to be secret. The result is as long as the text."""
    for needle in wanted:
        if needle.found in data:
            data = data.replace(needle.found, needle.stand_in)
    data = STARRED_KEY.pattern.sub(lambda key: blank(len(key[0])), data) if b"sk-" in data else data
    return without_accounts(_blanked_fields(_blanked_queries(data)))


_QUERY = re.compile(rb"([?&]|\\u0026|&amp;)([\w.%-]{3,40})=([^&\s\"'<>\\#]+)")


def _blanked_queries(data: bytes) -> bytes:
    """Blank what signs the URLs in a text."""
    if b"=" not in data or b"://" not in data:
        return data
    found = (query for query in _QUERY.finditer(data) if is_secret_query_key(_str(query[2])))
    return _blanked_spans(data, [query.span(3) for query in found])


_FIELD = re.compile(rb'"([\w. -]{2,64})"\s*:\s*"((?:[^"\\]|\\.)+)"')
_ESCAPED_FIELD = re.compile(rb'(?<!\\)(\\+)"([\w. -]{2,64})\1"\s*:\s*\1"((?:[^"\\]|(?!\1")\\.)+)\1"')
_NEAR_BYTES = 24


def _fields(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the values of secret fields stand, also in JSON that a string holds."""
    if not may_have_secret_fields(data):
        return
    for found in _FIELD.finditer(data):
        if is_secret_name(_str(found[1])) and not _is_piece_of_text(found):
            yield found.span(2)
    for found in _ESCAPED_FIELD.finditer(data) if b'\\"' in data else ():
        if is_secret_name(_str(found[2])):
            yield found.span(3)


def _is_piece_of_text(field: re.Match[bytes]) -> bool:
    """Whether it is a token of a model, with how probable it was, and none that opens doors."""
    data, (start, end) = field.string, field.span()
    return b'"logprob"' in data[end : end + _NEAR_BYTES] or (
        b'"logprob"' in data[max(0, start - _NEAR_BYTES - 24) : start].rpartition(b"{")[2]
    )


def _blanked_fields(data: bytes) -> bytes:
    return _blanked_spans(data, list(_fields(data)))


def _blanked_spans(data: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    if not spans:
        return data
    changed = bytearray(data)
    for start, end in spans:
        changed[start:end] = blank(end - start)
    return bytes(changed)


def _accounts(data: bytes) -> Iterator[Needle]:
    """Yield the accounts that ARNs name: they also stand alone."""
    return (Needle(account, b"0" * len(account)) for account in accounts_in(data))


def _declared_by(request: IncomingRequest) -> Iterator[str]:
    """Yield what a request declares to be secret, because the answer may say it again."""
    yield from _declared(request.body)
    for value in _form_values(request.body, request.headers.get("content-type", "")):
        yield unquote_plus(value)


def _declared(body: bytes) -> Iterator[str]:
    values = (said(body[start:end]).decode("utf-8", "replace") for start, end in _fields(body))
    return (value for value in values if not any(map(str.isspace, value)))


# Forms --------------------------------------------------------------------------------------------------

_PAIR = re.compile(rb"(^|&)([^=&]+)=([^&]+)")
_PART = re.compile(rb'(name="([^"]+)"[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n)(.*?)(?=\r?\n--)', re.DOTALL)


def _secret_parts(body: bytes, media_type: str) -> Iterator[re.Match[bytes]]:
    """Yield the pairs or parts of a form whose name says secret; their third group is the value."""
    if media_type.startswith(FORM):
        yield from (pair for pair in _PAIR.finditer(body) if is_secret_query_key(_str(pair[2])))
    elif media_type.startswith(MULTIPART):
        yield from (part for part in _PART.finditer(body) if is_secret_name(_str(part[2])))


def _form_values(body: bytes, media_type: str) -> Iterator[str]:
    return (_str(part[3]) for part in _secret_parts(body, media_type))


def _by_type(body: bytes, media_type: str) -> bytes:
    spans = [part.span(3) for part in _secret_parts(body, media_type)]
    return _blanked_spans(body, spans) if spans else body


def _str(name: bytes) -> str:
    return name.decode("utf-8", "replace")
