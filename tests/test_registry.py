"""Providers by name: ours, registered ones, and those that installed packages bring along."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import tapeline
from tapeline import registry
from tapeline.client import chat_model
from tapeline.clock import Clock, VirtualClock
from tapeline.config import Settings, load_settings
from tapeline.errors import ConfigError, ErrorCode
from tapeline.registry import Clients, Provider, find_provider, provider_names, register_provider

OURS = ["anthropic", "bedrock", "mock", "ollama", "openai", "openai-responses"]


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_PROVIDERS", dict(registry._PROVIDERS))


def acme(settings: Settings, clients: Clients, clock: Clock) -> Provider:
    """The mock under another name."""
    return find_provider("mock")(settings, clients, clock)


@pytest.fixture
def installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package `acme_llm` whose metadata name it as the provider "acme"."""
    metadata = tmp_path / "acme_llm-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-llm\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tapeline.providers]\nacme = acme_llm:factory\n")
    (tmp_path / "acme_llm.py").write_text(
        "from tapeline.registry import find_provider\n"
        "def factory(settings, clients, clock):\n"
        "    return find_provider('mock')(settings, clients, clock)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "acme_llm", raising=False)


def test_our_own_providers() -> None:
    assert provider_names() == OURS


@pytest.mark.parametrize("name", OURS)
def test_each_provider_says_its_name_and_where_it_sends(name: str) -> None:
    """The codec's name is the one it is found by; a base_url is taken as it is."""
    settings = load_settings(name, {"api_key": "k", "base_url": "http://host/v1"})

    provider = find_provider(name)(settings, Clients(), VirtualClock())

    assert (provider.codec.provider, provider.carrier.base_url) == (name, "http://host/v1")


@pytest.mark.parametrize(("name", "variable"), [("openai", "OPENAI"), ("anthropic", "ANTHROPIC")])
def test_the_vendors_own_servers_want_a_key(name: str, variable: str) -> None:
    """A server or client of your own may want none."""
    with pytest.raises(ConfigError, match=f"set {variable}_API_KEY"):
        tapeline.chat_model(f"{name}:m")

    tapeline.chat_model(f"{name}:m", base_url="http://127.0.0.1:8000/v1")
    tapeline.chat_model(f"{name}:m", http_client=object())


def test_bedrock_says_what_it_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the way to AWS itself it needs credentials and a region."""
    with pytest.raises(ConfigError, match="no credentials; set AWS_BEARER_TOKEN_BEDROCK"):
        tapeline.chat_model("bedrock:m", region="eu-west-1")

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(ConfigError, match="no region; set AWS_REGION"):
        tapeline.chat_model("bedrock:m")


def test_a_registered_provider_is_a_provider() -> None:
    """Also in the list, and in place of one of ours."""
    register_provider("acme", acme)
    register_provider("openai", acme)

    said = [tapeline.chat_model(f"{name}:m").generate("hi").text for name in ("acme", "openai")]

    assert said == ["hi", "hi"]
    assert provider_names() == sorted([*OURS, "acme"])


@pytest.mark.usefixtures("installed_package")
def test_an_installed_package_brings_its_provider() -> None:
    """Found by its entry point, loaded when it is first asked for."""
    assert "acme" in provider_names()
    assert "acme_llm" not in sys.modules

    assert tapeline.chat_model("acme:m").generate("hi").text == "hi"
    assert find_provider("acme") is sys.modules["acme_llm"].factory


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("opnai", r"did you mean 'openai'\? Known: anthropic, bedrock"),
        ("xyz", r"unknown provider 'xyz'\. Known"),
    ],
)
def test_an_unknown_provider_is_answered_with_the_known_ones(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint) as raised:
        tapeline.chat_model(f"{name}:m")

    assert raised.value.code is ErrorCode.UNSUPPORTED_PROVIDER


@pytest.mark.parametrize("name", ["bedrock:m", "ollama:m"])
def test_a_client_that_would_not_be_used_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"takes no client=: .*; http_client= takes an httpx2 client"):
        chat_model(name, client=object())
