"""How faults are written: what an entry may say, and what it then means."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tapeline.latency.fault_spec import BENDING, BREAKING, Drip, FaultSpec, Place

VALUES: dict[str, tuple[dict[str, Any], Any]] = {
    "status": ({"status": 429}, 429),
    "refused": ({"refused": True}, Place()),
    "reset": ({"reset": True}, Place()),
    "reset somewhere": ({"reset": {"after_bytes": 0}}, Place(after_bytes=0)),
    "disconnect": ({"disconnect": {"after_events": 2}}, Place(after_events=2)),
    "read_timeout": ({"read_timeout": {"silence_s": 60}}, Place(silence_s=60.0)),
    "malformed_json": ({"malformed_json": True}, 1),
    "malformed_json of an event": ({"malformed_json": 3}, 3),
    "duplicate_chunk": ({"duplicate_chunk": 2}, 2),
    "split_chunk": ({"split_chunk": 2}, 2),
    "slow_drip": ({"slow_drip": {"bytes": 4, "every_ms": 2.5}}, Drip(bytes=4, every_ms=2.5)),
    "rechunk": ({"rechunk": 7}, 7),
    "merged": ({"rechunk": "merged"}, 0),
    "merged by number": ({"rechunk": 0}, 0),
}


@pytest.mark.parametrize(("written", "value"), VALUES.values(), ids=VALUES.keys())
def test_what_is_written_behind_a_fault(written: dict[str, Any], value: Any) -> None:
    spec = FaultSpec(**written)

    assert (spec.kind, spec.value) == (next(iter(written)), value)


CALLS: list[tuple[dict[str, Any], int | None]] = [
    *[({kind: 429 if kind == "status" else True}, 1) for kind in BREAKING],
    ({"status": 503, "times": 3}, 3),
    ({"status": 503, "rate": 0.5}, None),
    ({"status": 503, "rate": 0.5, "times": 2}, 2),
    ({"slow_drip": {"bytes": 1, "every_ms": 1}}, None),
    *[({kind: 1}, None) for kind in BENDING if kind != "slow_drip"],
    ({"rechunk": 1, "times": 2}, 2),
]


@pytest.mark.parametrize(("written", "calls"), CALLS, ids=str)
def test_how_many_calls_it_happens_to(written: dict[str, Any], calls: int | None) -> None:
    """What breaks a call happens once, what bends its answer or is left to chance always; or so often."""
    assert FaultSpec(**written).calls == calls


@pytest.mark.parametrize(
    ("written", "is_in_place"),
    [
        ({"status": 429}, True),
        ({"refused": True}, True),
        ({"reset": True}, True),
        ({"disconnect": {"silence_s": 1}}, True),
        ({"read_timeout": {"after_bytes": 0}}, False),
        ({"reset": {"after_events": 0}}, False),
        ({"malformed_json": True}, False),
        ({"rechunk": 1}, False),
    ],
    ids=str,
)
def test_whether_it_needs_an_answer(written: dict[str, Any], is_in_place: bool) -> None:
    """A fault before the head needs none; the others make something of one."""
    assert FaultSpec(**written).is_in_place_of_answer == is_in_place


def test_headers_may_be_written_as_numbers() -> None:
    assert FaultSpec(status=429, headers={"retry-after": 2}).headers == {"retry-after": "2"}  # type: ignore[dict-item]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "it has no fault: give one of status, refused, reset"),
    "no fault": ({"times": 2}, "it has no fault"),
    "two": ({"status": 429, "refused": True}, "status and refused are 2 faults: write an entry for each"),
    "two places": ({"reset": {"after_bytes": 1, "after_events": 1}}, "either after_bytes or after_events"),
    "no place": ({"reset": 3}, r"write true, {after_bytes: N} or {after_events: N}"),
    "not reset": ({"reset": False}, "write true"),
    "not refused": ({"refused": False}, "Input should be True"),
    "not malformed": ({"malformed_json": False}, "valid integer"),
    "endless silence": ({"read_timeout": {"silence_s": float("inf")}}, "finite number"),
    "no status": ({"status": 99}, "greater than or equal to 200"),
    "no event": ({"split_chunk": 0}, "greater than 0"),
    "any event": ({"split_chunk": True}, "valid integer"),
    "no blocks": ({"rechunk": -1}, "greater than or equal to 0"),
    "never": ({"status": 429, "times": 0}, "greater than 0"),
    "more than always": ({"status": 429, "rate": 1.5}, "less than or equal to 1"),
    "headers of nothing": ({"reset": True, "headers": {"a": "b"}}, "headers and body belong to a status"),
    "a body of nothing": ({"reset": True, "body": ""}, "headers and body belong to a status"),
    "a seed of nothing": ({"status": 429, "seed": 1}, "a seed belongs to a rate"),
    "something else": ({"status": 429, "tmes": 1}, "Extra inputs are not permitted"),
}


@pytest.mark.parametrize(("written", "problem"), WRONG.values(), ids=WRONG.keys())
def test_what_is_refused(written: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        FaultSpec(**written)


def test_its_schema_tells_editors_the_short_forms() -> None:
    """True in place of a place, merged in place of a size."""
    fields = FaultSpec.model_json_schema()["properties"]

    assert {"const": True, "type": "boolean"} in fields["reset"]["anyOf"]
    assert {"const": "merged", "type": "string"} in fields["rechunk"]["anyOf"]
