"""A tape: what it answers in which order, at what pace, and what it writes down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import httpx2
import openai
import pytest
from clients import TLS
from recordings import URL, answers, chat, interaction, request, response, timed

from tapeline.cassettes import Matcher, RecordMode, Tape
from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.review.spending import Meter
from tapeline.cassettes.storage.fileformat import save
from tapeline.clock import VirtualClock
from tapeline.errors import BudgetExceededError, CassetteMissError
from tapeline.http.transport import HandlerTransport
from tapeline.latency.faults import parse_faults
from tapeline.latency.pacing import DueBlock, Recorded, parse_pace


def played(tape: Tape, *prompts: str) -> list[bytes]:
    """The bodies that answer these prompts."""
    found = [tape(request(chat(prompt))) for prompt in prompts]
    return [b"".join(block.data for block in answer.blocks) for answer in found]


def tape_of(*pairs: tuple[str, bytes], **options: Any) -> Tape:
    return Tape(
        source="tape.yaml",
        interactions=answers(*((chat(prompt), answer) for prompt, answer in pairs)),
        **options,
    )


# Order --------------------------------------------------------------------------------------------------


def test_each_request_gets_its_own_answer_in_any_order() -> None:
    tape = tape_of(("a", b"A"), ("b", b"B"), ("c", b"C"))

    assert played(tape, "c", "a", "b") == [b"C", b"A", b"B"]


def test_equal_requests_are_answered_in_recorded_order() -> None:
    tape = tape_of(("a", b"first"), ("b", b"B"), ("a", b"second"))

    assert played(tape, "a", "a") == [b"first", b"second"]


def test_a_recording_is_played_once() -> None:
    tape = tape_of(("a", b"A"))
    played(tape, "a")

    with pytest.raises(CassetteMissError, match="already played"):
        played(tape, "a")


def test_a_looping_tape_starts_over() -> None:
    tape = tape_of(("a", b"first"), ("a", b"second"), is_looping=True)

    assert played(tape, *"aaaaa") == [b"first", b"second", b"first", b"second", b"first"]
    assert tape.play_counts == {0: 3, 1: 2}


def test_what_may_differ_is_ignored() -> None:
    tape = tape_of(("a", b"A"), matcher=Matcher(("$.messages[*].content",)))

    assert played(tape, "something else") == [b"A"]


def test_a_long_tape_is_as_fast_as_a_short_one() -> None:
    """Each request is hashed once: a replay of all that stock vcrpy needs minutes for."""
    hashed = 0

    class Counting(Matcher):
        def digest(self, asked: Any) -> bytes:
            nonlocal hashed
            hashed += 1
            return super().digest(asked)

    prompts = [f"prompt {number}" for number in range(500)]
    tape = tape_of(*((prompt, prompt.encode()) for prompt in prompts), matcher=Counting())

    assert played(tape, *reversed(prompts)) == [prompt.encode() for prompt in reversed(prompts)]
    assert hashed == 2 * len(prompts)


# Record modes -------------------------------------------------------------------------------------------

MODES: list[tuple[RecordMode, bool, bool, bool]] = [
    # mode, has recordings -> may it record, does it answer
    ("none", False, False, False),
    ("none", True, False, True),
    ("once", False, True, False),
    ("once", True, False, True),
    ("new_episodes", False, True, False),
    ("new_episodes", True, True, True),
    ("all", False, True, False),
    ("all", True, True, False),
]


@pytest.mark.parametrize(("mode", "has_recordings", "may_record", "answers_"), MODES)
def test_a_mode_says_what_is_recorded_and_what_is_played(
    mode: RecordMode, has_recordings: bool, may_record: bool, answers_: bool
) -> None:
    tape = tape_of(*[("a", b"A")] * has_recordings, record_mode=mode)

    assert tape.may_record is may_record
    assert (tape.find(request(chat("a"))) is not None) is answers_


def record(tape: Tape, prompt: str, answer: bytes) -> None:
    recording = tape.record(request(chat(prompt)))
    recording.head(200, "OK", [])
    recording.block(answer)
    recording.complete()


def kept(tape: Tape) -> list[bytes]:
    return [item.response.body for item in tape.to_save()]


def test_new_recordings_come_after_the_old_ones() -> None:
    tape = tape_of(("a", b"A"), record_mode="new_episodes")

    record(tape, "b", b"B")

    assert kept(tape) == [b"A", b"B"]


def test_a_tape_that_records_all_keeps_nothing_old() -> None:
    tape = tape_of(("a", b"A"), record_mode="all")

    record(tape, "b", b"B")

    assert kept(tape) == [b"B"]


def test_recordings_are_kept_in_the_order_the_calls_began() -> None:
    tape = Tape(source="t", record_mode="once")

    first, second = tape.record(request(chat("a"))), tape.record(request(chat("b")))
    for recording, answer in ((second, b"B"), (first, b"A")):
        recording.head(200, "OK", [])
        recording.block(answer)
        recording.complete()

    assert kept(tape) == [b"A", b"B"]


# Pace ---------------------------------------------------------------------------------------------------

SLOW = interaction(
    request(chat("slow")), timed((b"one ", 10.0), (b"two ", 20.0), (b"three", 38.0), head_s=2.0)
)


def delivered(tape: Tape, clock: VirtualClock, module: Any = httpx2) -> list[tuple[float, bytes]]:
    """Read the slow recording through a blocking client: (seconds, bytes) of each block."""
    with intercepted(tape), module.Client(timeout=None, verify=TLS) as client:
        start_ns = clock.now_ns()
        with client.stream("POST", URL, json=chat("slow")) as answer:
            head_s = (clock.now_ns() - start_ns) / 1e9
            blocks = [((clock.now_ns() - start_ns) / 1e9, block) for block in answer.iter_raw()]
    return [(head_s, b""), *blocks]


def adelivered(tape: Tape, clock: VirtualClock, module: Any = httpx2) -> list[tuple[float, bytes]]:
    """The same through an asyncio client on the virtual loop."""

    async def read() -> list[tuple[float, bytes]]:
        async with module.AsyncClient(timeout=None, verify=TLS) as client:
            start_ns = clock.now_ns()
            async with client.stream("POST", URL, json=chat("slow")) as answer:
                head_s = (clock.now_ns() - start_ns) / 1e9
                blocks = [((clock.now_ns() - start_ns) / 1e9, block) async for block in answer.aiter_raw()]
        return [(head_s, b""), *blocks]

    with intercepted(tape):
        return clock.run(read())


PACES = {
    "none": [(0.0, b""), (0.0, b"one "), (0.0, b"two "), (0.0, b"three")],
    "recorded": [(2.0, b""), (12.0, b"one "), (22.0, b"two "), (40.0, b"three")],
    "recorded*0.5": [(1.0, b""), (6.0, b"one "), (11.0, b"two "), (20.0, b"three")],
    "recorded*0": [(0.0, b""), (0.0, b"one "), (0.0, b"two "), (0.0, b"three")],
}


@pytest.mark.parametrize("read", [delivered, adelivered], ids=["blocking", "asyncio"])
@pytest.mark.parametrize("module", [httpx2, httpx], ids=["httpx2", "httpx"])
@pytest.mark.parametrize(("pace", "expected"), PACES.items(), ids=PACES.keys())
def test_a_pace_says_when_blocks_arrive(
    read: Callable[..., Any], module: Any, pace: str, expected: list[tuple[float, bytes]]
) -> None:
    clock = VirtualClock()
    tape = Tape(source="t", interactions=[SLOW], pace=parse_pace(pace), clock=clock)

    assert read(tape, clock, module) == expected


@pytest.mark.parametrize("read", [delivered, adelivered], ids=["blocking", "asyncio"])
def test_a_profile_draws_the_same_times_for_the_same_seed(read: Callable[..., Any]) -> None:
    def run(seed: int) -> list[tuple[float, bytes]]:
        clock = VirtualClock()
        tape = Tape(source="t", interactions=[SLOW], pace=parse_pace("hosted", seed=seed), clock=clock)
        return list(read(tape, clock))

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert [at_s for at_s, _ in run(1)] == sorted(at_s for at_s, _ in run(1))
    assert b"".join(block for _, block in run(1)) == SLOW.response.body


def test_a_profile_draws_other_times_for_the_next_response() -> None:
    tape = Tape(source="t", interactions=[SLOW, SLOW], pace=parse_pace("hosted"))

    first, second = (tape(SLOW.request).head_due_s for _ in range(2))

    assert first != second


def test_without_recorded_times_everything_comes_at_once() -> None:
    """As in a plain vcrpy file."""
    tape = Tape(source="t", interactions=[interaction(answer=response(b"body"))], pace=Recorded())

    answer = tape(request())

    assert answer.head_due_s == 0.0
    assert answer.blocks == (DueBlock(0.0, b"body"),)


def test_headers_of_one_connection_are_not_replayed() -> None:
    headers = [("Content-Length", "99"), ("Transfer-Encoding", "chunked"), ("X-Request-Id", "1")]
    tape = Tape(source="t", interactions=[interaction(answer=response(b"body", headers=headers))])

    assert tape(request()).headers == (("X-Request-Id", "1"),)


def test_a_long_pause_is_a_timeout_for_who_would_not_have_waited() -> None:
    clock = VirtualClock()
    tape = Tape(source="t", interactions=[SLOW], pace=Recorded(), clock=clock)

    with intercepted(tape), pytest.raises(httpx2.ReadTimeout):
        httpx2.post(URL, json=chat("slow"), timeout=15.0)

    assert clock.now_ns() / 1e9 == 22.0 + 15.0


# Determinism --------------------------------------------------------------------------------------------


def long_stream() -> Interaction:
    """Forty seconds of an OpenAI stream."""
    lines = [
        b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
        b'"delta":{"content":"word%d "},"finish_reason":null}]}\n\n' % number
        for number in range(400)
    ]
    blocks = [(line, 0.1 * (number + 1)) for number, line in enumerate(lines)]
    return interaction(
        request(chat("long") | {"stream": True}),
        timed(*blocks, (b"data: [DONE]\n\n", 40.0), headers=[("content-type", "text/event-stream")]),
    )


def chunk_times(tape: Tape, clock: VirtualClock) -> str:
    """When an SDK's user saw which chunk, as JSON."""
    http_client = httpx2.Client(transport=HandlerTransport(tape, clock), timeout=None)
    with openai.OpenAI(base_url="http://model.test/v1", api_key="k", http_client=http_client) as client:
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "long"}], stream=True
        )
        return json.dumps([(clock.now_ns(), chunk.choices[0].delta.content) for chunk in stream])


def test_forty_recorded_seconds_are_the_same_at_every_replay() -> None:
    """And take no time: what is asserted is the virtual clock alone."""
    runs = []

    for _ in range(2):
        clock = VirtualClock()
        tape = Tape(source="t", interactions=[long_stream()], pace=Recorded(), clock=clock)
        runs.append(chunk_times(tape, clock))
        assert clock.now_ns() == 40 * 10**9

    assert runs[0] == runs[1]
    assert len(json.loads(runs[0])) == 400


OTHER_PROCESS = """
    import sys
    import httpx2
    from tapeline.cassettes import load_tape
    from tapeline.clock import VirtualClock
    from tapeline.http.transport import HandlerTransport

    for pace in ("recorded", "hosted"):
        clock = VirtualClock()
        tape = load_tape(sys.argv[1], pace=pace, clock=clock)
        client = httpx2.Client(transport=HandlerTransport(tape, clock), timeout=None)
        body = tape.interactions[0].request.body
        with client.stream("POST", "http://model.test/v1/chat/completions", content=body) as answer:
            for block in answer.iter_raw():
                print(clock.now_ns(), len(block))
"""


@pytest.mark.slow
def test_other_processes_see_the_same_times(tmp_path: Path) -> None:
    """Whatever the seed of their hashes."""
    path = tmp_path / "long.yaml"
    save(path, [long_stream()])

    outputs = {
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(OTHER_PROCESS), str(path)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }

    [output] = outputs
    assert output.count(b"\n") == 2 * 401


# Faults, drift and cost ---------------------------------------------------------------------------------


def test_a_fault_that_breaks_a_call_leaves_its_recording_for_the_next_try() -> None:
    """An error in place of the answer, or a cut in the middle of it: then all is well."""
    for fault in ({"status": 429}, {"reset": {"after_bytes": 1}}, {"refused": True}):
        tape = tape_of(("a", b"whole"), faults=parse_faults([fault]))

        broken, whole = tape(request(chat("a"))), tape(request(chat("a")))

        assert broken.status != 200 or broken.failure is not None
        assert whole.failure is None
        assert b"".join(block.data for block in whole.blocks) == b"whole"
        assert tape.play_counts == {0: 1}


def test_a_fault_that_bends_an_answer_plays_it() -> None:
    tape = tape_of(("a", b"abc"), faults=parse_faults([{"rechunk": 1}]))

    answer = tape(request(chat("a")))

    assert [block.data for block in answer.blocks] == [b"a", b"b", b"c"]
    assert tape.unplayed() == []


def test_drift_is_kept_by_a_tape_that_watches() -> None:
    for watches, count in ((True, 1), (False, 0)):
        tape = tape_of(("a", b"A"), watches_drift=watches, matcher=Matcher(("$.seed",)))

        tape(request(chat("a") | {"seed": 2}))

        assert [position for position, _ in tape.drifts] == [0] * count


def test_unplayed_recordings_are_known() -> None:
    tape = tape_of(("a", b"A"), ("b", b"B"), ("a", b"A2"))

    played(tape, "a")

    assert tape.unplayed() == [1, 2]


def test_a_recording_that_a_broken_call_asked_for_is_not_unplayed() -> None:
    """Its client gave up; one that asks again still gets it."""
    for fault in ({"status": 500}, {"refused": True}, {"reset": {"after_bytes": 1}}):
        tape = tape_of(("a", b"A"), ("b", b"B"), faults=parse_faults([fault]))

        tape(request(chat("a")))

        assert (tape.unplayed(), tape.play_counts.total()) == ([1], 0)


def test_verifying_compares_shapes_and_keeps_nothing() -> None:
    """A call that was never recorded has nothing to be compared with."""
    tape = tape_of(("a", b'{"choices": [], "gone": 1}'), record_mode="verify")
    assert tape.answer(request(chat("a"))) is None

    record(tape, "a", b'{"choices": []}')
    record(tape, "b", b"{}")

    known, unknown = tape.verified()
    assert known.position == 0
    assert [difference.is_breaking for difference in known.differences] == [True]
    assert unknown.position is None
    assert tape.recorded() == []
    assert tape.unplayed() == []


def test_a_budget_ends_live_calls_and_no_replay() -> None:
    """Whole answers are counted when they have come."""
    meter = Meter(Decimal("0.000001"))
    tape = Tape(source="t", record_mode="new_episodes", meter=meter)
    message = {"role": "assistant", "content": "yes"}
    answer = {
        "model": "gpt-5.4-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 9},
    }
    assert tape.answer(request(chat("a"))) is None
    record(tape, "a", json.dumps(answer).encode())

    assert meter.spent.totals.calls == 1
    with pytest.raises(BudgetExceededError):
        tape.answer(request(chat("b")))


# Random ids ---------------------------------------------------------------------------------------------

A, B, C = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")


def test_a_request_with_another_random_id_is_the_same_where_no_other_is() -> None:
    """Such as a session's, made up anew by each run. The very same id comes first."""
    tape = tape_of((f"session {A}", b"for a"), (f"session {B}", b"for b"), ("plain", b"P"))

    assert played(tape, f"session {B}", f"session {C}", "plain") == [b"for b", b"for a", b"P"]
    assert tape.find(request(chat(f"session {C}"))) is None


def test_ids_that_are_equal_or_differ_mean_something() -> None:
    """A request that names one document twice is no request about two."""
    tape = tape_of((f"compare {A} with {B}", b"two"), (f"compare {A} with {A}", b"one"))

    assert played(tape, f"compare {C} with {C}", f"compare {B} with {C}") == [b"one", b"two"]
