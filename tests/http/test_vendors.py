"""Vendors: credentials, endpoints and signatures."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.errors import ConfigError
from tapeline.http import vendors
from tapeline.http.carriers import HttpxCarrier
from tapeline.http.vendors import anthropic_carrier, bedrock_carrier, bedrock_endpoint, openai_carrier, sigv4
from tapeline.types import HttpRequest

URL = "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse"


@pytest.fixture
def aws_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")


@pytest.mark.usefixtures("aws_keys")
@pytest.mark.parametrize(
    ("region", "default", "endpoint"),
    [
        ("eu-west-1", None, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ("cn-north-1", None, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", None, "https://bedrock-runtime.us-gov-west-1.amazonaws.com"),
        (None, "us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com"),
    ],
)
def test_endpoints_are_those_of_boto3(region: str | None, default: str | None, endpoint: str) -> None:
    """Partitions included."""
    assert bedrock_endpoint(region, default=default) == endpoint


@pytest.mark.usefixtures("aws_keys")
def test_the_region_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_DEFAULT_REGION is the one boto3 reads; what is passed goes over it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    urls = [bedrock_endpoint(region, default="us-east-1") for region in (None, "eu-west-1")]

    assert [url.split(".")[1] for url in urls] == ["eu-central-1", "eu-west-1"]


def test_without_region_or_credentials_the_message_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match="set AWS_REGION or pass region="):
        bedrock_endpoint(None, default=None)
    with pytest.raises(
        ConfigError, match="set AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID or an AWS profile"
    ):
        sigv4("us-east-1")


def authorization(carrier: HttpxCarrier) -> str:
    request = HttpRequest(method="POST", path="/model/m/converse", headers={}, body=b"{}")
    return carrier._prepared(request, None).headers.get("authorization", "none").partition(" ")[0]


GATEWAY, AWS = "http://127.0.0.1:9000", "https://bedrock-runtime.us-east-1.amazonaws.com"
SIGNING = {
    "a key on the way to AWS": ({"api_key": "k", "base_url": AWS}, "Bearer"),
    "a key on the way to a gateway": ({"api_key": "k", "base_url": GATEWAY}, "Bearer"),
    "credentials for AWS": ({"base_url": AWS}, "AWS4-HMAC-SHA256"),
    "credentials for a gateway": ({"base_url": GATEWAY}, "AWS4-HMAC-SHA256"),
}


@pytest.mark.usefixtures("aws_keys")
@pytest.mark.parametrize(("options", "scheme"), SIGNING.values(), ids=SIGNING.keys())
def test_a_key_goes_before_a_signature(options: dict[str, Any], scheme: str) -> None:
    carrier = bedrock_carrier(**({"api_key": None, "region": "us-east-1", "timeout_s": 1.0} | options))

    assert authorization(carrier) == scheme


def test_a_gateway_of_your_own_needs_no_credentials() -> None:
    """Nor a region: nothing is asked of AWS."""
    carrier = bedrock_carrier(api_key=None, base_url=GATEWAY, region=None, timeout_s=1.0)

    assert authorization(carrier) == "none"


@pytest.mark.parametrize(
    ("url", "is_aws"),
    [
        (AWS, True),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", True),
        ("https://amazonaws.com.evil.example", False),
        ("https://notamazonaws.com", False),
        (GATEWAY, False),
    ],
)
def test_what_belongs_to_aws(url: str, is_aws: bool) -> None:
    """By the end of the host's name, not by its middle."""
    assert vendors._is_aws(url) is is_aws


@pytest.mark.parametrize(
    ("carrier", "path", "url"),
    [
        (openai_carrier, "/chat/completions", "https://api.openai.com/v1/chat/completions"),
        (anthropic_carrier, "/v1/messages", "https://api.anthropic.com/v1/messages"),
    ],
)
def test_the_headers_are_those_of_the_sdk(carrier: Any, path: str, url: str) -> None:
    """The key where the vendor wants it, and who is calling; the body's type is ours."""
    request = HttpRequest(method="POST", path=path, headers={"x-more": "1"}, body=b"{}")

    sent = carrier(api_key="sk-test", base_url=None, timeout_s=1.0)._prepared(request, None)

    assert str(sent.url) == url
    # Anthropic takes a key in either, and versions of its SDK differ in which they use.
    assert "sk-test" in sent.headers.get("authorization", "") + sent.headers.get("x-api-key", "")
    assert sent.headers["x-stainless-lang"] == "python"
    assert (sent.headers["content-type"], sent.headers["x-more"]) == ("application/json", "1")
