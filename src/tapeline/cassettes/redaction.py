"""What must never reach a cassette: removed where it is known, refused where it is only suspected.

Headers are an allow-list. Known secrets (the credentials of the request itself, secret-looking variables
of the environment) are blanked wherever they stand, by text of the same length, so that the recorded
block sizes stay true. What still looks like a key makes the whole save fail: better no file than a leak.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit
from zlib import crc32

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.matching import SECRET_QUERY_KEYS, normal_url, without_accounts
from tapeline.errors import CassetteError
from tapeline.latency.pacing import IncomingRequest
from tapeline.secret_shapes import SUSPECTS, without_secrets

KEPT_HEADERS = re.compile(
    r"accept|content-type|content-encoding|user-agent|server|anthropic-version|anthropic-beta|openai-beta"
    r"|openai-version|openai-processing-ms|(x-amz-)?retry-after|retry-after-ms|x-should-retry|x-request-id"
    r"|request-id|location|x-ratelimit-.*|anthropic-ratelimit-.*|x-amzn-errortype|x-amzn-requestid|x-amzn-bedrock-.*"
)
SECRET_HEADERS = re.compile(
    r"authorization|proxy-authorization|.*api-key|cookie|set-cookie|x-amz-security-token"
)
SECRET_VARIABLES = re.compile(r".*(KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL)S?")
SHORTEST_SECRET = 8
EVENT_STREAM = "application/vnd.amazon.eventstream"


def redacted(interaction: Interaction) -> Interaction:
    """Return what may be written of an interaction."""
    request, response = interaction.request, interaction.response
    secrets = [*request_secrets(request), *_cookies_of(response.headers), *_environment_secrets()]
    return Interaction(
        request=replace(
            request,
            url=_blank(normal_url(request.url).encode(), secrets).decode(),
            headers=dict(_kept(request.headers.items(), secrets)),
            body=_clean(request.body, secrets),
        ),
        response=replace(
            response,
            headers=tuple(_kept(response.headers, secrets)),
            body=_clean_response(response.headers, response.body, secrets),
        ),
    )


def refuse_secrets(text: str, interactions: Sequence[Interaction], path: str) -> None:
    """Raise CassetteError if a file about to be written looks as if it held a secret.

    interactions: what the text says, because it holds binary bodies in base64.
    """
    data = text.encode()
    for kind, pattern in SUSPECTS.items():
        if found := pattern.search(data):
            line = data.count(b"\n", 0, found.start()) + 1
            raise _refusal(path, f"line {line}", kind, len(found[0]))
        for number, item in enumerate(interactions, 1):
            if found := pattern.search(item.request.body) or pattern.search(item.response.body):
                raise _refusal(path, f"interaction {number}", kind, len(found[0]))


def _refusal(path: str, place: str, kind: str, size: int) -> CassetteError:
    return CassetteError(
        f"{path}: not written: {place} looks as if it held {kind} ({size} characters). "
        "Remove it from the request, or put its value into an environment variable whose name "
        "ends in _KEY, _TOKEN or _SECRET: such values are blanked."
    )


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a message without anything that is a secret or looks like one."""
    data = _clean(text.encode("utf-8", "replace"), [*secrets, *_environment_secrets()])
    return without_secrets(data.decode("utf-8", "replace"))


# What is secret -----------------------------------------------------------------------------------------


def request_secrets(request: IncomingRequest) -> Iterator[str]:
    """Yield the credentials a request carries, in headers and URL."""
    for name, value in request.headers.items():
        if SECRET_HEADERS.fullmatch(name.lower()):
            yield from _cookie_values(value) if name == "cookie" else _credentials(value)
    url = urlsplit(request.url)
    yield from filter(None, (url.username, url.password))
    yield from (value for name, value in parse_qsl(url.query) if SECRET_QUERY_KEYS.fullmatch(name))


_SIGNED = re.compile(r"(?:Credential=|Signature=)([^/,\s]+)")


def _credentials(value: str) -> list[str]:
    """Return the secret parts of a header; not its scheme and field names, which are words like others."""
    if value.startswith("AWS4-"):
        return _SIGNED.findall(value)
    return [value.strip(), value.partition(" ")[2].strip()]


def _cookies_of(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in headers:
        if name.lower() == "set-cookie":
            for cookie in re.split(r",\s*(?=[^;,=\s]+=)", value):  # botocore joins several by commas
                yield from _cookie_values(cookie.partition(";")[0])


def _cookie_values(value: str) -> list[str]:
    return [pair.partition("=")[2].strip() for pair in value.split(";")]


def _environment_secrets() -> Iterable[str]:
    return (value for name, value in os.environ.items() if SECRET_VARIABLES.fullmatch(name))


# How it is taken out ------------------------------------------------------------------------------------


def _kept(headers: Iterable[tuple[str, str]], secrets: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if KEPT_HEADERS.fullmatch(name.lower()):
            text = normal_url(value) if name.lower() == "location" else value
            yield name, _clean(text.encode(), secrets).decode()


def _clean_response(headers: Iterable[tuple[str, str]], body: bytes, secrets: Iterable[str]) -> bytes:
    clean = _clean(body, secrets)
    is_event_stream = any(value.startswith(EVENT_STREAM) for _, value in headers)
    return _with_true_checksums(clean) if is_event_stream and clean != body else clean


def _with_true_checksums(frames: bytes) -> bytes:
    """Return event-stream frames with a checksum that fits what they say now."""
    mended, start = bytearray(frames), 0
    while (size := int.from_bytes(mended[start : start + 4])) >= 16 and start + size <= len(mended):
        end = start + size
        mended[end - 4 : end] = crc32(mended[start : end - 4]).to_bytes(4)
        start = end
    return bytes(mended)


def _clean(data: bytes, secrets: Iterable[str]) -> bytes:
    return without_accounts(_blank(data, secrets))


def _blank(data: bytes, secrets: Iterable[str]) -> bytes:
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET and (raw := secret.encode("utf-8", "surrogateescape")) in data:
            data = data.replace(raw, b"REDACTED".ljust(len(raw), b"*"))
    return data
