"""Interactions to test with: short to say, whole in what they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.latency.pacing import IncomingRequest, RecordedTimes
from tapeline.types import Json

URL = "http://model.test/v1/chat/completions"


def request(
    body: Json | bytes = None,
    *,
    method: str = "POST",
    url: str = URL,
    headers: Mapping[str, str] | None = None,
) -> IncomingRequest:
    """A request; a body that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return IncomingRequest(method=method, url=url, headers=headers or {}, body=b"" if body is None else data)


def response(
    *blocks: bytes,
    times: RecordedTimes | None = None,
    headers: Sequence[tuple[str, str]] = (),
    **facts: Any,
) -> RecordedResponse:
    """A response, in these blocks if `times` says so."""
    given = {"status": 200, "reason": "OK"} | facts
    return RecordedResponse(body=b"".join(blocks), headers=tuple(headers), times=times, **given)


def timed(*blocks: tuple[bytes, float], head_s: float = 0.0, **facts: Any) -> RecordedResponse:
    """A response whose blocks came at these seconds after the head."""
    times = RecordedTimes(head_s=head_s, blocks=tuple((len(data), at_s) for data, at_s in blocks))
    return response(*(data for data, _ in blocks), times=times, **facts)


def interaction(asked: IncomingRequest | None = None, answer: RecordedResponse | None = None) -> Interaction:
    return Interaction(request=asked or request(), response=answer or response(b"yes"))


def chat(prompt: str) -> dict[str, Json]:
    return {"model": "m", "messages": [{"role": "user", "content": prompt}]}


def answers(*pairs: tuple[Json, bytes]) -> list[Interaction]:
    """One interaction for each (body asked, body answered)."""
    return [interaction(request(asked), response(answer)) for asked, answer in pairs]
