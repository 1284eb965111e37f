"""What chance decides about one call: a function of the seed, the request and how often it came before.

Not of the order in which different requests arrive, so that calls in parallel do not disturb each other.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from random import Random
from typing import NamedTuple

import msgspec

from tapeline.errors import ConfigError
from tapeline.types import ChatRequest


class Chance(NamedTuple):
    """The lot of one call.

    key: seeds what must be the same for the same request. error: below the rate of errors, it fails.
    length, speed: factors around 1. stream: numbers the response for its pace.
    """

    key: str = ""
    error: float = 1.0
    length: float = 1.0
    speed: float = 1.0
    stream: int = 0


class Chances:
    """Draws the lots. variability: how far factors are from 1 at most."""

    def __init__(self, *, seed: int, variability: float) -> None:
        if not 0.0 <= variability < 1.0:
            raise ConfigError(f"variability is a share from 0 to below 1, not {variability}")
        self._seed = seed
        self._variability = variability
        self._repeats: Counter[str] = Counter()

    def draw(self, request: ChatRequest) -> Chance:
        """Return the lot of the next call that asks for this. Options, and streaming, do not change it."""
        asked = (request.model, request.messages, request.tools, request.schema, request.seed)
        key = f"{self._seed}:{sha256(msgspec.json.encode(asked)).hexdigest()[:16]}"
        random = Random(f"{key}:{self._repeats[key]}")
        self._repeats[key] += 1
        # Always all of them, in this order: switching on one behaviour must not change the others.
        return Chance(
            key=key,
            error=random.random(),
            length=self._factor(random),
            speed=self._factor(random),
            stream=int(random.random() * 2**32),
        )

    def _factor(self, random: Random) -> float:
        return 1.0 + self._variability * (2.0 * random.random() - 1.0)

    def clear(self) -> None:
        """Forget which requests came before."""
        self._repeats.clear()
