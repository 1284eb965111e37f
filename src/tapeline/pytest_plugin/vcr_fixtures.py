"""The fixtures of the plugin on top of pytest-recording's.

It opens the cassettes of tests that are marked `vcr`; we play them and record into them. Two of its own
fixtures are replaced: of a record mode it may know only what does no harm, and its names may collide.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tapeline.pytest_plugin import naming, settings
from tapeline.pytest_plugin.fixtures import opened_tape, virtual_clock
from tapeline.pytest_plugin.keys import BLOCKADE, TAPED

if TYPE_CHECKING:
    from tapeline.cassettes.tape import Tape
    from tapeline.pytest_plugin.findings import TapedTest

__all__ = ["default_cassette_name", "record_mode", "tape", "virtual_clock"]


@pytest.fixture(scope="session")
def record_mode(request: pytest.FixtureRequest) -> str:
    """What pytest-recording may know: it would delete the old file first, and cannot verify."""
    mode = settings.record_mode(request.config)
    return {"rewrite": "all", "verify": "none"}.get(mode, mode)


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest, vcr_cassette_dir: str) -> str:
    """The name of the test's cassette, which no other test shares."""
    marker = request.node.get_closest_marker("default_cassette")
    return str(marker.args[0]) if marker else naming.known_name(request.node, Path(vcr_cassette_dir))


@pytest.fixture
def _tape_of_marked_test(
    request: pytest.FixtureRequest, vcr: Any, disable_recording: bool, allowed_hosts: list[str] | None
) -> Iterator[TapedTest | None]:
    with request.config.stash[BLOCKADE].allowing(allowed_hosts or ()):
        if disable_recording:
            yield None
        elif vcr is not None:
            yield from _bridged_tape(request, vcr)
        elif request.node.get_closest_marker("tape") is not None:
            yield from opened_tape(request)
        else:
            yield None


@pytest.fixture
def tape(
    request: pytest.FixtureRequest, _tape_of_marked_test: TapedTest | None, disable_recording: bool
) -> Iterator[Tape | None]:
    """The tape of the test, opened for it if no marker has; None under --disable-recording."""
    if _tape_of_marked_test is not None:
        yield _tape_of_marked_test.tape
    elif disable_recording:
        yield None
    else:
        yield from (taped.tape for taped in opened_tape(request))


def _bridged_tape(request: pytest.FixtureRequest, cassette: Any) -> Iterator[TapedTest]:
    from tapeline.pytest_plugin.taping import bridged_tape

    with bridged_tape(request, cassette) as taped:
        request.node.stash[TAPED] = taped
        yield taped
