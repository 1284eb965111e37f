"""Which cassettes a project uses: those of its tests, of its scenarios, and those its code names.

Whatever cannot be known raises: a cassette must not seem unused because a test could not be collected.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tapeline.cassettes.review.inventory import project_files
from tapeline.errors import ConfigError

_SUFFIX = re.compile(r"\.ya?ml\b")
_NO_PATH = re.compile(r"[^\w.@+\-\[\]/]")
PATH_CHARACTERS = 300
LAST_LINES = 5
"""Of pytest's own words, where it fails: its summary."""


def collected_cassettes(arguments: Sequence[str], run: Any = subprocess.run) -> list[Path]:
    """Return the cassettes of all tests that pytest collects here. Raises ConfigError if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "cassettes.txt"
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
        command += [*_in_one_process(), "--cassette-list", str(target), *arguments]
        ended = run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0 or not target.exists():
            raise ConfigError(_why_not_collected(ended))
        return listed_cassettes(target)


def _in_one_process() -> list[str]:
    """Workers of xdist collect nothing here, and syrupy warns that it has not heard of them."""
    has_xdist = find_spec("xdist") and not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    return ["-n", "0"] if has_xdist else []


def _why_not_collected(ended: subprocess.CompletedProcess[str]) -> str:
    words = [*ended.stdout.splitlines(), *ended.stderr.splitlines()]
    said = " / ".join(line.strip() for line in words[-LAST_LINES:] if line.strip())
    return (
        "pytest could not collect the tests, so that what they use is not known. Run this where your tests "
        f"run, with --pytest-args for what they need, or give a list with --used. pytest said: {said}"
    )


def listed_cassettes(path: Path) -> list[Path]:
    """Return the paths in a file, one a line. Raises ConfigError if it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot read this list of cassettes: {error}") from error
    return [Path(line) for line in lines if line.strip()]


def scenario_cassettes(folder: Path) -> Iterator[Path]:
    """Yield the cassettes of all scenarios below a folder. Raises ScenarioError for one that is broken."""
    from tapeline.scenarios import load_scenario

    for path in project_files(folder, (".yaml",)):
        if path.absolute().parent.name == "scenarios":
            file = load_scenario(path)
            for case in file.cases():
                yield from (case.cassette(target) for target in case.scenario.targets)


def named_in_code(folder: Path) -> set[str]:
    """Return what the Python files below a folder name that could be a cassette, as they write it."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in project_files(folder, (".py",)))
    return {name for text in texts for name in _named_in(text)}


def _named_in(text: str) -> Iterator[str]:
    """Yield what could be a path before each suffix. Not by one pattern, which would take time squared."""
    for suffix in _SUFFIX.finditer(text):
        before = text[max(0, suffix.start() - PATH_CHARACTERS) : suffix.start()]
        yield _NO_PATH.split(before)[-1].removeprefix("./") + suffix[0]


def unused(found: Iterable[Path], *, used: Iterable[Path], named: set[str]) -> list[Path]:
    """Return the cassettes that are not among the used ones, and that no code names."""
    known = {path.resolve() for path in used}
    return [path for path in found if (real := path.resolve()) not in known and not _is_named(real, named)]


def _is_named(path: Path, named: set[str]) -> bool:
    parts = path.parts
    return any("/".join(parts[start:]) in named for start in range(1, len(parts)))
