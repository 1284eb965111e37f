"""The secrets of one call, by value: its credentials, what it was given, what the environment holds.

Whatever says them is blanked wherever it stands, in each of the forms that programs write text in. Values of
less than eight characters are none: they are placeholders, and stand inside other words.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.secrets.blanks import blank
from tapeline.cassettes.secrets.secret_names import (
    ACCOUNT_HEADERS,
    KEPT_HEADERS,
    SECRET_HEADERS,
    SECRET_VARIABLES,
    is_secret_query_key,
)
from tapeline.latency.pacing import IncomingRequest

SHORTEST_SECRET = 8

PLACEHOLDERS = frozenset(
    {
        *(
            "anything",
            "changeme",
            "disabled",
            "dummy-key",
            "dummykey",
            "lm-studio",
            "localhost",
            "minioadmin",
        ),
        *("mysecret", "no-key-required", "not-needed", "not-provided", "password", "postgres", "rabbitmq"),
        *("required", "test-key", "undefined", "unused-key"),
    }
)
"""What stands in for a secret where none is needed: ordinary words of other texts."""


class Needle(NamedTuple):
    """What to look for, and what to put there: as long, and of the same alphabet."""

    found: bytes
    stand_in: bytes


# What is secret -----------------------------------------------------------------------------------------


def secrets_of(interaction: Interaction) -> Iterator[str]:
    """Yield the credentials of a call and of its answer, and the secrets of the environment."""
    yield from request_secrets(interaction.request)
    for name, value in interaction.response.headers:
        yield from _of_header(name.lower(), value)
    yield from environment_secrets()


def request_secrets(request: IncomingRequest) -> Iterator[str]:
    """Yield the credentials a request carries, in headers and URL."""
    for name, value in request.headers.items():
        yield from _of_header(name.lower(), value)
        if _is_own_credential(name.lower(), value.strip()):
            yield value.strip()
    yield from _of_url(request.url)


def environment_secrets() -> Iterator[str]:
    """Yield the values of variables whose name says secret, and the passwords in those that are URLs."""
    for name, value in os.environ.items():
        if SECRET_VARIABLES.fullmatch(name):
            yield value
        elif "://" in value and (password := _PASSWORD.search(value)):
            yield unquote(password[1])


_PASSWORD = re.compile(r"://[^\s:/@]*:([^\s/@]+)@")
_SIGNED = re.compile(r"(?:Credential=|Signature=)([^/,\s]+)")


def _of_url(text: str) -> Iterator[str]:
    url = urlsplit(text)
    yield from (unquote(part) for part in (url.username, url.password) if part)
    yield from (value for name, value in parse_qsl(url.query) if is_secret_query_key(name))


def _of_header(name: str, value: str) -> Iterator[str]:
    if name == "cookie":
        yield from _cookie_values(value)
    elif name == "set-cookie":
        for cookie in re.split(r",\s*(?=[^;,=\s]+=)", value):  # botocore joins several by commas
            yield from _cookie_values(cookie.partition(";")[0])
    elif name == "location":
        yield from _of_url(value)
    elif SECRET_HEADERS.fullmatch(name):
        yield from _credentials(value.strip())
    elif ACCOUNT_HEADERS.fullmatch(name):
        yield value.strip()


_MACHINE_MADE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w~+/=.:-]{16,}")


def _is_own_credential(name: str, value: str) -> bool:
    """Whether a header may be somebody's own way to authenticate: nothing tells its name from others."""
    is_own = name.startswith("x-") and not KEPT_HEADERS.fullmatch(name)
    return is_own and _MACHINE_MADE.fullmatch(value) is not None


def _credentials(value: str) -> Iterator[str]:
    """Yield the secret parts of a header; not its scheme and field names, which are words like others."""
    scheme, _, rest = value.partition(" ")
    if value.startswith("AWS4-"):
        yield from _SIGNED.findall(value)
        return
    yield from (value, rest.strip())
    if scheme.lower() == "basic":
        yield from _user_and_password(rest.strip())


def _user_and_password(text: str) -> list[str]:
    try:
        return b64decode(text).decode("utf-8").split(":", 1)
    except ValueError:
        return []


def _cookie_values(value: str) -> list[str]:
    return [pair.partition("=")[2].strip().strip('"') for pair in value.split(";")]


# How it may be written ----------------------------------------------------------------------------------


def needles(secrets: Iterable[str]) -> Sequence[Needle]:
    """Return what to look for, the longest first: a secret may be part of another."""
    return _needles(frozenset(filter(_is_one, secrets)))


@lru_cache(maxsize=16)  # the calls of one cassette mostly have the same
def _needles(secrets: frozenset[str]) -> tuple[Needle, ...]:
    found = {each.found: each for secret in secrets for each in _forms(secret)}
    return tuple(sorted(found.values(), key=lambda needle: len(needle.found), reverse=True))


def _is_one(secret: str) -> bool:
    return len(secret) >= SHORTEST_SECRET and secret.lower() not in PLACEHOLDERS


def _forms(secret: str) -> Iterator[Needle]:
    """Yield a secret as it is, in JSON, in a URL, in base64 and in hexadecimal digits."""
    raw = secret.encode("utf-8", "surrogateescape")
    in_json = [*_in_json(secret, ensure_ascii=True), *_in_json(secret, ensure_ascii=False)]
    in_urls = (quote(raw, safe=""), quote(raw), quote_plus(raw))
    for text in (raw, *(form.encode("utf-8", "surrogateescape") for form in (*in_json, *in_urls))):
        yield Needle(text, blank(len(text)))
    for core in _in_base64(raw):
        for text in (core, core.translate(_FOR_URLS)):
            yield Needle(text, b"REDACTED".ljust(len(text), b"0"))
    for digits in (raw.hex(), raw.hex().upper()):
        yield Needle(digits.encode(), b"0" * len(digits))


_JSON_LEVELS = 3
"""JSON in a string of JSON in a string, as where a server says what it was told."""


def _in_json(secret: str, *, ensure_ascii: bool) -> Iterator[str]:
    for _ in range(_JSON_LEVELS):
        secret = json.dumps(secret, ensure_ascii=ensure_ascii)[1:-1]
        yield secret


_FOR_URLS = bytes.maketrans(b"+/", b"-_")


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """Yield what is in the base64 of any text that holds this one, wherever in a group of three it starts."""
    for shift, first in ((0, 0), (1, 2), (2, 3)):
        whole = b64encode(bytes(shift) + raw).rstrip(b"=")
        is_open = (shift + len(raw)) % 3 != 0  # its last character also says what comes next
        yield whole[first : len(whole) - is_open]
