"""A YAML file read as data, of which every place is known: what errors in it can point to.

Safe loading only, no bombs: nesting is bounded, and so is what aliases would make of the file if they were
written out. A key that stands twice in one table is an error; YAML would take the last one in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tapeline.cassettes.storage.yaml_text import refuse_nesting
from tapeline.errors import ScenarioError

FILE_BYTES_LIMIT = 4 * 1024 * 1024
VALUES_LIMIT = 1_000_000

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file, and the nodes it was made of."""

    path: Path
    root: Any
    content: Any

    def where(self, steps: Iterable[str | int] = ()) -> str:
        """Return file:line:column of what the steps lead to, or of the last thing on the way there."""
        line, column = _place(self.root, steps)
        return f"{self.path}:{line}:{column}"

    def known_steps(self, steps: Iterable[str | int]) -> list[str | int]:
        """Return the steps that the file has, without those that only the reader of it made."""
        node, known = self.root, []
        for step in steps:
            below = _below(node, step)
            if below is not None:
                node = below[1]
                known.append(step)
        return known


def read_document(path: Path) -> Document:
    """Read a file. Raises ScenarioError, which starts with file:line:column."""
    try:
        if path.stat().st_size > FILE_BYTES_LIMIT:
            raise ScenarioError(f"{path}: larger than {FILE_BYTES_LIMIT} bytes")
        text = path.read_text(encoding="utf-8")
        refuse_nesting(text)
        root, content = _parsed(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot read it: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ScenarioError(f"{path}{_mark(error)}: {_problem(error)}") from error
    return Document(path, root, content)


def _parsed(text: str) -> tuple[Any, Any]:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, None
        _values_in(root, {})
        return root, loader.construct_document(root)
    finally:
        loader.dispose()


def _values_in(node: yaml.Node, counts: dict[int, int]) -> int:
    """Return how many values a node holds, aliases written out. Raises YAMLError for too many of them."""
    if id(node) in counts:
        return counts[id(node)]
    counts[id(node)] = VALUES_LIMIT + 1  # what an alias inside itself would add
    if isinstance(node, yaml.MappingNode):
        _refuse_twins(node)
        children = [child for pair in node.value for child in pair]
    else:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
    count = 1 + sum(_values_in(child, counts) for child in children)
    if count > VALUES_LIMIT:
        raise _error(f"more than {VALUES_LIMIT} values once its aliases are written out", node)
    counts[id(node)] = count
    return count


def _refuse_twins(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            raise _error(f"the key {key.value!r} stands here twice", key)
        seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))


def _error(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


# Places -------------------------------------------------------------------------------------------------


def _below(node: Any, step: str | int) -> tuple[Any, Any] | None:
    """Return (where it begins, what it is) for a step down from a node, or None if there is none."""
    if isinstance(node, yaml.MappingNode):
        pair = next(((key, value) for key, value in node.value if key.value == str(step)), None)
        return None if pair is None else (pair[0].start_mark, pair[1])
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark, node.value[step]
    return None


def _place(node: Any, steps: Iterable[str | int]) -> tuple[int, int]:
    mark = node.start_mark if node is not None else None
    for step in steps:
        if (below := _below(node, step)) is not None:  # else a step of the reader's own
            mark, node = below
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def _mark(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""


def _problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]
