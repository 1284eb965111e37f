"""Cassettes without a test are told of, and only where all tests have been looked at."""

from __future__ import annotations

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
        (("-n2",), True),
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


def test_a_cassette_that_a_fixture_names_is_no_orphan(inner: Inner) -> None:
    """Nobody can tell before, but the test has opened it."""
    result = inner.run(
        """
    @pytest.fixture
    def default_cassette_name():
        return "chosen"

    @pytest.mark.vcr
    def test_it():
        ask()
    """,
        chosen=[recording()],
    )

    result.assert_outcomes(passed=1)
    assert "without a test" not in result.stdout.str()
