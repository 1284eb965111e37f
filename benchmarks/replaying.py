"""Cassettes: reading and writing files, finding interactions, and how that grows with the tape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import adapter, tapes

FILE = Path("tape.yaml")
"""In the folder of its own that asv gives every run."""


class File:
    """A cassette of 100 streamed answers of 50 chunks, 1.8 MB."""

    version = "1"

    def setup(self) -> None:
        FILE.write_text(tapes.cassette(100, 50), encoding="utf-8")
        self.interactions = adapter.load_interactions(FILE)

    def time_load_100(self) -> None:
        """Read 100 interactions."""
        adapter.load_interactions(FILE)

    def time_save_100(self) -> None:
        """Redact, check for secrets and write 100 interactions, synced to disk."""
        adapter.save_interactions(Path("copy.yaml"), self.interactions)

    def peakmem_load_100(self) -> None:
        """Peak memory of the process, interpreter and imports included, while it reads 100 interactions."""
        adapter.load_interactions(FILE)


class Lookup:
    """Requests to one URL, asked for in the order of their recording."""

    version = "1"

    def setup(self) -> None:
        FILE.write_text(tapes.cassette(1, 1), encoding="utf-8")
        [self.recorded] = adapter.load_interactions(FILE)
        self.replay_1000 = self._replay(1_000)

    def _replay(self, interactions: int) -> Callable[[], None]:
        """Return what plays a whole tape once; the tape starts over when it is called again."""
        requests = [adapter.incoming_request(tapes.URL, tapes.request_body(n)) for n in range(interactions)]
        tape = adapter.looping_tape([replace(self.recorded, request=request) for request in requests])
        return lambda: _ask(tape, requests)

    def time_replay_1000(self) -> None:
        """1,000 lookups in a tape of 1,000: milliseconds here read as microseconds per lookup."""
        self.replay_1000()

    def ratio_growth(self) -> tuple[Callable[[], None], Callable[[], None]]:
        """A whole replay of 10,000 / ten of 1,000, 5 pairs: 1 x is linear, 10 x would be quadratic."""
        return self._replay(10_000), lambda: _repeat(self.replay_1000, 10)

    ratio_growth.pairs = 5


class Client:
    """A test with a long tape, as its author sees it."""

    version = "1"

    def setup(self) -> None:
        import httpx2

        FILE.write_text(tapes.cassette(1_000, 1), encoding="utf-8")
        self.client = httpx2.Client()
        self.bodies = [tapes.request_body(number) for number in range(1_000)]
        self.time_open_and_replay_1000()  # loads what the first call needs

    def teardown(self) -> None:
        self.client.close()

    def time_open_and_replay_1000(self) -> None:
        """Read 1,000 interactions of one URL and ask httpx2 for each in turn. Target: 0.6 s."""
        with adapter.cassette(FILE):
            for body in self.bodies:
                self.client.post(tapes.URL, content=body)


def _ask(tape: Callable[[Any], Any], requests: list[Any]) -> None:
    for request in requests:
        tape(request)


def _repeat(call: Callable[[], None], times: int) -> None:
    for _ in range(times):
        call()
