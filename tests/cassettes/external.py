"""External recordings as interactions; without them, the tests that need some are skipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.latency.pacing import IncomingRequest

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "real-cassettes"
FILE_BYTES_MAX = 100_000
"""Larger files hold pictures, which are slow to load and say nothing more."""

FILES = sorted(path for path in RECORDINGS.glob("*/*.yaml") if path.stat().st_size < FILE_BYTES_MAX)

needs_recordings = pytest.mark.skipif(not FILES, reason="no external recordings here")


@cache
def recorded(path: Path) -> tuple[Interaction, ...]:
    """Return the interactions of a file, bodies that were parsed among them."""
    return tuple(_interactions(yaml.load(path.read_text(), yaml.CSafeLoader)["interactions"]))


def _interactions(items: list[dict[str, Any]]) -> Iterator[Interaction]:
    for item in items:
        request, response = item["request"], item["response"]
        yield Interaction(
            request=IncomingRequest(
                method=request["method"], url=request["uri"], headers={}, body=_body(request)
            ),
            response=RecordedResponse(
                status=response["status"]["code"],
                reason="",
                headers=tuple((name, _text(values[0])) for name, values in response["headers"].items()),
                body=_body(response),
            ),
        )


def _body(part: dict[str, Any]) -> bytes:
    if "parsed_body" in part:
        return json.dumps(part["parsed_body"]).encode()
    body = part["body"]
    text = body["string"] if isinstance(body, dict) else body
    return text if isinstance(text, bytes) else (text or "").encode()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
