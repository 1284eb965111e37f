"""Snapshots of scenarios as YAML, one small file for each test: what syrupy is told about them."""

from __future__ import annotations

from typing import Any

import yaml
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from tapeline.cassettes.storage.yaml_text import emit, parse


class YamlSnapshotExtension(SingleFileSnapshotExtension):
    """Plain data as YAML, texts of several lines as blocks."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"

    def serialize(self, data: Any, **_: Any) -> str:
        """Return the text of some plain data. Its filters and matchers of syrupy's are not asked."""
        return emit(data)

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        """Whether both say the same: another emitter may fold or quote otherwise, and git end lines so."""
        if serialized_data == snapshot_data or not isinstance(snapshot_data, str):
            return bool(serialized_data == snapshot_data)
        return bool(_said(serialized_data) == _said(snapshot_data))


def _said(text: str) -> Any:
    try:
        return parse(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text  # somebody's edit: a difference to show, not an error of ours
