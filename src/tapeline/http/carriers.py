"""Carriers: they take an encoded request to a provider and bring back the response, its body unread.

`HttpxCarrier` sends over httpx2, with headers that a `Sign` completes. `SDKCarrier` hands everything to
an SDK client that the caller has built: Azure, Vertex, tokens that are renewed, middleware are its own.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Protocol, TypeAlias

import httpx2

from tapeline.errors import ConfigError
from tapeline.http.clients import PerLoop, PerProcess, async_client, blocking_client, checked, wrong_client
from tapeline.http.deadline import EXTENSION, Deadline
from tapeline.types import HttpRequest

CONNECT_S_LIMIT = 10.0
"""A server that does not take a connection in this time will not take it later."""


class Carrier(Protocol):
    """Sends a request and returns the response. A status that means an error is a response too."""

    @property
    def base_url(self) -> str: ...

    def send(
        self, request: HttpRequest, *, is_stream: bool, deadline: Deadline | None = None
    ) -> httpx2.Response: ...

    async def asend(
        self, request: HttpRequest, *, is_stream: bool, deadline: Deadline | None = None
    ) -> httpx2.Response: ...

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


Sign: TypeAlias = Callable[[str, str, dict[str, str], bytes], Mapping[str, str]]
"""(method, url, headers, body) -> the headers with credentials."""


class HttpxCarrier:
    """Carries over httpx2: the caller's client, or clients of its own."""

    def __init__(
        self,
        *,
        base_url: str,
        timeout_s: float,
        sign: Sign,
        http_client: Any = None,
        transport: Any = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeouts = timeouts(timeout_s)
        self._sign = sign
        self._url = lru_cache(maxsize=64)(partial(_url, self.base_url))
        if http_client is not None:  # the caller's, who closes it
            self._blocking = PerProcess(lambda: checked(http_client, httpx2.Client, "http_client"))
            self._asyncio = PerLoop(lambda: checked(http_client, httpx2.AsyncClient, "http_client"))
        else:
            self._blocking = PerProcess(lambda: blocking_client(transport), httpx2.Client.close)
            self._asyncio = PerLoop(lambda: async_client(transport), httpx2.AsyncClient.aclose)

    def send(
        self, request: HttpRequest, *, is_stream: bool, deadline: Deadline | None = None
    ) -> httpx2.Response:
        sent = self._prepared(request, deadline)
        response: httpx2.Response = self._blocking.get().send(
            sent, stream=True, auth=None, follow_redirects=False
        )
        return response

    async def asend(
        self, request: HttpRequest, *, is_stream: bool, deadline: Deadline | None = None
    ) -> httpx2.Response:
        sent = self._prepared(request, deadline)
        response: httpx2.Response = await self._asyncio.get().send(
            sent, stream=True, auth=None, follow_redirects=False
        )
        return response

    def _prepared(self, request: HttpRequest, deadline: Deadline | None) -> httpx2.Request:
        url = self._url(request.path)
        headers = {"content-type": "application/json", **request.headers}
        extensions: dict[str, Any] = {"timeout": self._timeouts}
        if deadline is not None:
            extensions = {"timeout": shortened(self._timeouts, deadline), EXTENSION: deadline}
        return httpx2.Request(
            request.method,
            url,
            headers=self._sign(request.method, str(url), headers, request.body),
            content=request.body,
            extensions=extensions,
        )

    def close(self) -> None:
        self._blocking.close()

    async def aclose(self) -> None:
        await self._asyncio.aclose()


def _url(base_url: str, path: str) -> httpx2.URL:
    return httpx2.URL(base_url + path)


class SDKCarrier:
    """Carries over a client of the `openai` or the `anthropic` SDK, through its public `post`.

    The client stays the caller's: it is not closed here.
    """

    def __init__(self, client: Any, *, module: Any, timeout_s: float) -> None:
        self._client = client
        self._module = module
        self._timeout_s = timeout_s

    @property
    def base_url(self) -> str:
        return str(getattr(self._client, "base_url", ""))

    def send(
        self, request: HttpRequest, *, is_stream: bool, deadline: Deadline | None = None
    ) -> httpx2.Response:
        client = self._checked(is_async=False)
        try:
            return client.post(request.path, **self._arguments(request, is_stream, deadline))  # type: ignore[no-any-return]
        except self._module.APIStatusError as error:
            return error.response  # type: ignore[no-any-return]

    async def asend(
        self, request: HttpRequest, *, is_stream: bool, deadline: Deadline | None = None
    ) -> httpx2.Response:
        client = self._checked(is_async=True)
        try:
            return await client.post(request.path, **self._arguments(request, is_stream, deadline))  # type: ignore[no-any-return]
        except self._module.APIStatusError as error:
            return error.response  # type: ignore[no-any-return]

    def _checked(self, *, is_async: bool) -> Any:
        """Return the client, if it is one of this SDK and of this face; Azure's and others count."""
        vendor, found = self._module.__name__, type(self._client)
        post = getattr(self._client, "post", None)
        is_theirs = any(base.__module__.partition(".")[0] == vendor for base in found.__mro__)
        if is_theirs and inspect.iscoroutinefunction(post) == is_async:
            return self._client
        name = found.__name__.removeprefix("Async") if is_theirs else "client"
        wanted = f"{vendor}.{'Async' if is_async else ''}{name}"
        raise ConfigError(wrong_client("client", found, wanted))

    def _arguments(self, request: HttpRequest, is_stream: bool, deadline: Deadline | None) -> dict[str, Any]:
        # Retries are ours (or attempts would multiply); APIs do not redirect, and keys must not follow.
        options: dict[str, Any] = {
            "max_retries": 0,
            "follow_redirects": False,
            "headers": dict(request.headers),
        }
        if deadline is not None:
            options["timeout"] = min(self._timeout_s, deadline.timeout_s())
        return {
            # Not as bytes: the clients of Azure and Vertex make the URL of the model in the body.
            "body": json.loads(request.body),
            "cast_to": httpx2.Response,
            "stream": is_stream,
            "options": options,
        }

    def close(self) -> None:
        """Nothing: the client is the caller's."""

    async def aclose(self) -> None:
        """Nothing: the client is the caller's."""


# Headers ----------------------------------------------------------------------------------------------


def bearer(api_key: str | None) -> Sign:
    """Sign with a bearer key, or not at all."""
    authorization = {"authorization": f"Bearer {api_key}"} if api_key else {}

    def sign(method: str, url: str, headers: dict[str, str], body: bytes) -> Mapping[str, str]:
        return headers | authorization

    return sign


def headers_of_sdk(build: Callable[[], Any]) -> Sign:
    """Sign with the headers that a client of a vendor's SDK would send: key, version, organisation.

    build: returns the SDK client. It is called at the first request, because SDKs are slow to import.
    """
    known: dict[str, str] = {}

    def sign(method: str, url: str, headers: dict[str, str], body: bytes) -> Mapping[str, str]:
        if not known:
            client = build()
            given = {**client.default_headers, **client.auth_headers}
            # Some are marks that say "not this one".
            known.update({name.lower(): value for name, value in given.items() if isinstance(value, str)})
        return known | headers

    return sign


# Timeouts ---------------------------------------------------------------------------------------------


def timeouts(timeout_s: float) -> dict[str, float]:
    """Return the bounds on single waits, in seconds, as httpx2 wants them."""
    return {
        "connect": min(timeout_s, CONNECT_S_LIMIT),
        "read": timeout_s,
        "write": timeout_s,
        "pool": timeout_s,
    }


def shortened(bounds: Mapping[str, float], deadline: Deadline) -> dict[str, float]:
    """Return the bounds, none longer than what is left until the deadline."""
    left_s = deadline.timeout_s()
    return {name: min(bound_s, left_s) for name, bound_s in bounds.items()}
