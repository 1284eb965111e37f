"""Cassettes without a test are told of, and only where all tests have been looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from inner_pytest import BARE, Inner, recording

pytest_plugins = ["pytester"]

CODE = """
    @pytest.mark.tape
    def test_here():
        ask()

    @pytest.mark.vcr
    def test_there():
        ask()
"""


@pytest.mark.parametrize(
    ("arguments", "is_told"),
    [
        ((), True),
        (("test_it.py",), True),
        (("test_it.py::test_here", "test_it.py::test_there"), False),
        (("-k", "test_here"), False),
        pytest.param(("-n2",), True, marks=pytest.mark.slow),
    ],
)
def test_a_cassette_without_a_test_is_told_of(
    inner: Inner, arguments: tuple[str, ...], is_told: bool
) -> None:
    """What a renamed test leaves behind."""
    names = ("test_here", "test_there", "test_gone")
    inner.write(CODE, **{name: [recording()] for name in names})

    result = inner.pytester.runpytest_inprocess(*BARE, *arguments)

    told = "1 without a test, see `tapeline cassette orphans`: " + str(inner.cassette("test_gone"))
    assert (told in result.stdout.str()) is is_told


@pytest.mark.parametrize(
    "fixture",
    [
        'def default_cassette_name(): return "chosen"',
        'def vcr_cassette_dir(): return "cassettes/test_it/elsewhere"',
    ],
)
def test_a_project_may_name_its_cassettes_by_fixtures(inner: Inner, fixture: str, tmp_path: Path) -> None:
    """Nobody can tell which before a run: all below its tests are taken for used."""
    listed = tmp_path / "list.txt"
    chosen = "chosen" if "default" in fixture else "elsewhere/test_it"
    scope = "" if "default" in fixture else '(scope="module")'

    result = inner.run(
        f"""
    @pytest.fixture{scope}
    {fixture}

    @pytest.mark.vcr
    def test_it():
        ask()
    """,
        f"--cassette-list={listed}",
        **{chosen: [recording()]},
    )

    result.assert_outcomes(passed=1)
    assert "without a test" not in result.stdout.str()
    assert str(inner.cassette(chosen)) in listed.read_text().splitlines()
