"""The fixtures of the plugin, where pytest-recording is not installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tapeline.cassettes.tape import Tape
from tapeline.clock import VirtualClock
from tapeline.pytest_plugin.taping import TapedTest, noted, own_tape


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """A clock on which waiting takes no time; the tape of the test runs on it too."""
    return VirtualClock()


@pytest.fixture(autouse=True)
def _tape_of_marked_test(request: pytest.FixtureRequest) -> Iterator[TapedTest | None]:
    if request.node.get_closest_marker("tape") is None:
        yield None
        return
    with own_tape(request) as taped:
        yield noted(request.node, taped)


@pytest.fixture
def tape(request: pytest.FixtureRequest, _tape_of_marked_test: TapedTest | None) -> Iterator[Tape]:
    """The tape of the test, opened for it if no marker has."""
    if _tape_of_marked_test is not None:
        yield _tape_of_marked_test.tape
        return
    with own_tape(request) as taped:
        yield noted(request.node, taped).tape
