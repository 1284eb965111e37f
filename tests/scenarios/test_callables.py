"""Functions named by their dotted path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tapeline.errors import ConfigError
from tapeline.scenarios.callables import find_callable, wrong_path


@pytest.mark.parametrize(
    ("path", "is_wrong"),
    [
        ("a.b", False),
        ("a.b.c_1", False),
        ("a", True),
        ("a.", True),
        (".a.b", True),
        ("a b.c", True),
        ("a:b", True),
        ("a.b()", True),
        ("../a.b", True),
        (3, True),
    ],
)
def test_a_dotted_path_is_a_module_and_a_name(path: object, is_wrong: bool) -> None:
    assert (wrong_path(path) is not None) is is_wrong


def test_a_module_of_the_project_is_found(tmp_path: Path) -> None:
    """And the project's folder is not left on the path."""
    (tmp_path / "module_of_a_project.py").write_text("def check(text, context):\n    return True\n")
    before = list(sys.path)

    function = find_callable("module_of_a_project.check", tmp_path)

    assert function("x", None) is True
    assert sys.path == before


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("no_such_module_here.check", "no module no_such_module_here"),
        ("check_functions.no_such_function", "check_functions has no function no_such_function"),
        ("check_functions.NOT_CALLABLE", "has no function NOT_CALLABLE"),
        ("check_functions.is_a_coroutine", "a plain one is wanted"),
    ],
)
def test_what_cannot_be_called_is_refused(tmp_path: Path, path: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        find_callable(path, tmp_path)
