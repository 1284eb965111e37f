"""Fault plans: which calls go wrong, what comes then, and that wrong plans are explained."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tapeline.errors import ConfigError
from tapeline.latency.fault_spec import FaultSpec
from tapeline.latency.faults import FaultPlan, parse_faults, with_faults
from tapeline.latency.pacing import DueBlock, IncomingRequest, ScheduledResponse, TransportFailure

EVENTS = [b"data: {1}\n\n", b"data: {2}\n\n", b"data: {3}\n\n"]
ANSWER = ScheduledResponse(
    status=200,
    reason="OK",
    headers=(("content-type", "text/event-stream"),),
    head_due_s=0.25,
    blocks=[DueBlock(0.5 * number, event) for number, event in enumerate(EVENTS, start=1)],
)


def request(body: bytes = b"{}", path: str = "/v1/chat") -> IncomingRequest:
    return IncomingRequest(method="POST", url=f"http://host.test{path}?q=v2", headers={}, body=body)


def seen(plan: FaultPlan, calls: int, request: IncomingRequest = request()) -> list[str]:  # noqa: B008
    """What happens to calls in turn: the fault that breaks each, or those that bend it, or ok."""
    faults = [plan.next(request) for _ in range(calls)]
    return [told(fault) for fault in faults]


def told(fault: Any) -> str:
    if fault is None:
        return "ok"
    kinds = [spec.kind for spec in (*fault.bending, fault.breaking) if spec]
    return "+".join(str(fault.breaking.value) if kind == "status" else kind for kind in kinds)


# Which calls ------------------------------------------------------------------------------------------

SEQUENCES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "no faults": ([], ["ok", "ok"]),
    "once": ([{"status": 500}], ["500", "ok", "ok"]),
    "a number of times": ([{"status": 429, "times": 2}], ["429", "429", "ok"]),
    "one after the other": (
        [{"status": 429, "times": 2}, {"refused": True}, {"status": 500}],
        ["429", "429", "refused", "500", "ok"],
    ),
    "after others": ([{"status": 500, "after": 2}], ["ok", "ok", "500", "ok"]),
    "after those that get as far": (
        [{"status": 429}, {"reset": True, "after": 1}],
        ["429", "ok", "reset", "ok"],
    ),
    "always": ([{"rechunk": 1}], ["rechunk"] * 3),
    "bent and broken": (
        [{"rechunk": 1}, {"reset": {"after_events": 1}}, {"split_chunk": 1, "times": 2}],
        ["rechunk+split_chunk+reset", "rechunk+split_chunk", "rechunk"],
    ),
    "what gets no answer is not bent": (
        [{"rechunk": 1, "times": 1}, {"status": 429}],
        ["429", "rechunk", "ok"],
    ),
    "never": ([{"status": 429, "rate": 0}], ["ok", "ok"]),
    "by certain chance": ([{"status": 429, "rate": 1}], ["429"] * 4),
    "by certain chance, so often": ([{"status": 429, "rate": 1, "times": 1}], ["429", "ok"]),
}


@pytest.mark.parametrize(("specs", "expected"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_what_happens_to_calls_in_turn(specs: list[dict[str, Any]], expected: list[str]) -> None:
    assert seen(parse_faults(specs), len(expected)) == expected


def test_a_fault_may_be_for_some_paths_only() -> None:
    """Host and query do not count, and calls to other paths are not counted."""
    plan = parse_faults([{"status": 429, "match": "/chat", "after": 1}])

    assert seen(plan, 2, request(path="/v1/embeddings")) == ["ok", "ok"]
    assert seen(plan, 3) == ["ok", "429", "ok"]
    assert seen(parse_faults([{"status": 429, "match": "host"}, {"status": 429, "match": "v2"}]), 1) == ["ok"]


def test_a_count_is_right_when_threads_call_at_once() -> None:
    plan = parse_faults([{"status": 429, "times": 50}])

    with ThreadPoolExecutor(8) as threads:
        faults = list(threads.map(lambda _: plan.next(request()), range(200)))

    assert sum(fault is not None for fault in faults) == 50


def test_entries_that_no_call_has_met_are_told() -> None:
    """Those left to chance may well have met none."""
    plan = parse_faults([{"status": 429}, {"reset": True, "match": "/v2"}, {"refused": True, "rate": 0.0}])

    before = plan.unused()
    plan.next(request())

    assert before == ["faults[0] (status)", "faults[1] (reset)"]
    assert plan.unused() == ["faults[1] (reset)"]


# Chance -----------------------------------------------------------------------------------------------


def drawn(
    requests: Sequence[IncomingRequest], *, seed: int = 0, own_seed: int | None = None
) -> dict[bytes, bool]:
    plan = parse_faults([{"status": 503, "rate": 0.25, "seed": own_seed}], seed=seed)
    return {request.body: plan.next(request) is not None for request in requests}


REQUESTS = [request(b"%d" % number) for number in range(400)]


def test_chance_does_not_depend_on_the_order_of_requests() -> None:
    """It is of the rate that was asked for."""
    faults = drawn(REQUESTS)

    assert faults == drawn(REQUESTS[::-1])
    assert sum(faults.values()) == 100


def test_chance_depends_on_the_seed() -> None:
    """On that of the entry, or else of all."""
    assert drawn(REQUESTS, seed=1) == drawn(REQUESTS, seed=2, own_seed=1)
    assert drawn(REQUESTS, seed=1) != drawn(REQUESTS, seed=2)


def test_a_request_that_failed_by_chance_may_succeed_when_it_is_made_again() -> None:
    fates = seen(parse_faults([{"status": 503, "rate": 0.5}]), 20)

    assert {"503", "ok"} == set(fates)
    assert fates == seen(parse_faults([{"status": 503, "rate": 0.5}]), 20)


# What comes -------------------------------------------------------------------------------------------


def only(**spec: Any) -> Any:
    fault = parse_faults([spec]).next(request())
    assert fault is not None
    return fault


JSON = ("content-type", "application/json")

ERRORS: dict[str, tuple[dict[str, Any], str, tuple[tuple[str, str], ...], bytes]] = {
    "short": ({"status": 429}, "Too Many Requests", (JSON,), b'{"fault": "429 Too Many Requests"}'),
    "without a name": ({"status": 529}, "", (JSON,), b'{"fault": "529"}'),
    "with headers": (
        {"status": 503, "headers": {"Retry-After": 2}},
        "Service Unavailable",
        (JSON, ("retry-after", "2")),
        b'{"fault": "503 Service Unavailable"}',
    ),
    "with a tree": (
        {"status": 400, "body": {"error": {"code": 1}}},
        "Bad Request",
        (JSON,),
        b'{"error": {"code": 1}}',
    ),
    "with text": (
        {"status": 502, "body": "<p>Bad", "headers": {"content-type": "text/html"}},
        "Bad Gateway",
        (("content-type", "text/html"),),
        b"<p>Bad",
    ),
    "with bytes": ({"status": 500, "body": b"\xff"}, "Internal Server Error", (JSON,), b"\xff"),
}


@pytest.mark.parametrize(("spec", "reason", "headers", "body"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_comes_in_place_of_an_answer(
    spec: dict[str, Any], reason: str, headers: tuple[tuple[str, str], ...], body: bytes
) -> None:
    """At once, and as a replay: it has cost nothing."""
    assert only(**spec).answer == ScheduledResponse(
        status=spec["status"],
        reason=reason,
        headers=headers,
        head_due_s=0.0,
        blocks=(DueBlock(0.0, body),),
        is_replay=True,
    )


@pytest.mark.parametrize("kind", ["refused", "reset", "disconnect", "read_timeout"])
def test_a_connection_fails_in_place_of_an_answer(kind: Any) -> None:
    answer = only(**{kind: True}).answer

    assert answer.failure == TransportFailure(kind=kind)
    assert (answer.blocks, answer.is_replay) == ((), True)


def test_a_connection_may_be_silent_before_it_fails() -> None:
    assert only(read_timeout={"silence_s": 60}).answer.failure == TransportFailure(
        kind="read_timeout", at_s=60.0
    )


@pytest.mark.parametrize("kind", ["reset", "disconnect", "read_timeout"])
@pytest.mark.parametrize(
    ("place", "blocks", "at_s"),
    [
        ({"after_events": 2}, ANSWER.blocks[:2], 1.0),
        ({"after_bytes": 11, "silence_s": 2}, ANSWER.blocks[:1], 2.5),
        ({"after_bytes": 0}, [], 0.25),
    ],
    ids=["events", "bytes", "nothing"],
)
def test_a_connection_fails_within_an_answer(
    kind: Any, place: dict[str, Any], blocks: Sequence[DueBlock], at_s: float
) -> None:
    """Which stays for the next try."""
    fault = only(**{kind: place})

    assert (fault.answer, fault.consumes) == (None, False)
    broken = fault.applied(ANSWER)
    assert (list(broken.blocks), broken.failure) == (
        list(blocks),
        TransportFailure(kind=kind, at_s=at_s, has_head=True),
    )


def data(fault: Any) -> list[bytes]:
    return [block.data for block in fault.applied(ANSWER).blocks]


def test_an_answer_is_garbled() -> None:
    """It too stays for the next try."""
    fault = only(malformed_json=2)

    assert data(fault) == [EVENTS[0], b"data: {2 \n\n", EVENTS[2]]
    assert (fault.answer, fault.consumes) == (None, False)


BENT: dict[str, tuple[dict[str, Any], list[bytes]]] = {
    "duplicate_chunk": ({"duplicate_chunk": 2}, [*EVENTS[:2], EVENTS[1], EVENTS[2]]),
    "split_chunk": ({"split_chunk": 3}, [*EVENTS[:2], EVENTS[2][:5], EVENTS[2][5:]]),
    "rechunk": ({"rechunk": 30}, [b"".join(EVENTS)[:30], b"".join(EVENTS)[30:]]),
    "merged": ({"rechunk": "merged"}, [b"".join(EVENTS)]),
}


@pytest.mark.parametrize(("spec", "blocks"), BENT.values(), ids=BENT.keys())
def test_an_answer_is_bent(spec: dict[str, Any], blocks: list[bytes]) -> None:
    """The call gets it all, so that it is used up."""
    fault = only(**spec)

    assert data(fault) == blocks
    assert (fault.answer, fault.consumes) == (None, True)


def test_an_answer_drips() -> None:
    dripped = only(slow_drip={"bytes": 11, "every_ms": 750}).applied(ANSWER)

    assert dripped.blocks == [
        DueBlock(due_s, event) for due_s, event in zip([0.5, 1.25, 2.0], EVENTS, strict=True)
    ]


def test_an_answer_is_bent_before_it_breaks() -> None:
    """In the order of the entries, wherever the one that breaks it stands."""
    plan = parse_faults([{"reset": {"after_events": 3}}, {"duplicate_chunk": 1}, {"rechunk": "merged"}])

    assert data(plan.next(request())) == [EVENTS[0] + EVENTS[0] + EVENTS[1]]


# Handlers ---------------------------------------------------------------------------------------------


def test_any_handler_can_be_made_to_fail() -> None:
    """It is asked only for what it has to answer."""
    asked: list[IncomingRequest] = []

    def handler(request: IncomingRequest) -> ScheduledResponse:
        asked.append(request)
        return ANSWER

    faulty = with_faults(handler, parse_faults([{"status": 429}, {"malformed_json": True}]))
    first, second, third = (faulty(request()) for _ in range(3))

    assert (first.status, second.blocks[0].data, third) == (429, b"data: {1 \n\n", ANSWER)
    assert len(asked) == 2


# Mistakes ---------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[Any, str]] = {
    "no list": ({"status": 429}, r"faults is a list of tables, such as \[{status: 429, times: 2}\]"),
    "text": ("reset", "faults is a list of tables"),
    "no table": ([{"status": 429}, "reset"], r"faults\[1\]: an entry is a table"),
    "a key": (
        [{"status": 429}, {"reset": True, "tmes": 2}],
        r"faults\[1\].tmes: unknown key; did you mean 'times'\?",
    ),
    "a key of a place": ([{"reset": {"after_byts": 2}}], r"faults\[0\].reset.after_byts: .* 'after_bytes'\?"),
    "a key of a drip": (
        [{"slow_drip": {"bytes": 1, "every_ms": 1, "every_s": 1}}],
        r"faults\[0\].slow_drip.every_s: .* 'every_ms'\?",
    ),
    "nothing like it": (
        [{"reset": {"xyz": 2}}],
        "xyz: unknown key; use after_bytes, after_events, silence_s",
    ),
    "a value": ([{"status": 99}], r"faults\[0\].status: Input should be greater than or equal to 200"),
    "no fault": ([{}], r"faults\[0\]: it has no fault: give one of status,"),
    "several": ([{"status": 99, "rate": 2}], r"faults\[0\].status: .*; faults\[0\].rate: "),
}


@pytest.mark.parametrize(("specs", "problem"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_named_with_its_place(specs: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_faults(specs)


def test_a_plan_can_be_made_of_what_a_scenario_has_read() -> None:
    assert seen(parse_faults([FaultSpec(status=429)]), 2) == ["429", "ok"]
