"""The public face: what `import tapeline` offers, and what it costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import tapeline

HEAVY = [
    "anthropic",
    "asyncio",
    "boto3",
    "botocore",
    "genai_prices",
    "httpx2",
    "msgspec",
    "openai",
    "opentelemetry.sdk",
    "pydantic",
    "pytest",
    "rich",
    "tapeline.bench",
    "tapeline.cassettes",
    "typer",
    "vcr",
]


def loaded_after(code: str) -> set[str]:
    """Run code in a fresh interpreter and return which heavy modules it has loaded."""
    script = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout)) & set(HEAVY)


def ruffs_order(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then the rest, as ruff's RUF022 sorts."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_all_is_sorted_and_is_the_lazy_table() -> None:
    assert tapeline.__all__ == sorted(tapeline.__all__, key=ruffs_order)
    assert set(tapeline.__all__) == tapeline._HOME_OF.keys()


def test_type_checkers_see_the_same_table() -> None:
    """Imports under TYPE_CHECKING are from where the names are loaded at run time."""
    tree = ast.parse(Path(tapeline.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]

    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert seen == tapeline._HOME_OF


@pytest.mark.parametrize("name", tapeline.__all__)
def test_every_name_is_there(name: str) -> None:
    """And is the one of its home, documented."""
    value: Any = getattr(tapeline, name)

    assert value is getattr(import_module(tapeline._HOME_OF[name]), name)
    assert value.__doc__


def test_dir_lists_the_names_and_no_more() -> None:
    assert dir(tapeline) == sorted(tapeline.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tapeline' has no attribute 'nonsense'"):
        _ = tapeline.nonsense
    assert not hasattr(tapeline, "chat_modle")


def test_star_import_brings_what_is_listed() -> None:
    names: dict[str, Any] = {}

    exec("from tapeline import *", names)

    assert names.keys() - {"__builtins__"} == set(tapeline.__all__)


def test_importing_loads_nothing() -> None:
    assert loaded_after("import tapeline") == set()


def test_starting_pytest_loads_no_tapes() -> None:
    """Every run of a project that has us installed pays for what the plugin imports."""
    loaded = loaded_after("import pytest, tapeline.pytest_plugin")

    assert loaded & {"httpx2", "openai", "pydantic", "tapeline.cassettes", "vcr"} == set()


def test_an_sdk_is_loaded_by_the_first_call_not_before() -> None:
    """Nor by an error before it."""
    code = """
import tapeline
openai = tapeline.chat_model("openai:x", api_key="k")
anthropic = tapeline.chat_model("anthropic:x", api_key="k").bind(temperature=0.5)
openai.stream("hi"), openai.close()
try:
    openai.generate("hi", temperature=9)
except tapeline.ConfigError:
    pass
"""
    assert (
        loaded_after(code) & {"openai", "anthropic", "boto3", "botocore", "tapeline.bench", "vcr", "pytest"}
        == set()
    )


def test_a_call_needs_no_telemetry_sdk() -> None:
    """Without one, calls are made and measured into nothing; the mock loads no vendor's SDK either."""
    code = """
import asyncio, tapeline
model = tapeline.chat_model("mock:echo")
assert model.generate("hi").text == "hi"
with model.stream("a b") as stream:
    assert [chunk.text for chunk in stream] == ["a ", "b", "", ""]
assert asyncio.run(model.agenerate("hi")).text == "hi"
"""
    unwanted = {"openai", "anthropic", "boto3", "opentelemetry.sdk", "genai_prices", "vcr", "tapeline.bench"}
    assert loaded_after(code) & unwanted == set()


def test_errors_are_caught_by_their_public_name() -> None:
    with pytest.raises(tapeline.LLMError) as raised:
        tapeline.chat_model("nobody:m")

    assert raised.value.code is tapeline.ErrorCode.UNSUPPORTED_PROVIDER
