"""Arguments: files are found or their absence is said, and progress stays out of the results."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tapeline.cli.cassette.arguments import before, chosen, each
from tapeline.errors import ConfigError


def test_the_current_folder_is_looked_at_if_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cassettes").mkdir()
    (tmp_path / "cassettes" / "a.yaml").touch()
    monkeypatch.chdir(tmp_path)

    assert chosen(None) == chosen([]) == [Path("cassettes/a.yaml")]


def test_where_there_are_none_it_says_where_it_looked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chosen([tmp_path]) == []
    assert tuple(capsys.readouterr()) == ("", f"no cassettes below {tmp_path}\n")


def test_progress_prints_nothing_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    paths = [Path("a"), Path("b")]

    assert list(each(paths, "reading")) == paths
    assert tuple(capsys.readouterr()) == ("", "")


def test_an_age_is_a_moment() -> None:
    moment, now = before("2d"), datetime.now(UTC)

    assert timedelta(days=2) <= now - moment < timedelta(days=2, minutes=1)
    with pytest.raises(ConfigError, match="such as 30d"):
        before("two days")
