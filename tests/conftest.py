"""Every test starts on a machine that holds no key and no settings, and sees the same examples."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run, however slow the machine: a failure must come from a change.
settings.register_profile(
    "same everywhere",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("same everywhere")

PERSONAL = re.compile(r".*_API_KEY|.*_PROXY|(AWS|OLLAMA|OPENAI|ANTHROPIC|OTEL)_.*", re.IGNORECASE)


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, empty_folder: Path) -> None:
    """No keys, endpoints and proxies in the environment, no tapeline.toml and AWS files within reach."""
    for name in [name for name in os.environ if PERSONAL.fullmatch(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(empty_folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(empty_folder / "credentials"))
    monkeypatch.chdir(empty_folder)
