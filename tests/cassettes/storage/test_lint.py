"""Lint: everything that is wrong with a file, errors first, and nothing for one that is fine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from recordings import chat, interaction, request, response, timed

from tapeline.cassettes.storage.fileformat import save
from tapeline.cassettes.storage.lint import Finding, lint
from tapeline.providers.eventstream import encode_event

META = {"recorded_at": "2026-11-25T08:00:00+00:00"}
EVENT_STREAM = [("content-type", "application/vnd.amazon.eventstream")]
FRAME = encode_event("messageStop", b"{}")
SECRET = "sk-ant-api03-" + "Ab1" * 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassette.yaml"


@pytest.fixture
def content(path: Path) -> dict[str, Any]:
    """A cassette that is fine: plain, streamed in frames, and with a side file."""
    types = {"content-type": "application/json"}
    save(
        path,
        [
            interaction(request(chat("hi"), headers=types), timed((b"yes", 0.1), meta=META)),
            interaction(answer=response(FRAME, headers=EVENT_STREAM, meta=META)),
            interaction(answer=response(b"\xff" * 70_000, meta=META)),
        ],
    )
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def linted(path: Path, content: dict[str, Any]) -> list[Finding]:
    path.write_text(yaml.safe_dump(content))
    return lint(path)


def test_a_file_of_ours_is_fine(path: Path, content: dict[str, Any]) -> None:
    assert lint(path) == []
    assert linted(path, content) == []


FINDINGS: dict[str, tuple[dict[str, Any], Finding]] = {
    "a key vcrpy cannot load": (
        {"0.request.timing": "soon"},
        Finding(
            "error", "interaction 1", "vcrpy cannot load a request with timing: only a response may hold more"
        ),
    ),
    "no message": (
        {"0.response.status": {"code": 200}},
        Finding(
            "error", "interaction 1", "vcrpy cannot replay a response without status.message; it may be empty"
        ),
    ),
    "no body": (
        {"0.response.body": {}, "0.response.timing": None},
        Finding(
            "error", "interaction 1", "vcrpy cannot replay a response without body.string; it may be empty"
        ),
    ),
    "frames of another body": (
        {"1.response.body.frames": "messageStop {}\nmessageStop {}\n"},
        Finding(
            "error", "interaction 2", "body.frames is not what body.string says; only body.string is replayed"
        ),
    ),
    "times of another body": (
        {"0.response.body": {"string": "no"}},
        Finding(
            "warning",
            "interaction 1",
            "timing does not fit the body, and is ignored: record it again, or remove it",
        ),
    ),
    "a style nobody knows": (
        {"0.response.style": {"request": "loose"}},
        Finding("error", "interaction 1", "cannot be read: ValueError: unknown style 'loose'"),
    ),
    "a length of another body": (
        {"0.response.headers": {"content-length": ["7"]}},
        Finding("error", "interaction 1", "the header content-length says 7, and body.string has 3 bytes"),
    ),
    "an encoding of another body": (
        {"0.response.headers": {"content-encoding": ["gzip"]}},
        Finding("warning", "interaction 1", "the header content-encoding says gzip: "),
    ),
    "a header that is not kept": (
        {"0.response.headers": {"x-powered-by": ["PHP"]}},
        Finding(
            "warning",
            "interaction 1",
            "it holds what is not written any more (headers x-powered-by): migrate or scrub the cassette",
        ),
    ),
    "a secret": (
        {"0.response.body": {"string": SECRET}, "0.response.timing": None},
        Finding("error", "", "it would not be written today: "),
    ),
    "no date": (
        {"1.response.meta": {}},
        Finding("warning", "", "no meta.recorded_at in 1 of 3: nobody can tell how old it is"),
    ),
    "a parsed body": (
        {"0.response.parsed_body": {}},
        Finding("error", "interaction 1", "cannot be read: ValueError: bodies that another tool has parsed"),
    ),
    "no interaction": ({"0": "hello"}, Finding("error", "interaction 1", "cannot be read: TypeError")),
}


@pytest.mark.parametrize(("changes", "finding"), FINDINGS.values(), ids=FINDINGS.keys())
def test_what_is_wrong_is_found(
    changes: dict[str, Any], finding: Finding, path: Path, content: dict[str, Any]
) -> None:
    for place, value in changes.items():
        *above, last = [int(step) if step.isdigit() else step for step in place.split(".")]
        table: Any = content["interactions"]
        for step in above:
            table = table[step]
        table[last] = value

    found = linted(path, content)

    assert any(
        (severity, place) == finding[:2] and message.startswith(finding.message)
        for severity, place, message in found
    ), found
    assert len(found) <= 2
    assert SECRET not in str(found)


def test_metadata_keeps_pytest_recording_from_loading_it(path: Path, content: dict[str, Any]) -> None:
    [found] = linted(path, content | {"metadata": {"team": "a"}})

    assert found == Finding(
        "warning", "", "pytest-recording cannot load a cassette with metadata: migrate it"
    )


def test_side_files_that_are_gone_or_left_over_are_found(path: Path, content: dict[str, Any]) -> None:
    folder = path.with_name("cassette.yaml.d")
    [side] = folder.iterdir()
    side.rename(folder / f"{'0' * 64}.bin")

    error, warning = lint(path)

    assert error.place == "interaction 3"
    assert "cannot read this side file" in error.message
    assert warning == Finding("warning", "", f"no interaction names the side file {'0' * 64}.bin: remove it")


@pytest.mark.parametrize("text", ["", "hello", "a: &a [*a]"], ids=["empty", "foreign", "a circle"])
def test_a_file_that_is_no_cassette_is_one_error(text: str, path: Path) -> None:
    path.write_text(text)

    [found] = lint(path)

    assert (found.severity, found.place) == ("error", "")
    assert str(path) in found.message


def test_errors_come_first(path: Path, content: dict[str, Any]) -> None:
    content["interactions"][0]["response"]["body"] = {"string": "no"}
    content["interactions"][2]["request"]["uri"] = None

    assert [finding.severity for finding in linted(path, content)] == ["error", "warning"]
