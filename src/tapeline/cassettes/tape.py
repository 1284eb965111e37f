"""A tape: the interactions of one cassette while it is played or recorded.

`find` answers a request with the next interaction that was recorded for it, at the tape's pace; what
is sent live instead is written down through a `Recording`. Interactions are looked up by digest, so a
replay costs the same per request however long the tape. Safe to use from several threads.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, Literal

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.recording import Recording
from tapeline.cassettes.review.drift import Difference, request_drift
from tapeline.cassettes.review.explain import explain_miss
from tapeline.cassettes.review.shapes import ShapeDifference, shape_differences
from tapeline.cassettes.review.spending import Meter, cost_of, with_cost
from tapeline.cassettes.secrets.redaction import redacted_request
from tapeline.clock import Clock, SystemClock
from tapeline.errors import CassetteMissError
from tapeline.latency.faults import FaultPlan
from tapeline.latency.pacing import (
    Immediate,
    IncomingRequest,
    Pace,
    ScheduledResponse,
    schedule_to_end,
)

RecordMode = Literal["none", "once", "new_episodes", "all", "verify"]

HOP_HEADERS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers about one connection: of no meaning for the next, and wrong once a body was decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of asking again. position: of the recording that was compared; None if there is none."""

    request: IncomingRequest
    position: int | None
    differences: tuple[ShapeDifference, ...]


@dataclass(kw_only=True, eq=False)
class Tape:
    """Plays and records. source: how messages call the cassette.

    record_mode: none (replay only), once (record if there is nothing yet), new_episodes (record what is
    not there), all (record everything anew), verify (send everything, compare it with what is there, and
    write nothing). is_looping: start over when all recordings were played.
    meta: provenance stored with each recording, such as {"upstream": "..."}.
    meter: counts what live calls cost, and ends them when a budget is spent.
    watches_drift: keep what changed in requests that still match; see `drifts`.
    command: how to record the missing, for messages. faults: what goes wrong while it plays.
    live_clock: of the times that are recorded, where they do not pass on `clock`.
    """

    source: str
    interactions: list[Interaction] = field(default_factory=list, repr=False)
    record_mode: RecordMode = "none"
    pace: Pace = field(default_factory=Immediate)
    clock: Clock = field(default_factory=SystemClock)
    matcher: Matcher = field(default_factory=Matcher)
    is_looping: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)
    meter: Meter | None = None
    watches_drift: bool = False
    command: str | None = None
    faults: FaultPlan | None = None
    live_clock: Clock | None = None

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._is_new = not self.interactions
        self._recordings: list[Recording] = []
        self._recorded_before: dict[Recording, int] = {}
        self.drifts: list[tuple[int, Difference]] = []
        self._streams = 0
        self._peeked: set[int] = set()
        self.play_counts: Counter[int] = Counter()
        self._index: dict[bytes, deque[int]] = defaultdict(deque)
        self._queue_of: dict[int, deque[int]] = {}
        if self.record_mode != "all":
            for position, interaction in enumerate(self.interactions):
                queue = self._index[self.matcher.digest(interaction.request)]
                queue.append(position)
                self._queue_of[position] = queue

    @property
    def may_record(self) -> bool:
        return self.record_mode in ("new_episodes", "all") or (self.record_mode == "once" and self._is_new)

    @property
    def may_send(self) -> bool:
        """Whether a call may reach the real server."""
        return self.may_record or self.record_mode == "verify"

    def __call__(self, request: IncomingRequest) -> ScheduledResponse:
        """Answer from the recordings alone: what makes a tape a handler. Raises CassetteMissError."""
        response = self._replayed(request)
        if response is None:
            raise self.miss(request)
        return response

    def answer(self, request: IncomingRequest) -> ScheduledResponse | None:
        """Return what to answer a client with, or None if its call is to go live.

        Raises CassetteMissError if it may not, BudgetExceededError if that would cost too much.
        """
        recorded = None if self.record_mode in ("all", "verify") else self._replayed(request)
        if recorded is None and not self.may_send:
            raise self.miss(request)
        if recorded is None and self.meter is not None:
            self.meter.check()
        return recorded

    def filtered(self, request: IncomingRequest) -> IncomingRequest | None:
        """Return the request as the tape should see it, or None if it is not the tape's business."""
        return request

    def _replayed(self, request: IncomingRequest) -> ScheduledResponse | None:
        fault = None if self.faults is None or self.may_record else self.faults.next(request)
        if fault is None:
            return self.find(request)
        response = self.find(request) if fault.consumes else self.peek(request)
        if fault.answer is not None:
            return fault.answer
        return None if response is None else fault.applied(response)

    def find(self, request: IncomingRequest) -> ScheduledResponse | None:
        """Return the next recorded response to this request, or None if there is none."""
        with self._lock:
            position = self.position_of(request)
            return None if position is None else self.play(position, request)

    def peek(self, request: IncomingRequest) -> ScheduledResponse | None:
        """Return what `find` would, and leave it there: it was asked for, and can be asked for again."""
        with self._lock:
            if (position := self.position_of(request)) is None:
                return None
            self._peeked.add(position)
            return self._scheduled(self.interactions[position].response, 0)

    def play(self, position: int, request: IncomingRequest) -> ScheduledResponse:
        """Count one play of an interaction and return its response. The caller holds the lock."""
        self.count_play(position)
        if self.watches_drift:
            changes = request_drift(self.interactions[position].request, request, self.matcher)
            self.drifts += [(position, change) for change in changes]
        stream = self._streams
        self._streams += 1
        return self._scheduled(self.interactions[position].response, stream)

    def position_of(self, request: IncomingRequest) -> int | None:
        """Return the position of the next recording of this request. The caller holds the lock."""
        positions = self._index.get(self.matcher.digest(request))
        if not positions and self._index:  # it may hold secrets that its recording does not
            positions = self._index.get(self.matcher.digest(redacted_request(request)))
        return positions[0] if positions else self._position_but_for_ids(request)

    def _position_but_for_ids(self, request: IncomingRequest) -> int | None:
        """Where nothing is the same, what differs in random ids only is meant."""
        if not self._index_but_for_ids:
            return None
        positions = self._index_but_for_ids.get(self.matcher.digest_but_for_ids(request), ())
        free = (position for position in positions if self.is_looping or not self.play_counts[position])
        return next(free, None)

    @cached_property
    def _index_but_for_ids(self) -> Mapping[bytes | None, list[int]]:
        index: dict[bytes | None, list[int]] = defaultdict(list)
        for position, interaction in enumerate(self.interactions):
            if (digest := self.matcher.digest_but_for_ids(interaction.request)) is not None:
                index[digest].append(position)
        return index

    def count_play(self, position: int) -> None:
        """Let the next of its kind be next, or, on a looping tape, all of them in turn."""
        self.play_counts[position] += 1
        queue = self._queue_of.get(position)
        if queue and queue[0] == position:
            queue.rotate(-1) if self.is_looping else queue.popleft()

    def _scheduled(self, response: RecordedResponse, stream: int) -> ScheduledResponse:
        schedule, failure = schedule_to_end(
            self.pace, response.blocks(), response.times, response.failure, stream=stream
        )
        return ScheduledResponse(
            status=response.status,
            reason=response.reason,
            headers=tuple(
                (name, value) for name, value in response.headers if name.lower() not in HOP_HEADERS
            ),
            head_due_s=schedule.head_due_s,
            blocks=schedule.blocks,
            is_replay=True,
            failure=failure,
        )

    def miss(self, request: IncomingRequest) -> CassetteMissError:
        """Return the error that explains why nothing answers this request."""
        return CassetteMissError(
            explain_miss(
                request,
                self.interactions,
                matcher=self.matcher,
                source=self.source,
                command=self.command,
                play_counts=self.play_counts,
            )
        )

    def record(self, request: IncomingRequest) -> Recording:
        """Start to write down a live call. Calls are stored in the order they were started."""
        recording = Recording(request, self.live_clock or self.clock, self.meta, self._count)
        with self._lock:
            self._recordings.append(recording)
            if self.record_mode == "verify" and (position := self.position_of(request)) is not None:
                self.count_play(position)
                self._recorded_before[recording] = position
        return recording

    def _count(self, whole: Interaction) -> None:
        if self.meter is not None:
            self.meter.record(whole)

    def recorded(self) -> list[Interaction]:
        """Return what was recorded and got an answer or a failure, in the order of the requests."""
        if self.record_mode == "verify":
            return []
        with self._lock:
            done = [recording.interaction() for recording in self._recordings]
        return [with_cost(whole, cost_of(whole)) for whole in done if whole is not None]

    def unplayed(self) -> list[int]:
        """Return the positions of the interactions that nothing has asked for."""
        with self._lock:
            asked_for = self._peeked | {n for n, count in self.play_counts.items() if count}
            return [n for n in range(len(self.interactions)) if n not in asked_for]

    def verified(self) -> list[Verdict]:
        """Return how the answers of today differ from the recorded ones, for each call of mode verify."""
        if self.record_mode != "verify":
            return []
        with self._lock:
            calls = [(each, self._recorded_before.get(each)) for each in self._recordings]
        return [
            Verdict(request=live.request, position=position, differences=self._shape_drift(position, live))
            for recording, position in calls
            if (live := recording.interaction()) is not None
        ]

    def _shape_drift(self, position: int | None, live: Interaction) -> tuple[ShapeDifference, ...]:
        if position is None:
            return ()
        return tuple(shape_differences(self.interactions[position].response, live.response))

    def to_save(self) -> list[Interaction]:
        """Return what the cassette should hold from now on."""
        kept = [] if self.record_mode == "all" else self.interactions
        return [*kept, *self.recorded()]
