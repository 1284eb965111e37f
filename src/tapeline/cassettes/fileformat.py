"""Cassette files: vcrpy's format version 1, read safely and written whole or not at all.

What vcrpy does not know (times, provenance) stands inside `response`, where it keeps extra keys; stock
vcrpy and pytest-recording replay these files. Streams and other text of several lines are literal blocks.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tapeline.cassettes.interaction import (
    Interaction,
    RecordedResponse,
    decode_times,
    encode_times,
)
from tapeline.cassettes.redaction import redacted, refuse_secrets
from tapeline.errors import InvalidCassetteError
from tapeline.latency.pacing import IncomingRequest

FORMAT_VERSION = 1
FILE_BYTES_LIMIT = 64 * 1024 * 1024
NESTING_LIMIT = 100

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


# Reading ------------------------------------------------------------------------------------------------


def load(path: Path) -> list[Interaction]:
    """Read a cassette. Raises InvalidCassetteError, which names the file and the interaction."""
    try:
        if path.stat().st_size > FILE_BYTES_LIMIT:
            raise InvalidCassetteError(f"{path}: larger than {FILE_BYTES_LIMIT} bytes")
        text = path.read_text(encoding="utf-8")
        refuse_nesting(text)
        content = yaml.load(text, Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCassetteError(f"{path}: cannot read it: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidCassetteError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not isinstance(content.get("interactions"), list):
        raise InvalidCassetteError(f"{path}: not a cassette: it has no list of interactions")
    return [
        _interaction(item, f"{path}: interaction {n}") for n, item in enumerate(content["interactions"], 1)
    ]


def refuse_nesting(text: str) -> None:
    """Raise ValueError for YAML nested deeper than any file of ours.

    PyYAML recurses in C: 40,000 open brackets crash the interpreter, half as many take a second.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > NESTING_LIMIT:
            raise ValueError(f"nested deeper than {NESTING_LIMIT} levels")


def _interaction(item: Any, where: str) -> Interaction:
    try:
        return interaction_of(item["request"], item["response"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidCassetteError(f"{where}: {type(error).__name__}: {error}") from error


def interaction_of(request: dict[str, Any], response: dict[str, Any]) -> Interaction:
    """Build an interaction from the two dicts of the format.

    Raises KeyError, TypeError, ValueError, AttributeError or OverflowError for what is not of that form.
    """
    body = _bytes(response["body"].get("string"))
    timing = response.get("timing")
    return Interaction(
        request=IncomingRequest(
            method=_checked(request["method"], str),
            url=_checked(request["uri"], str),
            headers={name.lower(): _text(_first(value)) for name, value in _headers(request)},
            body=_bytes(request.get("body")),
        ),
        response=RecordedResponse(
            status=int(response["status"]["code"]),
            reason=_checked(response["status"].get("message") or "", str),
            headers=tuple(
                (name, _text(value))
                for name, values in _headers(response)
                for value in (values if isinstance(values, list) else [values])
            ),
            body=body,
            times=decode_times(timing, len(body)) if timing else None,
            meta=_checked(response.get("meta") or {}, dict),
            is_cut=bool(response.get("is_cut")),
        ),
    )


def _checked(value: Any, wanted: type) -> Any:
    if not isinstance(value, wanted):
        raise TypeError(f"{type(value).__name__} where {wanted.__name__} is wanted")
    return value


def _headers(part: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(_checked(name, str), value) for name, value in (part.get("headers") or {}).items()]


def _bytes(body: Any) -> bytes:
    if isinstance(body, dict):  # what some older writers did to request bodies
        body = body.get("string")
    return body if isinstance(body, bytes) else (body or "").encode("utf-8")


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


# Writing ------------------------------------------------------------------------------------------------


def save(path: Path, interactions: Sequence[Interaction]) -> None:
    """Write a cassette: redacted, checked for secrets, and replaced in one step.

    Raises CassetteError if something in it still looks like a secret; the old file is then untouched.
    """
    kept = [redacted(interaction) for interaction in interactions]
    text = dump(kept)
    refuse_secrets(text, kept, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text)


def dump(interactions: Sequence[Interaction]) -> str:
    """Return the text of a cassette file. What it says loads back as the same interactions."""
    content = {
        "version": FORMAT_VERSION,
        "interactions": [
            {"request": request_dict(item), "response": response_dict(item)} for item in interactions
        ],
    }
    options: dict[str, Any] = {"sort_keys": False, "width": 2**30, "Dumper": _Dumper}
    text = str(yaml.dump(content, allow_unicode=True, **options))
    if yaml.load(text, Loader=_Loader) == content:
        return text
    # Some emitters bend rare characters (U+0085 becomes a space): escape everything then.
    return str(yaml.dump(content, allow_unicode=False, **options))


def request_dict(interaction: Interaction) -> dict[str, Any]:
    """Return the request in vcrpy's form: these four keys, and no other."""
    request = interaction.request
    return {
        "method": request.method,
        "uri": request.url,
        "body": _str_or_bytes(request.body) if request.body else None,
        "headers": {name: [value] for name, value in request.headers.items()},
    }


def response_dict(interaction: Interaction) -> dict[str, Any]:
    """Return the response in vcrpy's form, with what only tapeline reads after it."""
    response = interaction.response
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name, []).append(value)
    wire: dict[str, Any] = {
        "status": {"code": response.status, "message": response.reason},
        "headers": headers,
        "body": {"string": _str_or_bytes(response.body)},
    }
    if response.times is not None:
        wire["timing"] = encode_times(response.times)
    if response.meta:
        wire["meta"] = dict(response.meta)
    return wire | ({"is_cut": True} if response.is_cut else {})


def _str_or_bytes(body: bytes) -> str | bytes:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body


def replace_file(path: Path, text: str) -> None:
    """Replace a file in one step: readers see the old text or the new one, never half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tapeline-")  # the name may be 255 long
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """A safe dumper that writes text of several lines as a literal block, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_LITERAL = re.compile(r"[^ \n].*\n", re.DOTALL)


def _represent_text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text and _LITERAL.match(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
