"""Runs scenarios as a benchmark: many calls against a tape, on the virtual clock or the real one.

Closed loop: a fixed number of workers, each of which sends its next call when its last one has ended.
On the virtual clock a run is a function of (code, scenarios, cassettes, pace, seed): no wall time enters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce
from typing import Any, Literal

import httpx2

from tapeline import __version__
from tapeline.bench.records import CallRecord
from tapeline.bench.results import Results, summarise
from tapeline.cassettes import Tape, load_tape
from tapeline.client import ProviderModel, chat_model
from tapeline.client.tool_loop import added_usage
from tapeline.clock import NS_PER_S, Clock, SystemClock, VirtualClock
from tapeline.errors import CassetteMissError, LLMError
from tapeline.http.transport import HandlerTransport
from tapeline.latency.faults import FaultPlan
from tapeline.latency.pacing import (
    Handler,
    IncomingRequest,
    Pace,
    ScheduledResponse,
    Simulated,
    parse_pace,
)
from tapeline.scenarios.conversation import Answer, converse
from tapeline.scenarios.execution import REPLAY_KEY, cost_of, replaying_model
from tapeline.scenarios.loading import ScenarioFile
from tapeline.scenarios.outcome import Turn
from tapeline.scenarios.schema import Load
from tapeline.scenarios.targets import Target
from tapeline.types import Message, Usage

DEFAULT_PACES = ("recorded", "hosted")

Progress = Callable[[str], None]
"""Hears of each call that has ended, with the name of its cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run: every scenario, against each of its targets, at each pace.

    requests, concurrency: over what the scenarios say, where given.
    """

    files: Sequence[ScenarioFile]
    paces: Sequence[str] = DEFAULT_PACES
    seed: int = 0
    clock: Literal["virtual", "real"] = "virtual"
    requests: int | None = None
    concurrency: int | None = None

    def cells(self) -> Iterator[tuple[ScenarioFile, Target, str, Load]]:
        for file in self._cases():
            load = Load(
                requests=self.requests or file.scenario.load.requests,
                concurrency=self.concurrency or file.scenario.load.concurrency,
            )
            for pace in self.paces:
                for target in file.scenario.targets:
                    yield file, target, pace, load

    def _cases(self) -> Iterator[ScenarioFile]:
        cases = (case for file in self.files for case in file.cases())
        return (case for case in cases if case.scenario.skip is None)

    @property
    def calls(self) -> int:
        return sum(load.requests for *_, load in self.cells())


def run_benchmark(plan: Plan, *, on_call: Progress, command: str | None = None) -> Results:
    """Run a plan and sum it up. Raises ConfigError, CassetteError; errors of calls are results."""
    records: list[CallRecord] = []
    for file, target, pace, load in plan.cells():
        records += run_cell(file, target, pace=pace, load=load, plan=plan, on_call=on_call)
    return Results(
        tapeline_version=__version__,
        clock=plan.clock,
        seed=plan.seed,
        load_shape=_load_shape(plan),
        command=command,
        cells=tuple(summarise(records)),
    )


def _load_shape(plan: Plan) -> str:
    numbers = sorted({load.concurrency for *_, load in plan.cells()})
    return f"closed loop, {' or '.join(map(str, numbers))} calls at a time"


def run_cell(
    file: ScenarioFile, target: Target, *, pace: str, load: Load, plan: Plan, on_call: Progress
) -> list[CallRecord]:
    """Make the calls of one scenario to one target at one pace; return them in order."""
    clock: Clock = VirtualClock() if plan.clock == "virtual" else SystemClock()
    tape = load_tape(
        file.cassette(target),
        pace=_pace(pace, target, plan.seed),
        clock=clock,
        ignore=file.scenario.match.ignore,
        faults=FaultPlan(file.scenario.faults, seed=plan.seed),
        is_looping=True,
    )
    cell = _Cell(file, target, pace, tape, on_call)
    return _run(clock, cell.closed_loop(load))


def _pace(name: str, target: Target, seed: int) -> Pace:
    """Return the pace; a simulated one lets a plain answer take one gap per output token."""
    pace = parse_pace(name, seed=seed)
    if not isinstance(pace, Simulated):
        return pace
    codec = chat_model(target.model, api_key=REPLAY_KEY, base_url=target.base_url).codec

    def output_tokens(body: bytes) -> int:
        try:
            return codec.decode_response(body).usage.output_tokens or 0
        except LLMError:
            return 0  # an error has no tokens to wait for

    return replace(pace, parts_of=output_tokens)


def _run(clock: Clock, main: Coroutine[Any, Any, list[CallRecord]]) -> list[CallRecord]:
    return clock.run(main) if isinstance(clock, VirtualClock) else asyncio.run(main)


class _Cell:
    """The calls of one scenario to one target at one pace."""

    def __init__(self, file: ScenarioFile, target: Target, pace: str, tape: Tape, on_call: Progress) -> None:
        self._file = file
        self._scenario = file.scenario
        self._target = target
        self._pace = pace
        self._tape = tape
        self._clock = tape.clock
        self._on_call = on_call

    async def closed_loop(self, load: Load) -> list[CallRecord]:
        transport = HandlerTransport(counting(self._tape), self._clock)
        model = replaying_model(self._target, httpx2.AsyncClient(transport=transport), self._clock)
        start_ns = self._clock.now_ns()
        indices = iter(range(load.requests))
        records: list[CallRecord] = []

        async def work() -> None:
            for index in indices:
                records.append(await self._call(model, index, start_ns))
                self._on_call(f"{self._file.label} {self._target.model} {self._pace}")

        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(load.concurrency, load.requests)):
                    workers.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None  # the workers all meet the same one
        return sorted(records, key=lambda record: record.index)

    async def _call(self, model: ProviderModel, index: int, start_ns: int) -> CallRecord:
        called_ns = self._clock.now_ns()
        traffic = Traffic()
        _traffic.set(traffic)
        turns: list[Turn] = []
        failure: LLMError | None = None
        try:
            turns = await self._turns(model)
        except CassetteMissError:
            raise
        except LLMError as error:
            failure = error
        first, last = (turns[0], turns[-1].run.reply) if turns else (None, None)
        return CallRecord(
            scenario=self._file.label,
            model=self._target.model,
            pace=self._pace,
            index=index,
            started_s=(called_ns - start_ns) / NS_PER_S,
            total_s=(self._clock.now_ns() - called_ns) / NS_PER_S,
            ttft_s=first.ttft_s if first else None,
            chunk_at_s=first.chunk_at_s if first else (),
            usage=reduce(added_usage, (turn.run.usage for turn in turns), Usage()),
            cost_usd=self._cost_usd(turns),
            priced_as=self._target.price_as,
            finish_reason=last.finish_reason if last else None,
            error_code=failure.code if failure else None,
            is_error=(failure.code if failure else None) != self._scenario.error,
            http_calls=traffic.calls,
            request_bytes=traffic.request_bytes,
        )

    async def _turns(self, model: ProviderModel) -> list[Turn]:
        async def ask(messages: tuple[Message, ...], arguments: Mapping[str, Any]) -> Answer:
            if not self._scenario.stream:
                return Answer(await model.agenerate(messages, **arguments))
            async with model.astream(messages, **arguments) as stream:
                async for _ in stream:
                    continue
            return Answer(stream.reply)

        turns = converse(self._scenario, self._target, folder=self._file.folder, clock=self._clock, ask=ask)
        return [turn async for turn in turns]

    def _cost_usd(self, turns: Sequence[Turn]) -> Decimal | None:
        costs = [cost_of(self._target, turn.run) for turn in turns]
        return sum(filter(None, costs), Decimal(0)) if costs and None not in costs else None


# Traffic ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Traffic:
    """What one call sent."""

    calls: int = 0
    request_bytes: int = 0


_traffic: ContextVar[Traffic] = ContextVar("tapeline_bench_traffic")


def counting(handler: Handler) -> Handler:
    """Return a handler that also counts the requests of the call it is asked by."""

    def handle(request: IncomingRequest) -> ScheduledResponse:
        traffic = _traffic.get()
        traffic.calls += 1
        traffic.request_bytes += len(request.body)
        return handler(request)

    return handle
