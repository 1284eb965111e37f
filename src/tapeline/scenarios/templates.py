"""Variables in texts: `{{city}}` becomes the value of `city`, `{{"{{"}}` the text in quotes.

Values are put in as they are: braces inside a value are not looked at again, so that no value can bring in
another one. Nothing is computed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tapeline.errors import ConfigError

OPENING = "{{"
TEXT_CHARACTERS_LIMIT = 16 * 1024 * 1024
_PLACEHOLDER = re.compile(r'\{\{\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|"(?P<text>[^"]*)")\s*\}\}')


def names_in(value: Any) -> Iterator[str]:
    """Yield the names of the variables that the texts in a JSON value ask for."""
    for text in _texts(value):
        yield from (match["name"] for match in _PLACEHOLDER.finditer(text) if match["name"])


def has_placeholder(value: Any) -> bool:
    """Whether any text in a JSON value has something to fill in."""
    return any(OPENING in text for text in _texts(value))


def unreadable(value: Any) -> str | None:
    """Return the first text whose braces are no placeholder, or None."""
    return next((text for text in _texts(value) if OPENING in _PLACEHOLDER.sub("", text)), None)


def filled_text(text: str, variables: Mapping[str, Any]) -> str:
    """Return a text with its variables filled in.

    Raises KeyError for one that has no value, ConfigError if the text would get too long.
    """
    names = list(names_in(text))
    written = {name: _written(variables[name]) for name in dict.fromkeys(names)}
    refuse_length(len(text) + sum(len(written[name]) for name in names))
    return _PLACEHOLDER.sub(lambda match: written[match["name"]] if match["name"] else match["text"], text)


def refuse_length(characters: int) -> None:
    """Raise ConfigError for more than any model reads: a short file could stand for any amount of text."""
    if characters > TEXT_CHARACTERS_LIMIT:
        raise ConfigError(f"a text of {characters} characters, more than {TEXT_CHARACTERS_LIMIT}")


def filled(value: Any, variables: Mapping[str, Any]) -> Any:
    """Return a JSON value with the variables in its texts filled in.

    A text that is one placeholder and no more becomes the value itself, be it a number or a list.
    """
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        return variables[whole["name"]] if whole and whole["name"] else filled_text(value, variables)
    if isinstance(value, Mapping):
        return {key: filled(item, variables) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(item, variables) for item in value]
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
