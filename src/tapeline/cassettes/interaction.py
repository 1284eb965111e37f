"""What a cassette holds: requests and the responses they got, with the times their bytes arrived.

Also how times and failures stand in a file, which people read and write.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from tapeline.latency.pacing import FailureKind, IncomingRequest, RecordedTimes, TransportFailure

TIMING_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedResponse:
    """A response as it came. is_cut: the client stopped reading before its end.

    failure: how the connection broke, if it did; status is 0 where that was before the head.
    meta: where it comes from (recorded_at, recorder, upstream, sdk). times: None in plain vcrpy files.
    """

    status: int
    reason: str = field(repr=False)  # what may be secret is in no repr: tracebacks show what was given
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    times: RecordedTimes | None = field(default=None, repr=False)
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_cut: bool = False
    failure: TransportFailure | None = None

    def blocks(self) -> list[bytes]:
        """Return the body in the blocks it arrived in."""
        if self.times is None:
            return [self.body] if self.body else []
        blocks, start = [], 0
        for size, _ in self.times.blocks:
            blocks.append(self.body[start : start + size])
            start += size
        return blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A request and its response."""

    request: IncomingRequest
    response: RecordedResponse


# Times as one short string ------------------------------------------------------------------------------


def encode_times(times: RecordedTimes) -> dict[str, Any]:
    """Return times as a cassette stores them: `{v: 1, head_ms: 54, chunks: "176+12 176+50"}`.

    One string, because a list of 500 pairs takes YAML 10 ms to load and this takes 0.04.
    """
    chunks = " ".join(f"{size}+{_ms(at_s)}" for size, at_s in times.blocks)
    return {"v": TIMING_VERSION, "head_ms": float(_ms(times.head_s)), "chunks": chunks}


def decode_times(value: Mapping[str, Any], body_bytes: int) -> RecordedTimes | None:
    """Read what `encode_times` wrote. None if it does not fit the body, which was then edited by hand.

    Raises ValueError, KeyError or TypeError if it is not of that form.
    """
    if value["v"] != TIMING_VERSION:
        raise ValueError(f"timing version {value['v']!r} is not {TIMING_VERSION}")
    pairs = (pair.split("+") for pair in str(value["chunks"]).split())
    blocks = tuple((int(size), _seconds(at_ms)) for size, at_ms in pairs)
    if sum(size for size, _ in blocks) != body_bytes or any(size < 1 for size, _ in blocks):
        return None
    return RecordedTimes(head_s=_seconds(value["head_ms"]), blocks=blocks)


def first_blocks(times: RecordedTimes, size: int) -> RecordedTimes:
    """Return the times of a body that was cut after `size` bytes."""
    blocks, left = [], size
    for block_bytes, at_s in times.blocks:
        if left <= 0:
            break
        blocks.append((min(block_bytes, left), at_s))
        left -= block_bytes
    return RecordedTimes(head_s=times.head_s, blocks=tuple(blocks))


def _seconds(duration_ms: Any) -> float:
    duration_s = float(duration_ms) / 1000
    if not 0 <= duration_s < math.inf:
        raise ValueError(f"{duration_ms!r} ms is no time")
    return duration_s


def _ms(duration_s: float) -> str:
    return f"{duration_s * 1000:.1f}".removesuffix(".0")


# Failures -----------------------------------------------------------------------------------------------


def encode_failure(failure: TransportFailure, body_bytes: int) -> dict[str, Any]:
    """Return a failure as a cassette stores it: `{kind: reset, after_bytes: 352, at_ms: 61}`.

    Without `after_bytes` it came before the head of the response.
    """
    place = {"after_bytes": body_bytes} if failure.has_head else {}
    return {"kind": failure.kind, **place, "at_ms": float(_ms(failure.at_s))}


def decode_failure(value: Mapping[str, Any], times: RecordedTimes | None) -> TransportFailure:
    """Read what `encode_failure` wrote, or a person. Without `at_ms` it comes right after the last byte.

    Raises ValueError, KeyError or TypeError if it is not of that form.
    """
    if value["kind"] not in get_args(FailureKind):
        raise ValueError(f"error kind {value['kind']!r} is none of {', '.join(get_args(FailureKind))}")
    has_head = "after_bytes" in value
    at_s = _seconds(value["at_ms"]) if "at_ms" in value else _end_s(times) if has_head else 0.0
    return TransportFailure(kind=value["kind"], at_s=at_s, has_head=has_head)


def _end_s(times: RecordedTimes | None) -> float:
    if times is None:
        return 0.0
    return times.head_s + (times.blocks[-1][1] if times.blocks else 0.0)


# Arrivals -----------------------------------------------------------------------------------------------


def merged_blocks(arrivals: Sequence[tuple[bytes, float]]) -> tuple[bytes, tuple[tuple[int, float], ...]]:
    """Return the joined body of arrivals (bytes, seconds) and the (size, seconds) of each."""
    body = b"".join(data for data, _ in arrivals)
    return body, tuple((len(data), at_s) for data, at_s in arrivals if data)
