"""Recorded requests sent again, to see whether the API of today still answers in the recorded shape.

Writes nothing. Sends only what asks for an answer and changes nothing at the other end, and each request
once. Keys go only to hosts whose keys they are, over TLS: a cassette is data from elsewhere, and must not be
able to collect keys by naming a host of its own. All times are seconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx2

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.review.shapes import ShapeDifference, shape_differences
from tapeline.cassettes.secrets.redaction import masked
from tapeline.cassettes.secrets.secret_names import KEPT_HEADERS
from tapeline.errors import ConfigError, LLMError
from tapeline.http.clients import blocking_client
from tapeline.http.decoding import BoundedBody
from tapeline.http.vendors import sigv4
from tapeline.latency.pacing import IncomingRequest
from tapeline.providers.paths import codec_for

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
NO_ANSWERS = frozenset({401, 403, 408, 429, 500, 502, 503, 504, 529})
"""Statuses that say nothing of the shape of answers: a wrong key, too many requests, a server in trouble."""

_BEDROCK = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")

Send = Callable[[IncomingRequest], RecordedResponse]
"""Sends a request and returns the answer of today. Raises LLMError if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecked:
    """What became of one recorded request. number: from 1. problem: why its answers were not compared.

    is_skipped: it is not one to be sent again, which says nothing against its recording.
    """

    number: int
    name: str
    differences: tuple[ShapeDifference, ...] = ()
    problem: str | None = None
    is_skipped: bool = False

    @property
    def is_breaking(self) -> bool:
        """Whether clients of the recorded answer may stumble over the one of today."""
        return any(found.is_breaking for found in self.differences)


def verify(interactions: Sequence[Interaction], send: Send) -> Iterator[Rechecked]:
    """Yield how the answers of today differ from each recorded one. Equal requests are sent once."""
    answers: dict[bytes, RecordedResponse | LLMError] = {}
    matcher = Matcher()
    for number, known in enumerate(interactions, 1):
        name = masked(f"{known.request.method} {known.request.url}")
        if reason := _why_not(known):
            yield Rechecked(number=number, name=name, problem=reason, is_skipped=True)
            continue
        digest = matcher.digest(known.request)
        if digest not in answers:
            answers[digest] = _answer(known.request, send)
        yield _rechecked(number, name, known.response, answers[digest])


def _why_not(known: Interaction) -> str:
    path = urlsplit(known.request.url).path
    if codec_for(path) is None and not path.endswith("/embeddings"):
        return "not sent: it is no request for an answer, and might change something"
    return "not sent: its recording ended in a failure" if known.response.failure is not None else ""


def _answer(request: IncomingRequest, send: Send) -> RecordedResponse | LLMError:
    try:
        return send(request)
    except LLMError as error:
        return error


def _rechecked(
    number: int, name: str, recorded: RecordedResponse, live: RecordedResponse | LLMError
) -> Rechecked:
    if isinstance(live, LLMError):
        return Rechecked(number=number, name=name, problem=live.message)
    if live.status in NO_ANSWERS and live.status != recorded.status:
        return Rechecked(number=number, name=name, problem=f"not answered: {live.status} {live.reason}")
    return Rechecked(number=number, name=name, differences=tuple(shape_differences(recorded, live)))


# Sending ------------------------------------------------------------------------------------------------


class Sender:
    """Sends recorded requests with today's credentials; use it as a context manager.

    target: scheme and host that replace those of the recording, such as "http://localhost:11434". It is the
    user's word: over https, the key of a request's wire format is sent there. Raises ConfigError for others.
    """

    def __init__(self, *, target: str | None = None, timeout_s: float = 60.0) -> None:
        self._target = _origin(target) if target else None
        self._timeout_s = timeout_s
        self._client = blocking_client()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *failure: object) -> None:
        self._client.close()

    def __call__(self, request: IncomingRequest) -> RecordedResponse:
        """Send a request. Raises LLMError if no answer comes, ConfigError if no key is known."""
        url = self._url(request)
        headers = signed(request, url, self._headers(request), is_trusted=self._target is not None)
        sent = httpx2.Request(
            request.method,
            url,
            headers=headers,
            content=request.body,
            extensions={"timeout": httpx2.Timeout(self._timeout_s).as_dict()},
        )
        try:
            return self._received(sent)
        except httpx2.HTTPError as error:
            raise LLMError(f"no answer: {type(error).__name__}: {masked(str(error))}") from error

    def _received(self, sent: httpx2.Request) -> RecordedResponse:
        response = self._client.send(sent, stream=True, auth=None, follow_redirects=False)
        try:
            body = BoundedBody()
            for block in response.iter_bytes():
                body.add(block)
        finally:
            response.close()
        return RecordedResponse(
            status=response.status_code,
            reason=response.reason_phrase,
            headers=tuple(response.headers.multi_items()),
            body=body.whole(),
        )

    def _url(self, request: IncomingRequest) -> str:
        parts = urlsplit(request.url)
        if self._target is None:
            return request.url
        return urlunsplit((self._target.scheme, self._target.netloc, parts.path, parts.query, ""))

    def _headers(self, request: IncomingRequest) -> dict[str, str]:
        kept = {name: value for name, value in request.headers.items() if KEPT_HEADERS.fullmatch(name)}
        return kept | {"accept-encoding": "identity"}


def _origin(target: str) -> SplitResult:
    parts = urlsplit(target.rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        raise ConfigError(f"not a target: {target!r}; write scheme and host, such as http://localhost:11434")
    return parts


# Credentials --------------------------------------------------------------------------------------------


KEYS = {
    "openai": "OPENAI_API_KEY",
    "openai-responses": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "bedrock": "AWS_BEARER_TOKEN_BEDROCK",
    "ollama": "OLLAMA_API_KEY",
}
"""Wire format -> where its key is."""

VENDORS = {"api.openai.com": "openai", "api.anthropic.com": "anthropic", "ollama.com": "ollama"}
"""Host -> whose key it may see without being named by the user."""


def signed(
    request: IncomingRequest, url: str, headers: dict[str, str], *, is_trusted: bool
) -> Mapping[str, str]:
    """Return the headers with the credentials that belong to a host, from the environment.

    is_trusted: the user named the host. Raises ConfigError where none belong to it, or none are set.
    """
    parts = urlsplit(url)
    host, is_secure = parts.hostname or "", parts.scheme == "https"
    if host in LOCAL_HOSTS or (is_trusted and not is_secure):
        return headers
    if not is_secure:
        raise ConfigError(f"not sent: keys go over https only, and this is {parts.scheme}://{host}")
    if bedrock := _BEDROCK.fullmatch(host):
        return _signed_for_aws(request, url, headers, region=bedrock[1])
    wire = _wire(parts.path) if is_trusted else VENDORS.get(host)
    if wire is None:
        raise ConfigError(f"not sent: no key is known for {host}; name it with --target https://{host}")
    return headers | _key_of(wire)


def _wire(path: str) -> str:
    codec = codec_for(path)
    return codec.provider if codec is not None else "openai"


def _key_of(wire: str) -> dict[str, str]:
    if not (key := os.environ.get(KEYS[wire])):
        raise ConfigError(f"not sent: {KEYS[wire]} is not set")
    return {"x-api-key": key} if wire == "anthropic" else {"authorization": f"Bearer {key}"}


def _signed_for_aws(
    request: IncomingRequest, url: str, headers: dict[str, str], *, region: str
) -> Mapping[str, str]:
    if key := os.environ.get("AWS_BEARER_TOKEN_BEDROCK"):
        return headers | {"authorization": f"Bearer {key}"}
    return sigv4(region)(request.method, url, headers, request.body)
