"""Settings of a model: where each value comes from, and whether it is usable.

Precedence: arguments, then `tapeline.toml` (found from the working directory upwards), then the
environment. An error names the setting and its origin, never its value if that is secret.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from tapeline.errors import ConfigError
from tapeline.types import ReasoningEffort

CONFIG_FILE = "tapeline.toml"
VISIBLE = re.compile(r"[!-~]*")  # ASCII without white space and control characters: all that keys are made of

ENVIRONMENT: Mapping[str, Mapping[str, str]] = {
    "openai": {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_BASE_URL"},
    "openai-responses": {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_BASE_URL"},
    "anthropic": {"api_key": "ANTHROPIC_API_KEY", "base_url": "ANTHROPIC_BASE_URL"},
    "bedrock": {
        "api_key": "AWS_BEARER_TOKEN_BEDROCK",
        "base_url": "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        "region": "AWS_REGION",
    },
    "ollama": {"api_key": "OLLAMA_API_KEY", "base_url": "OLLAMA_HOST"},
}
"""Provider -> setting -> the variable that the vendor's own tools read."""


class Settings(BaseModel):
    """How to reach one provider. Durations are seconds.

    timeout_s bounds each silence, until the answer begins and then between its parts; deadline_s bounds a
    call with all its tries and waits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key: SecretStr | None = None
    base_url: str | None = None
    region: str | None = None
    timeout_s: float = Field(default=600.0, gt=0)
    deadline_s: float | None = Field(default=None, gt=0)
    max_retries: int = Field(default=2, ge=0, le=20)
    max_tokens: int | None = Field(default=None, gt=0)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    reasoning_effort: ReasoningEffort | None = None
    service_tier: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    extra: dict[str, Any] = Field(default_factory=dict)

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        """Refuse what the HTTP client would refuse later, quoting the header with the key in it."""
        secret = key.get_secret_value() if key else ""
        if set(secret) & set("\r\n"):
            raise ValueError("the key holds a line break; it was probably read from a file unstripped")
        if not VISIBLE.fullmatch(secret):
            raise ValueError("the key holds white space, or a character no HTTP header can: copy it again")
        return key

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("not an http(s) URL such as https://host/v1")
        if parts.username or parts.password:
            raise ValueError("put credentials into api_key, not into the URL")
        return url.rstrip("/")

    @field_validator("metadata", "extra", mode="before")
    @classmethod
    def _some_or_none(cls, fields: Any) -> Any:
        return {} if fields is None else fields

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_many(cls, stop: Any) -> Any:
        if stop is None:  # as the vendors' own APIs say it
            return ()
        return (stop,) if isinstance(stop, str) else stop

    @property
    def key(self) -> str | None:
        """The secret itself, for the carrier only."""
        return self.api_key.get_secret_value() if self.api_key else None


def load_settings(provider: str, arguments: Mapping[str, Any]) -> Settings:
    """Merge and validate the settings of `provider`. Raises ConfigError."""
    given = {name: value for name, value in arguments.items() if value is not None}
    merged = {**from_environment(provider), **from_file(provider), **given}
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        origin = found_settings(provider) | dict.fromkeys(given, "the arguments")
        raise ConfigError(f"{provider}: {_explained(error, origin)}") from None


def found_settings(provider: str) -> dict[str, str]:
    """Return which settings of a provider are found, and where: never their values. Raises ConfigError."""
    variables = ENVIRONMENT.get(provider, {})
    return {
        **{setting: f"the variable {variables[setting]}" for setting in from_environment(provider)},
        **dict.fromkeys(from_file(provider), CONFIG_FILE),
    }


def _explained(error: ValidationError, origin: Mapping[str, str]) -> str:
    problems = []
    for problem in error.errors(include_input=False, include_url=False):
        setting = str(problem["loc"][0]) if problem["loc"] else "settings"
        if problem["type"] == "extra_forbidden":
            known = ", ".join(sorted(Settings.model_fields))
            problems.append(f"{setting}, from {origin.get(setting)}: unknown setting; known are {known}")
        else:
            problems.append(f"{setting}, from {origin.get(setting, 'nowhere')}: {problem['msg']}")
    return "; ".join(problems)


def from_environment(provider: str) -> dict[str, str]:
    """Read the variables the vendor's own tools read; empty ones count as unset."""
    values = {setting: os.environ.get(name, "") for setting, name in ENVIRONMENT.get(provider, {}).items()}
    found = {setting: value for setting, value in values.items() if value}
    if provider == "ollama" and "base_url" in found:
        found["base_url"] = _ollama_url(found["base_url"])
    return found


def _ollama_url(host: str) -> str:
    """Return OLLAMA_HOST as a URL. It may be a bare host, port or both; the rest is Ollama's default."""
    if "://" in host:
        return host
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):  # no port: a name, or an IPv6 address in brackets
        name, port = host, "11434"
    return f"http://{name or '127.0.0.1'}:{port}"


def from_file(provider: str) -> dict[str, Any]:
    """Read the `[providers.NAME]` table of the nearest tapeline.toml. Raises ConfigError."""
    path = find_config_file(Path.cwd())
    if path is None:
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: cannot read it: {error}") from error
    providers = tables.get("providers", {})
    table = providers.get(provider, {}) if isinstance(providers, dict) else None
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: providers.{provider} must be a table")
    return table


def find_config_file(start: Path) -> Path | None:
    """Return the tapeline.toml of `start` or of its nearest parent."""
    return next(
        (path for folder in (start, *start.parents) if (path := folder / CONFIG_FILE).is_file()), None
    )


def required_key(settings: Settings, provider: str, *, is_own_route: bool) -> str:
    """Return the API key. A base_url or client of your own may need none, and gets a placeholder."""
    if settings.key is not None:
        return settings.key
    if is_own_route or settings.base_url is not None:
        return "not-needed"
    variable = ENVIRONMENT[provider]["api_key"]
    raise ConfigError(
        f"{provider}: no API key; set {variable}, pass api_key=, or put it under [providers.{provider}] "
        f"in {CONFIG_FILE}"
    )
