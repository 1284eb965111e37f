"""Settings: where a value comes from, which one wins, and what is said about a wrong one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tapeline.client.options import OPTIONS
from tapeline.config import (
    ENVIRONMENT,
    Settings,
    find_config_file,
    from_environment,
    load_settings,
    required_key,
)
from tapeline.errors import ConfigError

CANARY = "sk-canary-0123456789"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "tapeline.toml"
    path.write_text(text, encoding="utf-8")
    return path


# Precedence -----------------------------------------------------------------------------------------


def test_arguments_go_over_the_file_and_the_file_over_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each setting by itself; an argument that is None says nothing."""
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://environment")
    write(folder, '[providers.openai]\nbase_url = "http://file/v1/"\ntimeout_s = 5\nmax_retries = 1\n')

    settings = load_settings("openai", {"max_retries": 0, "timeout_s": None, "temperature": 0.5})

    assert settings == Settings(
        api_key="from-environment",
        base_url="http://file/v1",
        timeout_s=5.0,
        max_retries=0,
        temperature=0.5,
    )


def test_the_nearest_file_counts_and_only_its_own_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found from the working directory upwards; other providers' tables are not read."""
    outer, inner = folder, folder / "a" / "b"
    inner.mkdir(parents=True)
    write(outer, "[providers.openai]\nmax_retries = 1\n[providers.ollama]\nmax_retries = 2\n")
    monkeypatch.chdir(inner)

    found_above = load_settings("openai", {}).max_retries
    nearest = write(inner, "[providers.openai]\nmax_retries = 3\n")

    assert found_above == 1
    assert find_config_file(inner) == nearest
    assert load_settings("openai", {}).max_retries == 3
    assert load_settings("ollama", {}) == Settings()


def test_without_anything_the_defaults_hold(folder: Path) -> None:
    assert load_settings("openai", {}) == Settings()
    assert (Settings().timeout_s, Settings().max_retries, Settings().key) == (600.0, 2, None)
    assert find_config_file(folder) is None


# The environment ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "setting", "variable"),
    [(provider, setting, name) for provider, names in ENVIRONMENT.items() for setting, name in names.items()],
)
def test_the_vendors_own_variables_are_read(
    provider: str, setting: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an empty one is none."""
    value = "http://host:1" if setting == "base_url" else "value"

    monkeypatch.setenv(variable, value)
    found = from_environment(provider)
    monkeypatch.setenv(variable, "")
    empty = from_environment(provider)

    assert (found, empty) == ({setting: value}, {})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("10.0.0.1", "http://10.0.0.1:11434"),
        ("gpu-box", "http://gpu-box:11434"),
        (":8080", "http://127.0.0.1:8080"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("http://gpu-box", "http://gpu-box"),
        ("https://ollama.example/api/", "https://ollama.example/api"),
    ],
)
def test_ollamas_host_may_leave_parts_out(host: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ollama's own tools read it: without a scheme, the port is 11434 unless it says another."""
    monkeypatch.setenv("OLLAMA_HOST", host)

    assert load_settings("ollama", {}).base_url == url


# Values -----------------------------------------------------------------------------------------------


GOOD: dict[str, tuple[dict[str, Any], Settings]] = {
    "one stop": ({"stop": "END"}, Settings(stop=("END",))),
    "several stops": ({"stop": ["a", "b"]}, Settings(stop=("a", "b"))),
    "numbers as the environment writes them": ({"temperature": "0.5"}, Settings(temperature=0.5)),
    "a slash too many": ({"base_url": "https://h/v1/"}, Settings(base_url="https://h/v1")),
    "the edges": (
        {"temperature": 2, "top_p": 1, "max_retries": 20},
        Settings(temperature=2.0, top_p=1.0, max_retries=20),
    ),
    "an empty key is none": ({"api_key": ""}, Settings(api_key="")),
}


@pytest.mark.parametrize(("arguments", "settings"), GOOD.values(), ids=GOOD.keys())
def test_values_are_read_kindly(arguments: dict[str, Any], settings: Settings) -> None:
    assert load_settings("openai", arguments) == settings


def test_none_unsets_every_option_of_a_call() -> None:
    """As `bind(stop=None)` has it, for those too whose default is another than None."""
    assert Settings.model_validate(dict.fromkeys(OPTIONS)) == Settings()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"tempratur": 1}, "tempratur, from the arguments: unknown setting; known are api_key, "),
    "no time": ({"timeout_s": 0}, "timeout_s, from the arguments: .*greater than 0"),
    "too many": ({"max_retries": 21}, "max_retries, from the arguments: .*20"),
    "below zero": ({"max_retries": -1}, "max_retries, from the arguments: .*0"),
    "too hot": ({"temperature": 2.1}, "temperature, from the arguments: .*2"),
    "too likely": ({"top_p": 1.1}, "top_p, from the arguments: .*1"),
    "no tokens": ({"max_tokens": 0}, "max_tokens, from the arguments: .*greater than 0"),
    "no scheme": ({"base_url": "localhost:8080"}, r"base_url, from the arguments: .*not an http\(s\) URL"),
    "another scheme": ({"base_url": "ftp://host"}, r"base_url, .*not an http\(s\) URL"),
    "no host": ({"base_url": "http://"}, r"base_url, .*not an http\(s\) URL"),
    "credentials in the URL": ({"base_url": "http://me:pw@host"}, "base_url, .*put credentials into api_key"),
    "a key with its line end": ({"api_key": "k\n"}, "api_key, .*line break"),
    "a key with an umlaut": ({"api_key": "kü"}, "api_key, .*no HTTP header"),
    "a key with a space behind it": ({"api_key": "k "}, "api_key, .*white space"),
    "a key with its scheme": ({"api_key": "Bearer k"}, "api_key, .*white space"),
    "a key with a zero byte": ({"api_key": "k\0"}, "api_key, .*no HTTP header"),
    "two at once": ({"timeout_s": -1, "seed": "x"}, "timeout_s, .*; seed, "),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_a_wrong_setting_is_named_with_its_origin(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"openai: {message}"):
        load_settings("openai", arguments)


def test_the_origin_is_where_the_value_was_taken_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where another value of that name was overruled."""
    monkeypatch.setenv("OPENAI_BASE_URL", "nowhere")
    with pytest.raises(ConfigError, match="base_url, from the variable OPENAI_BASE_URL"):
        load_settings("openai", {})

    write(folder, '[providers.openai]\nbase_url = "elsewhere"\n')
    with pytest.raises(ConfigError, match=r"base_url, from tapeline\.toml"):
        load_settings("openai", {})

    assert load_settings("openai", {"base_url": "http://here"}).base_url == "http://here"


@pytest.mark.parametrize(
    "text",
    ["[providers.openai\n", "providers = 3\n", "[providers]\nopenai = 3\n", "[[providers.openai]]\n", "\0"],
)
def test_a_file_that_cannot_be_used_is_named(text: str, folder: Path) -> None:
    path = write(folder, text)

    with pytest.raises(ConfigError) as raised:
        load_settings("openai", {})

    assert raised.value.message.startswith(f"{path}: ")


def test_a_file_that_is_no_text_is_named(folder: Path) -> None:
    path = folder / "tapeline.toml"
    path.write_bytes(b"\xff\xfe[")

    with pytest.raises(ConfigError, match="cannot read it"):
        load_settings("openai", {})

    assert path.exists()


# Keys ----------------------------------------------------------------------------------------------------


def test_settings_cannot_be_changed_and_do_not_show_the_key() -> None:
    settings = load_settings("openai", {"api_key": CANARY})

    shown = (
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        json.dumps(settings.model_dump(mode="json")),
    )
    assert settings.key == CANARY
    assert [text for text in shown if CANARY in text] == []
    with pytest.raises(ValueError, match="frozen"):
        settings.timeout_s = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        f'[providers.openai]\napi_key = "{CANARY}\n',
        f'[providers.openai]\nx = "{CANARY}"\n',
        f'x = "{CANARY}" y\n',
    ],
)
def test_a_broken_file_does_not_give_away_its_key(text: str, folder: Path) -> None:
    write(folder, text)

    with pytest.raises(ConfigError) as raised:
        load_settings("openai", {})

    assert CANARY not in str(raised.value) + repr(raised.value.__cause__)


def test_a_missing_key_is_said_with_the_ways_to_give_it() -> None:
    """Unless the server is your own, which may want none."""
    with pytest.raises(ConfigError, match=r"set OPENAI_API_KEY, pass api_key=, or .* \[providers\.openai\]"):
        required_key(Settings(), "openai", is_own_route=False)

    assert required_key(Settings(api_key="k"), "openai", is_own_route=False) == "k"
    assert required_key(Settings(), "openai", is_own_route=True) == "not-needed"
    assert required_key(Settings(base_url="http://h"), "openai", is_own_route=False) == "not-needed"
