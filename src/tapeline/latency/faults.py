"""Faults on purpose: which calls they happen to, and what then comes in place of the answer.

`fault_spec` tells how they are written. A `FaultPlan` is asked for each call, and counts. What it returns
either has an `answer` of its own or is `applied` to the answer there would have been; where it breaks the
call the answer is only borrowed (`consumes`), so that a client that tries again finds it.

Knows HTTP and bytes, and neither waits nor sends: delivering is for `pacing`.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from http.client import responses
from random import Random
from threading import Lock
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from tapeline.errors import ConfigError
from tapeline.latency.distortion import (
    cut_after_bytes,
    cut_after_events,
    dripped,
    duplicated,
    garbled,
    rechunked,
    split,
)
from tapeline.latency.fault_spec import Drip, FaultSpec, Place
from tapeline.latency.pacing import (
    DueBlock,
    FailureKind,
    Handler,
    IncomingRequest,
    ScheduledResponse,
    TransportFailure,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one call: at most one fault that breaks it, and those that bend its answer."""

    breaking: FaultSpec | None = None
    bending: tuple[FaultSpec, ...] = ()

    @property
    def consumes(self) -> bool:
        """Whether the call gets its answer. If not, the next try must find it still there."""
        return self.breaking is None

    @property
    def answer(self) -> ScheduledResponse | None:
        """What comes in place of the answer, or None where `applied` makes it of the answer itself."""
        spec = self.breaking
        if spec is None or not spec.is_in_place_of_answer:
            return None
        return _error(spec) if spec.kind == "status" else _no_response(spec)

    def applied(self, response: ScheduledResponse) -> ScheduledResponse:
        """Return what becomes of the answer."""
        for spec in filter(None, (*self.bending, self.breaking)):
            response = _CHANGES[spec.kind](response, spec.value)
        return response


def _error(spec: FaultSpec) -> ScheduledResponse:
    status: int = spec.value
    reason = responses.get(status, "")
    body = {"fault": f"{status} {reason}".strip()} if spec.body is None else spec.body
    headers = {"content-type": "application/json"} | {
        name.lower(): value for name, value in spec.headers.items()
    }
    return ScheduledResponse(
        status=status,
        reason=reason,
        headers=tuple(headers.items()),
        head_due_s=0.0,
        blocks=(DueBlock(0.0, _encoded(body)),),
        is_replay=True,
    )


def _encoded(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body, default=str)).encode()


def _no_response(spec: FaultSpec) -> ScheduledResponse:
    place: Place = spec.value
    return ScheduledResponse(
        status=0,
        reason="",
        headers=(),
        head_due_s=0.0,
        blocks=(),
        is_replay=True,
        failure=TransportFailure(kind=cast(FailureKind, spec.kind), at_s=place.silence_s),
    )


def _cut(response: ScheduledResponse, place: Place, *, kind: FailureKind) -> ScheduledResponse:
    if place.after_events is not None:
        return cut_after_events(response, place.after_events, kind, silence_s=place.silence_s)
    return cut_after_bytes(response, place.after_bytes or 0, kind, silence_s=place.silence_s)


def _dripped(response: ScheduledResponse, drip: Drip) -> ScheduledResponse:
    return dripped(response, drip.bytes, drip.every_ms / 1000)


_CHANGES: Mapping[str, Callable[[ScheduledResponse, Any], ScheduledResponse]] = {
    "reset": partial(_cut, kind="reset"),
    "disconnect": partial(_cut, kind="disconnect"),
    "read_timeout": partial(_cut, kind="read_timeout"),
    "malformed_json": garbled,
    "duplicate_chunk": duplicated,
    "split_chunk": split,
    "slow_drip": _dripped,
    "rechunk": rechunked,
}
"""Kind of a fault -> what it makes of an answer."""


# Which calls --------------------------------------------------------------------------------------------


class FaultPlan:
    """The faults of one test or run, and how many calls each has seen. Safe to use from several threads."""

    def __init__(self, specs: Sequence[FaultSpec], *, seed: int = 0) -> None:
        self._entries = [_Entry(spec, f"faults[{number}]", seed) for number, spec in enumerate(specs)]
        self._breaking = [entry for entry in self._entries if entry.spec.is_breaking]
        self._bending = [entry for entry in self._entries if not entry.spec.is_breaking]
        self._lock = Lock()

    def next(self, request: IncomingRequest) -> Fault | None:
        """Return what goes wrong with this call, which is counted; None if nothing does."""
        with self._lock:
            breaking = next((entry.spec for entry in self._breaking if entry.takes(request)), None)
            if breaking is not None and breaking.is_in_place_of_answer:
                return Fault(breaking=breaking)
            bending = tuple(entry.spec for entry in self._bending if entry.takes(request))
        return Fault(breaking=breaking, bending=bending) if breaking or bending else None

    def unused(self) -> list[str]:
        """Return the entries that no call has met, such as "faults[0] (status)", those by chance aside."""
        with self._lock:
            idle = [entry for entry in self._entries if not entry.taken and entry.spec.rate is None]
        return [f"{entry.name} ({entry.spec.kind})" for entry in idle]


class _Entry:
    """One fault, and its counts. taken: calls it has happened to."""

    def __init__(self, spec: FaultSpec, name: str, seed: int) -> None:
        self.spec = spec
        self.name = name
        self.taken = 0
        self._seen = 0
        self._made: Counter[bytes] = Counter()
        self._key = f"{name}:{seed if spec.seed is None else spec.seed}"

    def takes(self, request: IncomingRequest) -> bool:
        """Whether the fault happens to this call, which is counted."""
        if self.spec.match not in urlsplit(request.url).path:
            return False
        self._seen += 1
        if self._seen <= self.spec.after or self.taken == self.spec.calls or not self._is_drawn(request):
            return False
        self.taken += 1
        return True

    def _is_drawn(self, request: IncomingRequest) -> bool:
        if self.spec.rate is None:
            return True
        asked = f"{request.method} {urlsplit(request.url).path}\n".encode() + request.body
        digest = sha256(asked).digest()
        self._made[digest] += 1  # or else a request that fails once would fail for ever
        return Random(f"{self._key}:{digest.hex()}:{self._made[digest]}").random() < self.spec.rate


def with_faults(handler: Handler, plan: FaultPlan) -> Handler:
    """Return a handler whose answers go wrong as planned. For one that has its answers more than once."""

    def answer(request: IncomingRequest) -> ScheduledResponse:
        fault = plan.next(request)
        if fault is None:
            return handler(request)
        return fault.answer or fault.applied(handler(request))

    return answer


# Reading ------------------------------------------------------------------------------------------------


def parse_faults(specs: Sequence[Mapping[str, Any] | FaultSpec], *, seed: int = 0) -> FaultPlan:
    """Return a plan that has counted no call yet. seed: of entries with a rate and no seed of their own.

    Raises ConfigError that names each entry, key and nearest valid key.
    """
    if isinstance(specs, str | bytes | Mapping) or not isinstance(specs, Sequence):
        raise ConfigError("faults is a list of tables, such as [{status: 429, times: 2}]")
    return FaultPlan([_spec(number, spec) for number, spec in enumerate(specs)], seed=seed)


def _spec(number: int, given: Any) -> FaultSpec:
    if not isinstance(given, Mapping | FaultSpec):
        raise ConfigError(f"faults[{number}]: an entry is a table, such as {{status: 429, times: 2}}")
    try:
        return FaultSpec.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise ConfigError("; ".join(f"faults[{number}]{_told(problem)}" for problem in problems)) from None


_TABLES: Mapping[str, type[BaseModel]] = {
    "slow_drip": Drip,
    **dict.fromkeys(("reset", "disconnect", "read_timeout"), Place),
}


def _told(problem: Any) -> str:
    """Return where a problem is and what to do: ".tims: unknown key; did you mean 'times'?"."""
    where = "".join(f".{step}" for step in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
    *above, key = problem["loc"]
    known = (_TABLES[above[0]] if above else FaultSpec).model_fields
    near = difflib.get_close_matches(str(key), known, n=1)
    return f"{where}: unknown key; " + (f"did you mean {near[0]!r}?" if near else f"use {', '.join(known)}")
