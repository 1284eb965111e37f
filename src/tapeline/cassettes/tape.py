"""A tape: the interactions of one cassette while it is played or recorded.

`find` answers a request with the next interaction that was recorded for it, at the tape's pace; what
is sent live instead is written down through a `Recording`. Interactions are looked up by digest, so a
replay costs the same per request however long the tape. Safe to use from several threads.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Literal

from tapeline.cassettes.explain import explain_miss
from tapeline.cassettes.interaction import Interaction, RecordedResponse, merged_blocks
from tapeline.cassettes.matching import Matcher
from tapeline.clock import NS_PER_S, Clock, SystemClock
from tapeline.errors import CassetteMissError
from tapeline.latency.pacing import (
    Immediate,
    IncomingRequest,
    Pace,
    RecordedTimes,
    ScheduledResponse,
)

RecordMode = Literal["none", "once", "new_episodes", "all"]

HOP_HEADERS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers about one connection: of no meaning for the next, and wrong once a body was decoded."""


@dataclass(kw_only=True, eq=False)
class Tape:
    """Plays and records. source: how messages call the cassette.

    record_mode: none (replay only), once (record if there is nothing yet), new_episodes (record what is
    not there), all (record everything anew). is_looping: start over when all recordings were played.
    meta: provenance stored with each recording, such as {"upstream": "..."}.
    """

    source: str
    interactions: list[Interaction] = field(default_factory=list)
    record_mode: RecordMode = "none"
    pace: Pace = field(default_factory=Immediate)
    clock: Clock = field(default_factory=SystemClock)
    matcher: Matcher = field(default_factory=Matcher)
    is_looping: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._is_new = not self.interactions
        self._recordings: list[Recording] = []
        self._streams = 0
        self.play_counts: Counter[int] = Counter()
        self._index: dict[bytes, deque[int]] = defaultdict(deque)
        if self.record_mode != "all":
            for position, interaction in enumerate(self.interactions):
                self._index[self.matcher.digest(interaction.request)].append(position)

    @property
    def may_record(self) -> bool:
        return self.record_mode in ("new_episodes", "all") or (self.record_mode == "once" and self._is_new)

    def __call__(self, request: IncomingRequest) -> ScheduledResponse:
        """Answer from the recordings alone: what makes a tape a handler. Raises CassetteMissError."""
        response = self.find(request)
        if response is None:
            raise self.miss(request)
        return response

    def filtered(self, request: IncomingRequest) -> IncomingRequest | None:
        """Return the request as the tape should see it, or None if it is not the tape's business."""
        return request

    def find(self, request: IncomingRequest) -> ScheduledResponse | None:
        """Return the next recorded response to this request, or None if there is none."""
        digest = self.matcher.digest(request)
        with self._lock:
            position = self._next_position(digest)
            return None if position is None else self.play(position)

    def play(self, position: int) -> ScheduledResponse:
        """Count one play of an interaction and return its response. The caller holds the lock."""
        self.play_counts[position] += 1
        stream = self._streams
        self._streams += 1
        return self._scheduled(self.interactions[position].response, stream)

    def _next_position(self, digest: bytes) -> int | None:
        positions = self._index.get(digest)
        if not positions:
            return None
        if self.is_looping:
            positions.append(positions[0])  # a queue that feeds itself
        return positions.popleft()

    def _scheduled(self, response: RecordedResponse, stream: int) -> ScheduledResponse:
        schedule = self.pace.schedule(response.blocks(), response.times, stream=stream)
        return ScheduledResponse(
            status=response.status,
            reason=response.reason,
            headers=tuple(
                (name, value) for name, value in response.headers if name.lower() not in HOP_HEADERS
            ),
            head_due_s=schedule.head_due_s,
            blocks=schedule.blocks,
            is_replay=True,
        )

    def miss(self, request: IncomingRequest) -> CassetteMissError:
        """Return the error that explains why nothing answers this request."""
        return CassetteMissError(
            explain_miss(request, self.interactions, matcher=self.matcher, source=self.source)
        )

    def record(self, request: IncomingRequest) -> Recording:
        """Start to write down a live call. Calls are stored in the order they were started."""
        recording = Recording(request, self.clock, self.meta)
        with self._lock:
            self._recordings.append(recording)
        return recording

    def recorded(self) -> list[Interaction]:
        """Return what was recorded and got a response, in the order of the requests."""
        with self._lock:
            done = [recording.interaction() for recording in self._recordings]
        return [interaction for interaction in done if interaction is not None]

    def to_save(self) -> list[Interaction]:
        """Return what the cassette should hold from now on."""
        kept = [] if self.record_mode == "all" else self.interactions
        return [*kept, *self.recorded()]


class Recording:
    """One live call as it happens. Times are taken when blocks arrive, before the client sees them."""

    def __init__(self, request: IncomingRequest, clock: Clock, meta: Mapping[str, Any]) -> None:
        self._request = request
        self._clock = clock
        self._meta = meta
        self._sent_ns = clock.now_ns()
        self._recorded_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._head_ns: int | None = None
        self._arrivals: list[tuple[bytes, float]] = []
        self._is_complete = False
        self._is_broken = False
        self._status = 0
        self._reason = ""
        self._headers: tuple[tuple[str, str], ...] = ()

    def head(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> None:
        self._head_ns = self._clock.now_ns()
        self._status, self._reason, self._headers = status, reason, tuple(headers)

    def block(self, data: bytes) -> bytes:
        """Note a block of the body and return it."""
        self._arrivals.append((data, self._since(self._head_ns or self._sent_ns)))
        return data

    def complete(self) -> None:
        """The body has ended; a recording without this is marked as cut."""
        self._is_complete = not self._is_broken

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around each step of an iterator over the body: notes how it ends.

        One that broke says it has ended if asked once more; that end is not the body's.
        """
        try:
            yield
        except (StopIteration, StopAsyncIteration):
            self.complete()
            raise
        except BaseException:
            self._is_broken = True
            raise

    def interaction(self) -> Interaction | None:
        """Return what was recorded so far; None if no response came."""
        if self._head_ns is None:
            return None
        body, blocks = merged_blocks(self._arrivals)
        head_s = (self._head_ns - self._sent_ns) / NS_PER_S
        response = RecordedResponse(
            status=self._status,
            reason=self._reason,
            headers=self._headers,
            body=body,
            times=RecordedTimes(head_s=head_s, blocks=blocks) if blocks else None,
            meta=self._provenance(),
            is_cut=not self._is_complete,
        )
        return Interaction(request=self._request, response=response)

    def _provenance(self) -> dict[str, Any]:
        from tapeline import __version__

        facts = {"recorded_at": self._recorded_at, "recorder": f"tapeline {__version__}"}
        sdk = self._request.headers.get("user-agent")
        return facts | ({"sdk": sdk} if sdk else {}) | dict(self._meta)

    def _since(self, start_ns: int) -> float:
        return (self._clock.now_ns() - start_ns) / NS_PER_S
