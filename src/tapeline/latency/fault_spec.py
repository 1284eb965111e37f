"""How faults are written, in a scenario's `faults` or in a test's `@pytest.mark.tape(faults=[...])`.

    faults:
      - {status: 429, times: 2, headers: {retry-after: 2}}     # then all is well
      - {reset: {after_events: 3}, after: 1}                   # the second call that gets as far as this
      - {status: 503, rate: 0.05, seed: 7}                     # one request in twenty
      - {rechunk: 1}                                           # every answer comes byte by byte

An entry is one fault. These break a call:

    status: CODE           an HTTP error, with `headers` and `body`; else a short JSON body
    refused: true          no connection
    reset: PLACE           the connection is cut
    disconnect: PLACE      the server closes it before the end of its answer
    read_timeout: PLACE    the server falls silent
        PLACE is true, before the answer begins, or {after_bytes: N} or {after_events: N}; with
        `silence_s`, so long after the bytes before it, unless the client's patience ends sooner
    malformed_json: N      event N, or the body, holds JSON that does not close; true: the first

and these bend an answer, which still comes whole:

    duplicate_chunk: N     event N of a stream comes twice
    split_chunk: N         event N comes in two blocks, cut inside a character if it can be
    slow_drip: {bytes: N, every_ms: M}    N bytes at a time, M ms apart
    rechunk: N             it comes in blocks of N bytes; merged: in one

Each may have

    times: N               how many calls it happens to: by default 1 if it breaks them, else all
    after: N               calls to let through first
    match: TEXT            requests whose URL path contains this, and no others
    rate: R, seed: S       by chance, from 0 to 1, and any number of times: drawn from the request and how
                           often it was made before, so that the order of requests does not matter

A call breaks by the first entry that is due, and the entries below do not see it. All that bend are
applied, in their order. Events are server-sent events, lines of JSON or frames, counted from 1; where
there are fewer than N, the last one is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

BREAKING = ("status", "refused", "reset", "disconnect", "read_timeout", "malformed_json")
BENDING = ("duplicate_chunk", "split_chunk", "slow_drip", "rechunk")
KINDS = (*BREAKING, *BENDING)


Number = Annotated[int, Field(gt=0, strict=True)]
NumberOrNone = Annotated[int, Field(ge=0, strict=True)]
Yes = Literal[True]


class _Strict(BaseModel):
    """A table that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Place(_Strict):
    """Where in an answer its connection fails: before its head, if nothing is said. Silence comes first."""

    after_bytes: NumberOrNone | None = None
    after_events: NumberOrNone | None = None
    silence_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @model_validator(mode="after")
    def _is_one_place(self) -> Place:
        if self.after_bytes is not None and self.after_events is not None:
            raise ValueError("give either after_bytes or after_events")
        return self

    @property
    def is_before_head(self) -> bool:
        return self.after_bytes is None and self.after_events is None


class Drip(_Strict):
    """How slowly an answer comes."""

    bytes: Number
    every_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _place(value: Any) -> Any:
    if value is True:
        return Place()
    if not isinstance(value, Mapping | Place):
        raise ValueError("write true, {after_bytes: N} or {after_events: N}")
    return value


def _event(value: Any) -> Any:
    return 1 if value is True else value


def _block_bytes(value: Any) -> Any:
    return 0 if value == "merged" else value


FailurePlace = Annotated[Place, BeforeValidator(_place, json_schema_input_type=Yes | Place)]
EventNumber = Annotated[Number, BeforeValidator(_event, json_schema_input_type=Yes | Number)]
BlockBytes = Annotated[
    NumberOrNone, BeforeValidator(_block_bytes, json_schema_input_type=Literal["merged"] | NumberOrNone)
]


class FaultSpec(_Strict):
    """One entry of `faults`: one fault, and the calls it happens to."""

    status: Annotated[int, Field(ge=200, le=599)] | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    refused: Yes | None = None
    reset: FailurePlace | None = None
    disconnect: FailurePlace | None = None
    read_timeout: FailurePlace | None = None
    malformed_json: EventNumber | None = None
    duplicate_chunk: Number | None = None
    split_chunk: Number | None = None
    slow_drip: Drip | None = None
    rechunk: BlockBytes | None = None
    times: Number | None = None
    after: NumberOrNone = 0
    match: str = ""
    rate: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: int | None = None

    @model_validator(mode="after")
    def _is_one_fault(self) -> FaultSpec:
        given = self._given()
        if not given:
            raise ValueError(f"it has no fault: give one of {', '.join(KINDS)}")
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are {len(given)} faults: write an entry for each")
        if self.status is None and (self.headers or self.body is not None):
            raise ValueError("headers and body belong to a status")
        if self.rate is None and self.seed is not None:
            raise ValueError("a seed belongs to a rate")
        return self

    def _given(self) -> list[str]:
        return [kind for kind in KINDS if getattr(self, kind) is not None]

    @property
    def kind(self) -> str:
        return self._given()[0]

    @property
    def value(self) -> Any:
        """What is written behind the kind; there a place or a number, where it may be true as well."""
        return Place() if self.refused else getattr(self, self.kind)

    @property
    def is_breaking(self) -> bool:
        """Whether the call fails."""
        return self.kind in BREAKING

    @property
    def is_in_place_of_answer(self) -> bool:
        """Whether it needs no answer to make something of."""
        value = self.value
        return self.kind == "status" or (isinstance(value, Place) and value.is_before_head)

    @property
    def calls(self) -> int | None:
        """How many calls it happens to at most; None: any number."""
        return 1 if self.times is None and self.rate is None and self.is_breaking else self.times
