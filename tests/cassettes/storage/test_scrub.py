"""Scrubbing: a cassette written without care loses its secrets, and a report says which kinds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from recordings import interaction, response

from tapeline.cassettes.storage.fileformat import load, save
from tapeline.cassettes.storage.scrub import scrub
from tapeline.cassettes.storage.side_files import SideFiles
from tapeline.errors import CassetteError, InvalidCassetteError

CANARY = "canary-0123456789"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/x"

CARELESS = {
    "version": 1,
    "interactions": [
        {
            "request": {
                "method": "POST",
                "uri": f"http://me:{CANARY}@model.test/v1?key={CANARY}&page=2",
                "headers": {"Authorization": [f"Bearer {CANARY}"], "Content-Type": ["application/json"]},
                "body": f'{{"password": "hunter2", "profile": "{ARN}", "text": "it is {CANARY}"}}',
            },
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {"Set-Cookie": [f"a={CANARY}-1", f"b={CANARY}-2"], "Content-Type": ["text/plain"]},
                "body": {"string": f"org-AbCdEfGhIjKlMnOp12345678 is {CANARY}-1"},
            },
        }
    ],
}

BLANKED = {
    "account in a request body": 1,
    "credentials of the URL": 1,
    "field password in a request body": 1,
    "organization or project in a response body": 1,
    "query key key": 1,
    "request header authorization": 1,
    "response header set-cookie": 2,
    "secret in a request body": 1,
    "secret in a response body": 1,
}


@pytest.fixture
def careless(tmp_path: Path) -> Path:
    path = tmp_path / "cassette.yaml"
    path.write_text(yaml.safe_dump(CARELESS))
    return path


def test_a_cassette_is_scrubbed_in_place(careless: Path) -> None:
    """It says what it has taken out, and answers as before."""
    report = scrub(careless)

    assert report.blanked == BLANKED
    assert report.total == 10
    assert report.is_written
    for secret in ("canary", "hunter2", "123456789012", "AbCdEf"):
        assert secret not in careless.read_text()
    assert load(careless)[0].request.url == "http://model.test/v1?page=2"


def test_a_report_says_no_value(careless: Path) -> None:
    assert "canary" not in repr(scrub(careless))


def test_a_dry_run_says_the_same_and_writes_nothing(careless: Path) -> None:
    before = careless.read_bytes()

    report = scrub(careless, is_dry_run=True)

    assert report.blanked == BLANKED
    assert not report.is_written
    assert careless.read_bytes() == before


def test_a_clean_cassette_is_not_touched(careless: Path) -> None:
    scrub(careless)
    os.utime(careless, (1, 1))

    report = scrub(careless)

    assert report.blanked == {}
    assert not report.is_written
    assert careless.stat().st_mtime == 1


def test_side_files_are_scrubbed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cassette.yaml"
    save(path, [interaction(answer=response(b"\xff" + bytes(70_000) + CANARY.encode()))])
    assert CANARY.encode() in _side_file(path)

    monkeypatch.setenv("ACME_API_KEY", CANARY)
    report = scrub(path)

    assert report.blanked == {"secret in a response body": 1}
    assert CANARY.encode() not in _side_file(path)


def _side_file(path: Path) -> bytes:
    [file] = SideFiles(path).folder.iterdir()
    return file.read_bytes()


@pytest.mark.parametrize("is_dry_run", [True, False])
def test_what_is_only_suspected_stays_and_is_named(careless: Path, is_dry_run: bool) -> None:
    careless.write_text(careless.read_text().replace("is canary", f"is ghp_{'a1' * 18} canary"))
    before = careless.read_bytes()

    with pytest.raises(CassetteError, match="looks as if it held a GitHub token"):
        scrub(careless, is_dry_run=is_dry_run)

    assert careless.read_bytes() == before


def test_a_file_that_is_no_cassette_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: 1")

    with pytest.raises(InvalidCassetteError):
        scrub(tmp_path / "x.yaml")
