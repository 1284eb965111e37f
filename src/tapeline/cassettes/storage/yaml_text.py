"""YAML text as cassettes use it: read safely in one pass, written so that people can read it.

Reading refuses what is built to hurt: a tag that names code, nesting that would crash the parser, aliases
that multiply. Writing puts every text of several lines into a literal block, and gives no aliases.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial
from typing import Any

import yaml

NESTING_LIMIT = 100
EXPANDED_LIMIT = 64 * 1024 * 1024
"""Characters and values that a text may mean once every alias in it is written out."""

_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


# Reading ------------------------------------------------------------------------------------------------


def parse(text: str) -> Any:
    """Return what a text says; JSON is read as such, because YAML has no surrogate pairs.

    Raises ValueError, yaml.YAMLError or RecursionError for a text that is neither, or is meant to hurt.
    """
    is_json = text.startswith("{")
    content = json.loads(text) if is_json else _loaded(text)
    if is_json or "&" in text:  # no alias without an anchor
        _Expansion().refuse(content)
    return content


def _loaded(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except (KeyError, TypeError, AttributeError, IndexError) as error:  # PyYAML trusts tags, as in !!bool x
        raise ValueError(f"a value that is not what its tag says: {error}") from error


def refuse_nesting(text: str) -> None:
    """Raise ValueError for YAML nested deeper than any file of ours, without building what it says."""
    depth = 0
    for event in yaml.parse(text, Loader=_SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        _refuse_depth(depth)


class _Loader(_SafeLoader):  # type: ignore[misc]
    """A safe loader that counts how deep it is.

    PyYAML recurses in C: 40,000 open brackets crash the interpreter, half as many take a second. These two
    are all it calls back on the way down and up, and cost a tenth of a pass over the events.
    """

    _depth = 0

    def descend_resolver(self, parent: Any, index: Any) -> None:
        self._depth += 1
        _refuse_depth(self._depth)

    def ascend_resolver(self) -> None:
        self._depth -= 1

    def flatten_mapping(self, node: Any) -> None:
        """Refuse `<<`, which copies tables into tables: they multiply before anything can count them."""
        if any(key.tag == _MERGE for key, _ in node.value):
            raise ValueError("a table that takes in another one by `<<`")


_MERGE = "tag:yaml.org,2002:merge"


def _refuse_depth(depth: int) -> None:
    if depth > NESTING_LIMIT:
        raise ValueError(f"nested deeper than {NESTING_LIMIT} levels")


def _construct_file(loader: Any, node: Any) -> Any:
    state = loader.construct_mapping(node, deep=True).get("state") or [b""]
    return state[0]


def _construct_iterator(loader: Any, node: Any) -> bytes:
    [pieces] = loader.construct_mapping(node, deep=True)["args"]
    return b"".join(piece if isinstance(piece, bytes) else str(piece).encode("utf-8") for piece in pieces)


_PYTHON = "tag:yaml.org,2002:python"
for _tag, _constructor in {
    "/str": _SafeLoader.construct_scalar,
    "/unicode": _SafeLoader.construct_scalar,
    "/tuple": lambda loader, node: loader.construct_sequence(node, deep=True),
    "/object/new:_io.BytesIO": _construct_file,
    "/object/apply:builtins.iter": _construct_iterator,
}.items():
    _Loader.add_constructor(_PYTHON + _tag, _constructor)  # what vcrpy writes of some bodies: data, no code


class _Expansion:
    """How large and how deep a value is where everything shared is written out: "billion laughs"."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}

    def refuse(self, value: Any) -> tuple[int, int]:
        """Return size and depth of a value. Raises ValueError over either limit, or for a circle."""
        if not isinstance(value, (dict, list)):
            return (len(value) if isinstance(value, (str, bytes)) else 1), 0
        if id(value) not in self._known:
            self._known[id(value)] = EXPANDED_LIMIT + 1, 0  # what is met again inside itself is a circle
            self._known[id(value)] = self._measured(value)
        return self._known[id(value)]

    def _measured(self, value: dict[Any, Any] | list[Any]) -> tuple[int, int]:
        parts: Iterable[Any] = (*value.keys(), *value.values()) if isinstance(value, dict) else value
        sizes = [self.refuse(part) for part in parts]
        size = 1 + sum(size for size, _ in sizes)
        depth = 1 + max((depth for _, depth in sizes), default=0)
        _refuse_depth(depth)
        if size > EXPANDED_LIMIT:
            raise ValueError("aliases that stand for more than a cassette may hold")
        return size, depth


# Writing ------------------------------------------------------------------------------------------------


def emit(content: Any) -> str:
    """Return the text of some content. What it says is read back as equal content."""
    options: dict[str, Any] = {"sort_keys": False, "width": 2**30}
    stand_ins = _StandIns()
    try:
        dumper = partial(_Dumper, stand_ins=stand_ins)
        text = stand_ins.undone(str(yaml.dump(content, allow_unicode=True, Dumper=dumper, **options)))
        if text.endswith("\n...\n"):  # libyaml's sign that a block with open end came before
            text = text.removesuffix("...\n")
        if yaml.load(text, Loader=_SafeLoader) == content:
            return text
    except (LookupError, yaml.YAMLError):
        pass
    return str(yaml.dump(content, allow_unicode=False, Dumper=_PlainDumper, **options))


class _PlainDumper(_SafeDumper):  # type: ignore[misc]
    """A safe dumper without aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _StandIns:
    """Private-use characters in place of what libyaml takes to be unprintable, while it writes.

    It would escape every character beyond the basic plane, such as an emoji, and write no literal block that
    holds one, or a tab, or a space at the end of a line. Private-use characters that are meant have
    stand-ins as well.
    """

    _FIRST, _LAST = 0xE000, 0xF8FF
    _PRIVATE = re.compile("[\ue000-\uf8ff]")
    _RARE = re.compile("[\ue000-\uf8ff\U00010000-\U0010ffff]")
    _RARE_IN_BLOCKS = re.compile(_RARE.pattern + "|\t| (?=\n|\\Z)")

    def __init__(self) -> None:
        self._of: dict[str, str] = {}
        self._meant: dict[str, str] = {}

    def in_line(self, text: str) -> str:
        """Return a text with stand-ins. Raises LookupError where there are too few."""
        return text if text.isascii() else self._RARE.sub(lambda found: self._stand_in(found[0]), text)

    def in_block(self, text: str) -> str:
        """Return a text with stand-ins that a literal block needs as well."""
        is_plain = text.isascii() and "\t" not in text and " \n" not in text and text[-1:] != " "
        return text if is_plain else self._RARE_IN_BLOCKS.sub(lambda found: self._stand_in(found[0]), text)

    def undone(self, text: str) -> str:
        return self._PRIVATE.sub(lambda found: self._meant[found[0]], text) if self._meant else text

    def _stand_in(self, character: str) -> str:
        if character not in self._of:
            code = self._FIRST + len(self._of)
            if code > self._LAST:
                raise LookupError("more rare characters than private ones")
            self._of[character] = chr(code)
            self._meant[chr(code)] = character
        return self._of[character]


class _Dumper(_PlainDumper):
    """A dumper that writes text of several lines as a literal block."""

    def __init__(self, *args: Any, stand_ins: _StandIns, **options: Any) -> None:
        super().__init__(*args, **options)
        self.stand_ins = stand_ins


_TEXT = "tag:yaml.org,2002:str"
_BENT = re.compile("[\x85\u2028\u2029\ufeff]")
"""Characters that break lines, or vanish, for some readers of YAML: a text that holds one is escaped."""
_FIT_FOR_A_BLOCK = re.compile(r"[^ \t\n].*\n", re.DOTALL)


def _represent_text(dumper: Any, text: str) -> Any:
    is_bent = not text.isascii() and _BENT.search(text)
    if "\n" in text and _FIT_FOR_A_BLOCK.match(text) and not is_bent:
        return dumper.represent_scalar(_TEXT, dumper.stand_ins.in_block(text), style="|")
    return dumper.represent_scalar(_TEXT, dumper.stand_ins.in_line(text), style='"' if is_bent else None)


_Dumper.add_representer(str, _represent_text)
