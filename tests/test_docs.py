"""Documentation is true: its Python prints what it says, its scenarios load, its tables are the code's."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
import yaml

from tapeline import Audio, Capabilities, Document, ErrorCode, Image, LLMError, registry, user
from tapeline.client.options import OPTIONS
from tapeline.providers.anthropic import AnthropicCodec
from tapeline.providers.bedrock import BedrockCodec
from tapeline.providers.codec import Codec
from tapeline.providers.ollama import OllamaCodec
from tapeline.providers.openai import OpenAICodec
from tapeline.providers.openai_responses import OpenAIResponsesCodec
from tapeline.scenarios import Scenario
from tapeline.types import ChatRequest, Part

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


# Tables ---------------------------------------------------------------------------------------------

MODELS = {
    OpenAICodec(): ("anything", "gpt-4o", "o3"),
    OpenAIResponsesCodec(): ("anything", "gpt-4o", "o3"),
    AnthropicCodec(): ("anything", "claude-haiku-4-5", "claude-haiku-5-5"),
    BedrockCodec(): ("anything", "anthropic.claude-haiku-4-5-v1:0", "anthropic.claude-haiku-5-5"),
    OllamaCodec(): ("anything",),
}
"""Codec, in the order of the columns -> models that between them refuse all that any model of it does."""

MEDIA = {
    "`Image`, bytes": (Image(media_type="image/png", data=b"\x89PNG\r\n\x1a\n"),),
    "`Image`, URL": (Image.from_url("https://host/a.png"), Image.from_url("s3://bucket/a.png")),
    "`Document`, bytes": (
        Document(media_type="application/pdf", data=b"%PDF-"),
        Document(media_type="text/plain", data=b"Hello!"),
        Document(media_type="application/zip", data=b"PK"),
    ),
    "`Document`, URL": (Document.from_url("https://host/a.pdf"), Document.from_url("s3://bucket/a.pdf")),
    "`Audio`": (
        Audio(media_type="audio/wav", data=b"RIFF0000WAVE"),
        Audio(media_type="audio/ogg", data=b"OggS"),
        Audio.from_url("https://host/a.wav"),
    ),
}
"""Row -> examples that between them tell a yes from a yes with a condition."""

SAID_OTHERWISE = {"tool_choice", "extra"}
"""Options that are not in `Capabilities.refused`."""


def cells(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, row by row, without those that head it."""
    below = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """Return the rows of that table: each word in the first cell -> the other cells."""
    return {word: rest for first, *rest in cells(page, heading) for word in re.findall(r"`(\w+)`", first)}


def verdict(option: str, capabilities: list[Capabilities]) -> str:
    refusing = [option in known.refused for known in capabilities]
    return "no" if all(refusing) else "by model" if any(refusing) else "yes"


def test_the_table_of_options_is_that_of_the_capabilities() -> None:
    """A cell that says neither no nor by model is a yes, maybe with a condition."""
    table = rows("providers.md", "Options of a call")
    known = [[codec.capabilities(model) for model in models] for codec, models in MODELS.items()]

    said = {
        option: [cell if cell in ("no", "by model") else "yes" for cell in table[option]]
        for option in OPTIONS - SAID_OTHERWISE
    }

    assert said == {option: [verdict(option, models) for models in known] for option in said}
    assert table.keys() == OPTIONS - {"extra"}


def test_the_table_of_parts_is_that_of_the_codecs() -> None:
    """A cell that says neither yes nor no names a condition: some examples are taken, some are not."""
    table = {first: rest for first, *rest in cells("messages.md", "Parts")}

    said = {row: [cell if cell in ("yes", "no") else "some" for cell in table[row]] for row in MEDIA}

    assert said == {row: [taken(codec, media) for codec in MODELS] for row, media in MEDIA.items()}


def taken(codec: Codec, media: tuple[Part, ...]) -> str:
    verdicts = {is_taken(codec, part) for part in media}
    return "some" if len(verdicts) == 2 else "yes" if True in verdicts else "no"


def is_taken(codec: Codec, part: Part) -> bool:
    request = ChatRequest(model="anything", messages=(user(part),))
    try:
        codec.encode_request(request)
    except LLMError:
        return False
    return True


def test_every_error_code_is_explained() -> None:
    assert rows("errors.md", "Codes").keys() == set(ErrorCode)
