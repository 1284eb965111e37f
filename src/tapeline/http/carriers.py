"""Authenticated carriers: who signs a request and which client sends it.

The official SDK clients carry OpenAI and Anthropic calls: keys, base URLs, Azure and Vertex variants,
headers and pooling are theirs; the bytes in and out are ours (`client.post(..., content=, cast_to=
httpx2.Response)`, their public way to undocumented endpoints). Bedrock and Ollama go over httpx2 as they
are, signed by botocore where needed. SDKs are imported at the first call, not before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2

from tapeline.errors import ConfigError
from tapeline.types import HttpRequest


class Carrier(Protocol):
    """Sends a request and returns the response, its body unread. Status errors are responses too."""

    @property
    def base_url(self) -> str: ...

    def send(self, request: HttpRequest, *, is_stream: bool) -> httpx2.Response: ...

    async def asend(self, request: HttpRequest, *, is_stream: bool) -> httpx2.Response: ...

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


class SDKCarrier:
    """Carries over an official SDK: the `openai` or the `anthropic` module, which are built alike."""

    def __init__(
        self,
        load: Callable[[], Any],
        client_names: tuple[str, str],
        options: Mapping[str, Any],
        client: Any = None,
        http_client: Any = None,
    ) -> None:
        self._load = load
        self._client_name, self._async_client_name = client_names
        self._options = dict(options)
        self._given = client
        self._http_client = http_client

    @property
    def base_url(self) -> str:
        known = self._given.base_url if self._given is not None else self._options.get("base_url")
        return str(known or "")

    @cached_property
    def _module(self) -> Any:
        return self._load()

    @cached_property
    def _client(self) -> Any:
        return self._build(self._client_name, httpx2.Client)

    @cached_property
    def _async_client(self) -> Any:
        return self._build(self._async_client_name, httpx2.AsyncClient)

    def _build(self, class_name: str, http_class: type) -> Any:
        wanted = getattr(self._module, class_name)
        if self._given is not None:
            return checked(self._given, wanted, "client")
        http_client = checked(self._http_client, http_class, "http_client") if self._http_client else None
        return wanted(**self._options, max_retries=0, http_client=http_client)

    def send(self, request: HttpRequest, *, is_stream: bool) -> httpx2.Response:
        try:
            return self._client.post(request.path, **self._post_options(request, is_stream))  # type: ignore[no-any-return]
        except self._module.APIStatusError as error:
            return error.response  # type: ignore[no-any-return]

    async def asend(self, request: HttpRequest, *, is_stream: bool) -> httpx2.Response:
        try:
            return await self._async_client.post(request.path, **self._post_options(request, is_stream))  # type: ignore[no-any-return]
        except self._module.APIStatusError as error:
            return error.response  # type: ignore[no-any-return]

    def _post_options(self, request: HttpRequest, is_stream: bool) -> dict[str, Any]:
        # Retries are ours (or attempts would multiply); APIs do not redirect, and keys must not follow.
        options = {"max_retries": 0, "follow_redirects": False, "headers": dict(request.headers)}
        return {
            "content": request.body,
            "cast_to": httpx2.Response,
            "stream": is_stream,
            "options": options,
        }

    def close(self) -> None:
        if "_client" in self.__dict__ and self._given is None and self._http_client is None:
            self._client.close()

    async def aclose(self) -> None:
        if "_async_client" in self.__dict__ and self._given is None and self._http_client is None:
            await self._async_client.close()


def openai_carrier(
    *, api_key: str, base_url: str | None, timeout_s: float, client: Any = None, http_client: Any = None
) -> SDKCarrier:
    """Carry over the `openai` SDK."""

    def load() -> Any:
        import openai

        return openai

    options = {"api_key": api_key, "base_url": base_url, "timeout": timeout_s}
    return SDKCarrier(load, ("OpenAI", "AsyncOpenAI"), options, client, http_client)


def anthropic_carrier(
    *, api_key: str, base_url: str | None, timeout_s: float, client: Any = None, http_client: Any = None
) -> SDKCarrier:
    """Carry over the `anthropic` SDK, its own OpenTelemetry spans off: the call has one of ours."""

    def load() -> Any:
        import anthropic

        return anthropic

    options = {"api_key": api_key, "base_url": base_url, "timeout": timeout_s, "open_telemetry": False}
    return SDKCarrier(load, ("Anthropic", "AsyncAnthropic"), options, client, http_client)


Sign = Callable[[str, str, dict[str, str], bytes], dict[str, str]]
"""(method, url, headers, body) -> the headers with credentials."""


class HttpxCarrier:
    """Carries over httpx2, with headers that `sign` completes."""

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
        self._timeout_s = timeout_s
        self._sign = sign
        self._given = http_client
        self._transport = transport

    @cached_property
    def _client(self) -> httpx2.Client:
        if self._given is not None:
            return checked(self._given, httpx2.Client, "http_client")  # type: ignore[no-any-return]
        return httpx2.Client(transport=self._transport)

    @cached_property
    def _async_client(self) -> httpx2.AsyncClient:
        if self._given is not None:
            return checked(self._given, httpx2.AsyncClient, "http_client")  # type: ignore[no-any-return]
        return httpx2.AsyncClient(transport=self._transport)

    def send(self, request: HttpRequest, *, is_stream: bool) -> httpx2.Response:
        return self._client.send(
            self._client.build_request(**self._prepared(request)), stream=True, follow_redirects=False
        )

    async def asend(self, request: HttpRequest, *, is_stream: bool) -> httpx2.Response:
        return await self._async_client.send(
            self._async_client.build_request(**self._prepared(request)), stream=True, follow_redirects=False
        )

    def _prepared(self, request: HttpRequest) -> dict[str, Any]:
        url = self.base_url + request.path
        headers = self._sign(
            request.method, url, {"content-type": "application/json", **request.headers}, request.body
        )
        return {
            "method": request.method,
            "url": url,
            "headers": headers,
            "content": request.body,
            "timeout": self._timeout_s,
        }

    def close(self) -> None:
        if "_client" in self.__dict__ and self._given is None:
            self._client.close()

    async def aclose(self) -> None:
        if "_async_client" in self.__dict__ and self._given is None:
            await self._async_client.aclose()


def ollama_carrier(
    *, api_key: str | None, base_url: str, timeout_s: float, http_client: Any = None
) -> HttpxCarrier:
    """Carry to an Ollama server; the key is only for Ollama's cloud."""
    return HttpxCarrier(base_url=base_url, timeout_s=timeout_s, sign=bearer(api_key), http_client=http_client)


def bearer(api_key: str | None) -> Sign:
    """Sign with a bearer key, or not at all."""

    def sign(method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        return headers | ({"authorization": f"Bearer {api_key}"} if api_key else {})

    return sign


def bedrock_carrier(
    *,
    api_key: str | None,
    base_url: str | None,
    region: str | None,
    timeout_s: float,
    http_client: Any = None,
) -> HttpxCarrier:
    """Carry to Bedrock: a bearer key if there is one, else AWS credentials and SigV4.

    A `base_url` outside AWS, or a client of your own, is a gateway: it is signed for only with
    credentials from the environment, so that nothing asks the instance metadata service.
    """
    is_gateway = http_client is not None or (base_url is not None and not _is_aws(base_url))
    if api_key:
        sign = bearer(api_key)
    elif is_gateway and not os.environ.get("AWS_ACCESS_KEY_ID"):
        sign = bearer(None)
    else:
        sign = sigv4(region)
    return HttpxCarrier(
        base_url=base_url or bedrock_endpoint(region, default="us-east-1" if is_gateway else None),
        timeout_s=timeout_s,
        sign=sign,
        http_client=http_client,
    )


def _is_aws(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def bedrock_endpoint(region: str | None, *, default: str | None) -> str:
    """Return the endpoint boto3 would use, partitions, FIPS and environment settings included."""
    import boto3

    session = boto3.Session()
    found = region or session.region_name or default
    if found is None:
        raise ConfigError("bedrock: no region; set AWS_REGION or pass region=")
    return str(session.client("bedrock-runtime", region_name=found).meta.endpoint_url)


def sigv4(region: str | None) -> Sign:
    """Sign with the AWS credentials boto3 finds, refreshed when they expire."""
    import boto3
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    session = boto3.Session()
    credentials = session.get_credentials()
    if credentials is None:
        raise ConfigError(
            "bedrock: no credentials; set AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID or an AWS profile"
        )
    signed_region = region or session.region_name or "us-east-1"

    def sign(method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        request = AWSRequest(method=method, url=url, data=body, headers=headers)
        SigV4Auth(credentials.get_frozen_credentials(), "bedrock", signed_region).add_auth(request)
        return dict(request.headers.items())

    return sign


def checked(value: Any, wanted: type, name: str) -> Any:
    """Return `value` if it fits the face it is used on, the blocking or the asyncio one."""
    if isinstance(value, wanted):
        return value
    raise ConfigError(
        f"{name} is a {type(value).__module__}.{type(value).__name__}, but this call needs a "
        f"{wanted.__module__}.{wanted.__name__}: generate and stream take the blocking one, "
        "agenerate and astream the asyncio one"
    )
