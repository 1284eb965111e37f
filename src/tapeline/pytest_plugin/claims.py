"""Which cassettes belong to which tests, and which to none: what renamed and deleted tests leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tapeline.pytest_plugin import naming, settings


def claimed(items: Iterable[pytest.Item]) -> set[Path]:
    """Return the files that tests may play, whether they exist or not."""
    return {path for item in items for path in _cassettes_of(item)}


NAMING_FIXTURES = ("default_cassette_name", "vcr_cassette_dir")
"""Of pytest-recording: where a project has its own, only a run tells which files it names."""


def _cassettes_of(item: pytest.Item) -> Iterator[Path]:
    folder = naming.cassette_folder(item)
    if any(_is_the_projects_own(item, name) for name in NAMING_FIXTURES):
        yield from item.path.parent.rglob("*.yaml")
    if (marker := item.get_closest_marker("default_cassette")) is not None:
        yield (folder / marker.args[0]).with_suffix(".yaml")
    for vcr in item.iter_markers("vcr"):
        yield from (folder / extra for extra in vcr.args)
    yield naming.cassette_path(item, settings.settings_of(item).path)


def _is_the_projects_own(item: pytest.Item, fixture: str) -> bool:
    definitions = item.session._fixturemanager.getfixturedefs(fixture, item) or ()
    return any(definition.baseid for definition in definitions)  # plugins have none


def unclaimed(items: Iterable[pytest.Item]) -> set[Path]:
    """Return the files in the cassette folders of these tests' modules that none of these tests may play.

    Of a run that collected all tests of its modules.
    """
    items = list(items)
    folders = {naming.cassette_folder(item) for item in items}
    found = {path for folder in folders if folder.is_dir() for path in folder.rglob("*.yaml")}
    return found - claimed(items) if found else set()


def collected_all(config: pytest.Config) -> bool:
    """Whether every test of every module that was looked at was collected."""
    is_chosen = any("::" in argument for argument in config.args)
    return not is_chosen and not any(config.getoption(name, False) for name in ("lf", "failedfirst"))
