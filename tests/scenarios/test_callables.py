"""Functions named by their dotted path: those of the project, and no others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tapeline.errors import ConfigError
from tapeline.scenarios.callables import find_callable, wrong_path

HERE = Path(__file__).parent


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


@pytest.mark.parametrize("place", ["module_of_a_project.py", "package_of_a_project/checks.py"])
def test_a_module_of_the_project_is_found(tmp_path: Path, place: str) -> None:
    """In a package without __init__.py too; and the project's folder is not left on the path."""
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("def check(text, context):\n    return True\n")
    before = list(sys.path)

    function = find_callable(f"{place.removesuffix('.py').replace('/', '.')}.check", tmp_path)

    assert function("x", None) is True
    assert sys.path == before


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("no_such_module_here.check", "no module no_such_module_here"),
        ("check_functions.no_such_function", "check_functions has no function no_such_function"),
        ("check_functions.NOT_CALLABLE", "has no function NOT_CALLABLE"),
        ("check_functions.is_a_coroutine", "a plain one is wanted"),
        ("check_functions.os.system", "no module check_functions.os"),
    ],
)
def test_what_cannot_be_called_is_refused(path: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        find_callable(path, HERE)


@pytest.mark.parametrize(
    "path", ["os.system", "subprocess.getoutput", "builtins.exec", "yaml.load", "sys.exit", "antigravity.fly"]
)
def test_a_function_of_anybody_else_is_refused_before_it_is_imported(path: str) -> None:
    """A scenario that names such a one would run what its recorded answers say."""
    with pytest.raises(ConfigError, match="is not part of the project"):
        find_callable(path, HERE)

    assert "antigravity" not in sys.modules


def test_a_module_that_cannot_be_imported_says_why(tmp_path: Path) -> None:
    (tmp_path / "module_with_a_mistake.py").write_text("1 / 0\n")

    with pytest.raises(
        ConfigError, match="importing module_with_a_mistake failed: ZeroDivisionError: division"
    ):
        find_callable("module_with_a_mistake.check", tmp_path)


def test_the_main_module_is_refused() -> None:
    with pytest.raises(ConfigError, match="__main__"):
        find_callable("__main__.run", HERE)


def test_what_is_installed_inside_the_project_is_not_its_own(tmp_path: Path) -> None:
    installed = tmp_path / ".venv" / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "module_that_was_installed.py").write_text("def check(text, context):\n    return True\n")
    sys.path.insert(0, str(installed))
    try:
        with pytest.raises(ConfigError, match="is not part of the project"):
            find_callable("module_that_was_installed.check", tmp_path)
    finally:
        sys.path.remove(str(installed))
