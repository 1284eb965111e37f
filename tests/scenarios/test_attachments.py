"""Files that a scenario sends: those of its project, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.errors import ConfigError
from tapeline.media import Image
from tapeline.scenarios import attachments
from tapeline.scenarios.attachments import attachment, project_folder

PNG = b"\x89PNG\r\n\x1a\nrest"


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    """The folder of the scenarios of a project, beside which lies what is not the project's."""
    (tmp_path / "secret.png").write_bytes(PNG)
    folder = tmp_path / "project" / "scenarios"
    folder.mkdir(parents=True)
    (folder / "cat.png").write_bytes(PNG)
    (folder.parent / "dog.png").write_bytes(PNG)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "notes.png").write_text("not a picture")
    return folder


@pytest.mark.parametrize("source", ["cat.png", "../dog.png", "./../scenarios/cat.png"])
def test_a_file_of_the_project_is_read(scenarios: Path, source: str) -> None:
    assert attachment(Image, source, scenarios) == Image(media_type="image/png", data=PNG)


def test_a_url_is_left_to_the_provider() -> None:
    assert attachment(Image, "https://host/a.png", Path("nowhere")) == Image.from_url("https://host/a.png")


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("../../secret.png", "outside the project's folder"),
        ("/etc/hostname", "outside the project's folder"),
        ("link.png", "outside the project's folder"),
        ("mouse.png", "no such file"),
        (".", "no such file"),
        ("cat\0.png", "no such file"),
        ("file:///etc/hostname", "no such file"),
    ],
)
def test_no_other_file_is_read(scenarios: Path, source: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        attachment(Image, source, scenarios)


def test_a_file_that_is_no_picture_is_refused(scenarios: Path) -> None:
    (scenarios / "paper.png").write_bytes(b"%PDF-1.7")

    with pytest.raises(ConfigError, match=r"paper\.png"):
        attachment(Image, "paper.png", scenarios)


def test_a_huge_file_is_not_read(scenarios: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "FILE_BYTES_LIMIT", len(PNG) - 1)

    with pytest.raises(ConfigError, match="larger than"):
        attachment(Image, "cat.png", scenarios)


@pytest.mark.parametrize(("folder", "project"), [("a/scenarios", "a"), ("a/tests", "a/tests")])
def test_the_project_is_around_the_folder_of_scenarios(folder: str, project: str) -> None:
    assert project_folder(Path(folder)) == Path(project)
