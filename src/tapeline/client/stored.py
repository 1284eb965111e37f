"""What an answer is kept under in the response cache, and by which time its age is told."""

from __future__ import annotations

import time

from tapeline.client.target import Target
from tapeline.clock import NS_PER_S, Clock, SystemClock
from tapeline.policies.cache import request_key
from tapeline.types import HttpRequest


def key_of(target: Target, request: HttpRequest) -> str:
    """Return what a request is kept under: the same bytes to the same place."""
    carrier, codec = target.provider.carrier, target.codec
    return request_key(codec.provider, carrier.base_url, request.path, request.body)


def wall_s(clock: Clock) -> float:
    """Return the time that the age of an entry is told by: since 1970, or that of a clock of its own."""
    return time.time() if isinstance(clock, SystemClock) else clock.now_ns() / NS_PER_S
