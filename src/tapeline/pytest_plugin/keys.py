"""Where pytest keeps what belongs to a run and to a test. Light: every run of pytest loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tapeline.pytest_plugin.findings import TapedTest
    from tapeline.pytest_plugin.network import Blockade
    from tapeline.pytest_plugin.summary import Run

BLOCKADE: pytest.StashKey[Blockade] = pytest.StashKey()
RUN: pytest.StashKey[Run] = pytest.StashKey()
"""Only of a run in which a tape was opened."""
TAPED: pytest.StashKey[TapedTest] = pytest.StashKey()
PASSED: pytest.StashKey[bool] = pytest.StashKey()
