"""How to reach each provider: the carrier for its settings, with its SDK where it has one.

The SDKs of OpenAI and Anthropic say which headers belong to a key; botocore finds AWS credentials and
signs. SDKs are imported at the first call, not before: that of Anthropic alone takes two seconds. boto3 is
imported with the model, to find the endpoint.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tapeline.errors import ConfigError
from tapeline.http.carriers import Carrier, HttpxCarrier, SDKCarrier, Sign, bearer, headers_of_sdk

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"


def openai_carrier(
    *, api_key: str, base_url: str | None, timeout_s: float, client: Any = None, http_client: Any = None
) -> Carrier:
    """Carry to OpenAI or a compatible server."""
    if client is not None:
        import openai

        return SDKCarrier(client, module=openai, timeout_s=timeout_s)

    def build() -> Any:
        import openai

        return openai.OpenAI(
            api_key=api_key, base_url=base_url or OPENAI_URL, http_client=without_connections()
        )

    return HttpxCarrier(
        base_url=base_url or OPENAI_URL,
        timeout_s=timeout_s,
        sign=headers_of_sdk(build),
        http_client=http_client,
    )


def anthropic_carrier(
    *, api_key: str, base_url: str | None, timeout_s: float, client: Any = None, http_client: Any = None
) -> Carrier:
    """Carry to Anthropic or a compatible server."""
    if client is not None:
        import anthropic

        return SDKCarrier(client, module=anthropic, timeout_s=timeout_s)

    def build() -> Any:
        import anthropic

        return anthropic.Anthropic(
            api_key=api_key, base_url=base_url or ANTHROPIC_URL, http_client=without_connections()
        )

    return HttpxCarrier(
        base_url=base_url or ANTHROPIC_URL,
        timeout_s=timeout_s,
        sign=headers_of_sdk(build),
        http_client=http_client,
    )


def without_connections() -> httpx2.Client:
    """Return what an SDK sends with that is only asked for its headers.

    One of its own would load all certificates the system trusts, which takes 35 ms.
    """
    return httpx2.Client(transport=httpx2.BaseTransport())


def ollama_carrier(
    *, api_key: str | None, base_url: str, timeout_s: float, http_client: Any = None
) -> HttpxCarrier:
    """Carry to an Ollama server; the key is only for Ollama's cloud."""
    return HttpxCarrier(base_url=base_url, timeout_s=timeout_s, sign=bearer(api_key), http_client=http_client)


# Bedrock ----------------------------------------------------------------------------------------------


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
