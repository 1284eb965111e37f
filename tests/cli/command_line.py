"""The command line as a shell sees it, without a process: arguments in, exit code and both outputs out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tapeline.cli import main


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs `tapeline` with some arguments."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["tapeline", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return Ended(code or 0, *capsys.readouterr())

    return run


def assert_refused(ended: Ended, hint: str) -> None:
    """One message on standard error, exit code 2, no result and no traceback."""
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("tapeline: ")
    assert ended.err.count("tapeline: ") == 1
    assert hint in ended.err
    assert "Traceback" not in ended.err
