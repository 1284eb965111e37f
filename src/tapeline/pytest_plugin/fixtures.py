"""The fixtures of the plugin, where pytest-recording is not installed.

What opens tapes is loaded for tests that have one: a run without any starts as quickly as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tapeline.clock import VirtualClock
from tapeline.pytest_plugin.keys import TAPED

if TYPE_CHECKING:
    from tapeline.cassettes.tape import Tape
    from tapeline.pytest_plugin.findings import TapedTest


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """A clock on which waiting takes no time; the tape of the test runs on it too."""
    return VirtualClock()


@pytest.fixture
def _tape_of_marked_test(request: pytest.FixtureRequest) -> Iterator[TapedTest | None]:
    if request.node.get_closest_marker("tape") is None:
        yield None
    else:
        yield from opened_tape(request)


@pytest.fixture
def tape(request: pytest.FixtureRequest, _tape_of_marked_test: TapedTest | None) -> Iterator[Tape]:
    """The tape of the test, opened for it if no marker has."""
    if _tape_of_marked_test is not None:
        yield _tape_of_marked_test.tape
    else:
        yield from (taped.tape for taped in opened_tape(request))


def opened_tape(request: pytest.FixtureRequest) -> Iterator[TapedTest]:
    """Yield a tape of ours for a test, once, as fixtures do."""
    from tapeline.pytest_plugin.taping import own_tape

    with own_tape(request) as taped:
        request.node.stash[TAPED] = taped
        yield taped
