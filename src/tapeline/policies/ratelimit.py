"""How long a call must wait to stay below a rate limit: token buckets for requests and for tokens.

Pure decisions: nothing here sleeps. `now_ns` is read by the caller from one clock that never goes back;
waits are seconds. What a provider counts against its limits is known only afterwards, so a call
reserves an estimate and settles it with what was used.

A bucket is one number, the time at which it will be full again, so that a reservation is an addition:
the virtual scheduling of the generic cell rate algorithm (ITU-T I.371, annex A).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

from tapeline.clock import NS_PER_S
from tapeline.errors import ConfigError
from tapeline.types import CachePoint, ChatRequest, Part, Refusal, Text, Thinking, ToolCall, ToolResult

BYTES_PER_TOKEN = 4
"""Of English text in UTF-8, about; code and other scripts take more tokens, which settling makes good."""

MEDIA_BYTES = 4_000
"""A picture, a page or a clip counts like so much text, 1,000 tokens: a megapixel is 1,000 to 1,600."""


_Times: TypeAlias = tuple[int, int]
"""One of the bucket of requests, one of the bucket of tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """What a provider allows a minute; None for no limit.

    burst_s: how long unused allowance is kept, and so may be used at once. A minute is how Anthropic
    keeps it; 0 spaces calls evenly.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_s: float = 60.0

    def __post_init__(self) -> None:
        for rate in (self.requests_per_minute, self.tokens_per_minute):
            if rate is not None and rate <= 0:
                raise ConfigError(f"a rate limit of {rate} a minute lets nothing through; None is no limit")
        if self.burst_s < 0:
            raise ConfigError("burst_s is not negative; 0 spaces calls evenly")


@dataclass(slots=True, eq=False, kw_only=True)
class Reservation:
    """A place in the queue. delay_s: how long to wait before sending, as it looked when it was made."""

    delay_s: float = 0.0
    due_ns: int = 0
    requests: int = 1
    tokens: int


class RateLimiter:
    """The queue of one model, for callers of any thread: first come, first served.

    Reservations fall due in the order they were made, so that small ones never overtake a large one. One
    that is larger than a bucket is due when the bucket is full; those behind it wait for what it owes.
    What others give back, or used less than they had reserved, moves the whole queue up: ask `left_s`.
    """

    def __init__(self, limit: RateLimit) -> None:
        self._lock = Lock()
        self._rates = (
            _Rate(limit.requests_per_minute, limit.burst_s),
            _Rate(limit.tokens_per_minute, limit.burst_s),
        )
        # When each bucket is full again: after those who were due, and after the whole queue.
        self._full_ns = (0, 0)
        self._full_at_end_ns = (0, 0)
        self._waiting: deque[Reservation] = deque()
        self._stopped_ns = 0
        self._resumes_ns = 0

    def reserve(self, now_ns: int, tokens: int) -> Reservation:
        """Take a place for a request of so many tokens; wait its `delay_s`, then send, or cancel it."""
        with self._lock:
            place = Reservation(tokens=tokens)
            self._full_at_end_ns = self._placed(place, now_ns)
            self._waiting.append(place)
            return place

    def wait_s(self, now_ns: int, tokens: int) -> float:
        """Return the delay a reservation would get, without making it."""
        with self._lock:
            place = Reservation(tokens=tokens)
            self._placed(place, now_ns)
            return place.delay_s

    def left_s(self, reservation: Reservation, now_ns: int) -> float:
        """Return what is left of a reservation's wait: more than was said after a pause, or less."""
        with self._lock:
            return self._left_s(reservation, now_ns)

    def cancel(self, reservation: Reservation, now_ns: int) -> None:
        """Give a place back that was not used. Once: to cancel again is no harm."""
        with self._lock:
            self._correct(reservation, now_ns, requests=0, tokens=0)

    def settle(self, reservation: Reservation, actual_tokens: int, now_ns: int) -> None:
        """Correct an estimate by what was used, be it more or less."""
        with self._lock:
            self._correct(reservation, now_ns, requests=reservation.requests, tokens=actual_tokens)

    def pause(self, now_ns: int, delay_s: float) -> None:
        """Let nobody send for so long, as after a 429: those who wait, wait so much longer.

        The limiter's own time stands still, so that the queue goes on afterwards as it was spaced.
        """
        with self._lock:
            resumes_ns = now_ns + round(delay_s * NS_PER_S)
            if resumes_ns > self._resumes_ns:
                self._stopped_ns += resumes_ns - max(now_ns, self._resumes_ns)
                self._resumes_ns = resumes_ns

    # The queue, with the lock held ------------------------------------------------------------------

    def _placed(self, place: Reservation, now_ns: int) -> _Times:
        """Say when a new reservation is due; return when the buckets are full again after it."""
        own_ns = self._own_ns(now_ns)
        self._let_go(own_ns)
        earliest_ns = self._waiting[-1].due_ns if self._waiting else own_ns
        full_ns = self._after(place, self._full_at_end_ns, earliest_ns)
        place.delay_s = self._left_s(place, now_ns)
        return full_ns

    def _correct(self, place: Reservation, now_ns: int, *, requests: int, tokens: int) -> None:
        """Let a reservation be for so much, and everybody who waits gain or lose by it."""
        own_ns = self._own_ns(now_ns)
        self._let_go(own_ns)
        before_ns = self._costs_ns(place)
        place.requests, place.tokens = requests, tokens
        if place not in self._waiting:
            changes = zip(self._full_ns, before_ns, self._costs_ns(place), strict=True)
            requests_ns, tokens_ns = (max(full, own_ns) + cost - before for full, before, cost in changes)
            self._full_ns = requests_ns, tokens_ns
        elif not requests:
            self._waiting.remove(place)
        self._reschedule(own_ns)

    def _let_go(self, own_ns: int) -> None:
        """Take those off the queue who are due."""
        while self._waiting and self._waiting[0].due_ns <= own_ns:
            place = self._waiting.popleft()
            self._full_ns = self._after(place, self._full_ns, place.due_ns)

    def _reschedule(self, own_ns: int) -> None:
        full_ns = self._full_ns
        for place in self._waiting:
            full_ns = self._after(place, full_ns, own_ns)
            own_ns = place.due_ns
        self._full_at_end_ns = full_ns

    def _after(self, place: Reservation, full_ns: _Times, earliest_ns: int) -> _Times:
        """Say when a reservation is due, and return when the buckets are full again after it."""
        costs_ns = self._costs_ns(place)
        due_ns = place.due_ns = max(earliest_ns, *map(_Rate.due_ns, self._rates, full_ns, costs_ns))
        return max(full_ns[0], due_ns) + costs_ns[0], max(full_ns[1], due_ns) + costs_ns[1]

    def _costs_ns(self, place: Reservation) -> _Times:
        return self._rates[0].cost_ns(place.requests), self._rates[1].cost_ns(place.tokens)

    # Its own time, which stands still in a pause ----------------------------------------------------

    def _own_ns(self, now_ns: int) -> int:
        return now_ns - self._stopped_ns + self._pause_left_ns(now_ns)

    def _left_s(self, place: Reservation, now_ns: int) -> float:
        to_come_ns = max(0, place.due_ns - self._own_ns(now_ns))
        return (to_come_ns + self._pause_left_ns(now_ns)) / NS_PER_S

    def _pause_left_ns(self, now_ns: int) -> int:
        return max(0, self._resumes_ns - now_ns)


class _Rate:
    """How fast a bucket fills, and how much it holds: amounts are the time they take to flow in.

    One without a limit has no costs, and so is always full.
    """

    def __init__(self, per_minute: float | None, burst_s: float) -> None:
        self._unit_ns = 60 * NS_PER_S / per_minute if per_minute else 0.0
        self._size_ns = round(burst_s * NS_PER_S)

    def cost_ns(self, units: int) -> int:
        return round(units * self._unit_ns)

    def due_ns(self, full_ns: int, cost_ns: int) -> int:
        """When so much is in the bucket; for more than it can hold, when it is full."""
        return full_ns - max(0, self._size_ns - cost_ns)


# Estimates ----------------------------------------------------------------------------------------------


def estimated_tokens(text_bytes: int, max_tokens: int | None) -> int:
    """Return about how many tokens a request takes, its answer being as long as it may be.

    An answer without a limit counts nothing: what it took is settled when it is there.
    """
    return -(-text_bytes // BYTES_PER_TOKEN) + (max_tokens or 0)


def prompt_bytes(request: ChatRequest) -> int:
    """Return how much text a request puts before the model: messages, tools and schema, in UTF-8."""
    parts = (part for message in request.messages for part in message.content)
    tools = sum(len(f"{tool.name}{tool.description}{tool.parameters}".encode()) for tool in request.tools)
    schema = len(str(request.schema).encode()) if request.schema else 0
    return sum(map(_part_bytes, parts)) + tools + schema


def _part_bytes(part: Part) -> int:
    match part:
        case Text() | Thinking() | Refusal():
            return len(part.text.encode())
        case ToolCall():
            return len(part.raw_arguments.encode())
        case ToolResult():
            return sum(map(_part_bytes, part.parts))
        case CachePoint():
            return 0
    return MEDIA_BYTES
