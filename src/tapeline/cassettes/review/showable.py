"""Values of a recording, made fit to be shown: without secrets, and no deeper than printing them can bear.

Cassettes of other tools may hold anything. Control characters are left to who prints to a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.secrets.redaction import masked, redacted
from tapeline.cassettes.secrets.secret_names import KEPT_HEADERS
from tapeline.types import Json

NESTING_LIMIT = 100
HIDDEN = "(not shown)"


def shown(interaction: Interaction) -> Interaction:
    """Return an interaction as it would be written today, and all its headers by name."""
    kept = redacted(interaction)
    request, response = interaction.request, interaction.response
    return Interaction(
        request=replace(kept.request, headers=dict(shown_headers(request.headers.items()))),
        response=replace(kept.response, headers=tuple(shown_headers(response.headers))),
    )


def shown_headers(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield headers; the values of those that no cassette of ours would hold are not shown."""
    for name, value in headers:
        yield name, masked(value) if KEPT_HEADERS.fullmatch(name.lower()) else HIDDEN


def shown_body(body: bytes) -> Json:
    """Return the JSON of a body, or its text; of what is neither, how long it is."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"({len(body):,} bytes that are no text)"
    try:
        return shown_value(json.loads(text))
    except (ValueError, RecursionError):
        return masked(text)


def shown_value(value: Json) -> Json:
    """Return a value without secrets, or a remark if setting it out would exhaust the stack.

    Value by value: in JSON, a line end before a secret is a letter, and hides where the secret begins.
    """
    return _masked_values(value) if _is_shallow(value) else "(nested too deeply to show)"


def _masked_values(value: Json) -> Json:
    if isinstance(value, dict):
        return {masked(key): _masked_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked_values(item) for item in value]
    return masked(value) if isinstance(value, str) else value


def _is_shallow(value: Json) -> bool:
    level: list[Json] = [value]
    for _ in range(NESTING_LIMIT):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return True
    return False


def _children(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
