"""Documentation is true: its Python runs and prints what it says, its scenarios load."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
import yaml

from tapeline import registry
from tapeline.scenarios import Scenario

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[pytest.param]:
    """Return the fenced blocks of a language, named for their page and line."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{page.name}:{line}"))
    return found


@pytest.mark.parametrize("code", blocks("python"))
def test_python_prints_what_the_page_says(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment at the start of a line is the output of what stands above it."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(registry, "_PROVIDERS", dict(registry._PROVIDERS))  # pages may add to it
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<docs>", "exec"), {})

    said = [line.removeprefix("# ") for line in code.splitlines() if line.startswith("# ")]
    assert printed.getvalue().splitlines() == said


@pytest.mark.parametrize("text", blocks("yaml"))
def test_scenarios_load(text: str) -> None:
    assert Scenario.model_validate(yaml.safe_load(text)).targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (page.parent / link).exists(), link
