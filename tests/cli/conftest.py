"""The command line, run in an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Run, runner


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)  # wide, as into a pipe
    return runner(monkeypatch, capsys)
