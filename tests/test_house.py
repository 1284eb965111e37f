"""House rules: imports go one way and never in a circle, pure rooms stay pure, tests mirror the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "tapeline"

RANKS = {
    **dict.fromkeys(("errors", "secret_shapes"), 0),
    **dict.fromkeys(("capabilities", "media", "types", "clock", "validation"), 1),
    "latency": 2,
    **dict.fromkeys(("providers", "policies", "http"), 3),
    **dict.fromkeys(("cassettes", "telemetry", "registry", "config", "structured", "tools", "disk_cache"), 4),
    **dict.fromkeys(("client", "server"), 5),
    **dict.fromkeys(("scenarios", "testing"), 6),
    "bench": 7,
    **dict.fromkeys(("pytest_plugin", "cli"), 8),
    "__main__": 9,
}
"""Room -> rank. A module imports only its own room or one of lower or equal rank, and no front door (8)."""

STRANGERS = {("client", "cassettes"), ("latency", "types")}
"""Rooms that must not know each other, though their ranks would allow it."""

KEEPERS = {
    "asyncio": {
        "clock",
        "http",
        "cassettes.interception.aiohttp_session",
        "cassettes.interception.backoff",
        "bench.runner",
        "testing",
    },
    "pytest": {"pytest_plugin", "scenarios.pytest_items", "testing"},
    "httpx2": {"http", "cassettes", "scenarios", "testing", "bench"},
    "httpcore2": {"http"},
    "socket": {"pytest_plugin.network"},
    "openai": {"http"},
    "anthropic": {"http"},
    "boto3": {"http"},
    "botocore": {"http", "cassettes"},
    "vcr": {"cassettes"},
    "filelock": {"cassettes.storage.locking"},
    "opentelemetry": {"telemetry", "testing"},
    "jsonschema": {"validation"},
}
"""Foreign package -> the only rooms and modules that may import it."""

TESTED_ELSEWHERE = {
    "providers.codec": "providers/test_every_codec.py",  # protocols: every codec is held against them
    # Two test files cannot have one name:
    "providers.errors": "providers/test_provider_errors.py",
    "scenarios.verdicts": "scenarios/test_scenario_verdicts.py",
    "cli.bench": "cli/test_bench_command.py",
    "cli.providers": "cli/test_providers_command.py",
    "cli.scenarios": "cli/test_scenarios_command.py",
    "cli.serve": "cli/test_serve_command.py",
    "tools": "test_tool_functions.py",
}
"""Module -> its tests, where they are not where they would be looked for."""


def modules(folder: Path = SOURCE) -> dict[str, str]:
    """All modules below the package, as their name in it -> their source. Its public face is left out."""
    paths = {path.relative_to(folder).with_suffix(""): path for path in folder.rglob("*.py")}
    names = {".".join(path.parts).removesuffix(".__init__"): path for path in paths}
    return {
        name: paths[path].read_text(encoding="utf-8") for name, path in names.items() if name != "__init__"
    }


parsed = cache(ast.parse)


def imports(tree: ast.AST) -> Iterator[str]:
    """All that a module imports at run time, functions included, as dotted names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from (name for branch in node.orelse for name in imports(branch))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)
        else:
            yield from imports(node)


def graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Module -> the modules of ours it imports; a name counts as the module it is taken from."""
    found: dict[str, set[str]] = {}
    for name, text in sources.items():
        ours = {i.removeprefix("tapeline.") for i in imports(parsed(text)) if i.startswith("tapeline.")}
        found[name] = {i if i in sources else i.rpartition(".")[0] or i for i in ours - {"__version__"}} - {
            name
        }
    return found


def room(module: str) -> str:
    return module.partition(".")[0]


def complaints(sources: Mapping[str, str]) -> list[str]:
    """What is wrong with the imports of these modules, a line each."""
    found = []
    house = graph(sources)
    for name, imported in house.items():
        for other in sorted(imported):
            here, there = RANKS.get(room(name), -1), RANKS.get(room(other), 99)
            is_own_room = room(name) == room(other)
            if not is_own_room and (
                there > here or here == there == 8 or (room(name), room(other)) in STRANGERS
            ):
                found.append(f"{name} must not import {other}")
    for name, text in sources.items():
        foreign = {i.partition(".")[0] for i in imports(parsed(text))} & KEEPERS.keys()
        found += [
            f"{name} must not import {i}" for i in sorted(foreign) if not {name, room(name)} & KEEPERS[i]
        ]
        found += [f"{name}: write imports in full" for i in imports(parsed(text)) if i.startswith(".")]
    try:
        TopologicalSorter(house).prepare()
    except CycleError as error:
        found.append(f"a circle: {' -> '.join(error.args[1])}")
    return found


def test_the_house_is_in_order() -> None:
    """Every room has its rank, and no module of ours breaks a rule."""
    sources = modules()

    assert {room(name) for name in sources} <= RANKS.keys()
    assert len(sources) > 40
    assert complaints(sources) == []


BAD = {
    "upwards": ({"latency.x": "import tapeline.client", "client": ""}, ["latency.x must not import client"]),
    "upwards in a function": (
        {"errors": "def f():\n    from tapeline.types import Reply", "types": ""},
        ["errors must not import types"],
    ),
    "a name of a package": (
        {"http.io": "from tapeline.cassettes import Tape", "cassettes": ""},
        ["http.io must not import cassettes"],
    ),
    "a module of a package": (
        {"http.io": "from tapeline.cassettes import tape", "cassettes.tape": ""},
        ["http.io must not import cassettes.tape"],
    ),
    "strangers": ({"client": "import tapeline.cassettes.tape"}, ["client must not import cassettes"]),
    "a front door": (
        {"cli.app": "import tapeline.pytest_plugin", "pytest_plugin": ""},
        ["cli.app must not import pytest_plugin"],
    ),
    "no such room": ({"utils": "import tapeline.errors"}, ["utils must not import errors"]),
    "asyncio in the core": ({"client": "import asyncio.locks"}, ["client must not import asyncio"]),
    "an SDK in a codec": (
        {"providers.openai": "def f():\n    from openai import OpenAI"},
        ["providers.openai must not import openai"],
    ),
    "relative": ({"client": "from .errors import LLMError"}, ["client: write imports in full"]),
    "a circle": (
        {
            "http.a": "import tapeline.http.b",
            "http.b": "def f():\n    from tapeline.http.a import x",
            "http": "",
        },
        ["a circle: http.a -> http.b -> http.a"],
    ),
}


@pytest.mark.parametrize(("sources", "expected"), BAD.values(), ids=BAD.keys())
def test_a_broken_rule_is_seen(sources: dict[str, str], expected: list[str]) -> None:
    """The test above can fail."""
    found = complaints(sources)

    assert [
        line.replace("http.b -> http.a -> http.b", "http.a -> http.b -> http.a") for line in found
    ] == expected


def test_what_only_type_checkers_see_is_no_import() -> None:
    source = "if TYPE_CHECKING:\n    import tapeline.client\nelse:\n    from tapeline import __version__"

    assert complaints({"errors": source}) == []


def test_tests_mirror_the_source() -> None:
    """Each module with code has a test file of its name, or its package has one; the rest is listed above."""
    untested = {
        name for name, text in modules().items() if has_code(text) and not any(map(is_there, homes(name)))
    }

    assert sorted(untested) == sorted(TESTED_ELSEWHERE)
    assert all(is_there(TESTS / path) for path in TESTED_ELSEWHERE.values())


def has_code(source: str) -> bool:
    return any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in ast.walk(parsed(source)))


def homes(module: str) -> Iterator[Path]:
    """Where the tests of a module may be: a.b.c -> a/b/test_c.py, a/test_b.py, test_a.py."""
    parts = module.split(".")
    for depth in range(len(parts), 0, -1):
        yield TESTS.joinpath(*parts[: depth - 1], f"test_{parts[depth - 1]}.py")


def is_there(path: Path) -> bool:
    return path.is_file()
