"""Telemetry that starts anew in every test, as it does in every process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from exported import Exported

from tapeline.clock import VirtualClock
from tapeline.telemetry.signals import signals


@pytest.fixture(autouse=True)
def fresh_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("CHUNKS", "EXCEPTIONS"):
        monkeypatch.delenv(f"TAPELINE_TELEMETRY_{name}", raising=False)
    signals.cache_clear()
    yield
    signals.cache_clear()


@pytest.fixture
def exporting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Exported]:
    """Start an SDK, with these environment variables; the rest is for `Exported`."""

    def start(environment: dict[str, str] | None = None, **options: Any) -> Exported:
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        exported = Exported(**options)
        exported.install(monkeypatch)
        return exported

    return start


@pytest.fixture
def exported(exporting: Callable[..., Exported]) -> Exported:
    """An SDK, and no wishes."""
    return exporting()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()
