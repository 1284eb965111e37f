"""Running scenarios: against a tape when replaying, against the real thing when recording.

What was recorded is replayed at once, and that is the outcome: a recording that cannot be replayed is found
out when it is made, and a snapshot holds what every later run will see.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import closing
from decimal import Decimal
from typing import Any

import httpx2

from tapeline.cassettes import RecordMode, load_tape, save_tape
from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.spending import Meter
from tapeline.cassettes.tape import Tape
from tapeline.client import ProviderModel, chat_model
from tapeline.client.tool_loop import ToolRun
from tapeline.clock import Clock, SystemClock, VirtualClock
from tapeline.errors import CassetteError, ConfigError, LLMError
from tapeline.http.io import run_blocking
from tapeline.http.transport import HandlerTransport
from tapeline.latency.faults import FaultPlan
from tapeline.latency.pacing import Handler, IncomingRequest, Pace, ScheduledResponse
from tapeline.policies.pricing import cost_usd
from tapeline.scenarios.assessment import last_turn, problems
from tapeline.scenarios.conversation import Answer, Ask, converse
from tapeline.scenarios.loading import ScenarioFile
from tapeline.scenarios.outcome import Outcome, outcome_of, outcome_of_error
from tapeline.scenarios.schema import Scenario
from tapeline.scenarios.targets import Target
from tapeline.types import Message

REPLAY_KEY = "replayed"
"""A key for clients that insist on one; it is never sent anywhere."""

TIMED_CHECKS = frozenset({"latency", "not-latency", "ttft", "not-ttft"})
DIGEST_CHARACTERS = 16

Digest = Callable[[IncomingRequest], str]


def run_target(
    file: ScenarioFile,
    target: Target,
    *,
    record_mode: RecordMode = "none",
    pace: str | Pace | None = None,
    clock: Clock | None = None,
    meter: Meter | None = None,
) -> list[Outcome]:
    """Make the calls of a scenario, or of one case, to one target; return the outcome of each turn in order.

    Replays from the cassette, or records into it, as `record_mode` says; replays run in virtual time
    unless another clock is given, so no pace and no retry costs real time. pace: over the scenario's.
    meter: counts what is recorded. verify asks the real model and raises CassetteError where its answers
    have another shape. Raises CassetteError, ConfigError; LLMError for a failure the scenario does not want.
    """
    _refuse_table(file)
    tape = _tape(file, target, record_mode, clock or SystemClock(), meter)
    if tape.may_send:
        with intercepted(tape), closing(live_model(target, tape.clock)) as model:
            outcomes = _outcomes(file, target, model, tape.clock)
        if not file.scenario.faults and problems(file, target, outcomes):
            return outcomes  # a recording that fails its own checks is not kept
        _refuse_changes(tape)
        save_tape(tape, file.cassette(target))
    return _replayed(file, target, pace or pace_of(file.scenario), clock or VirtualClock())


def _refuse_table(file: ScenarioFile) -> None:
    if file.scenario.cases:
        raise ConfigError(f"{file.path} has a table of cases: run each of file.cases()")


def pace_of(scenario: Scenario) -> str:
    """Return the pace a scenario asks for: what checks time is worth nothing without any."""
    if scenario.pace is not None:
        return scenario.pace
    turns = range(max(1, len(scenario.turns)))
    names = {check.name for turn in turns for check in scenario.checks_of_turn(turn)}
    return "recorded" if names & TIMED_CHECKS else "none"


# Models -------------------------------------------------------------------------------------------------


def live_model(target: Target, clock: Clock) -> ProviderModel:
    """Return the model of a target over real connections."""
    return chat_model(target.model, base_url=target.base_url, clock=clock)


def replaying_model(
    target: Target, http_client: httpx2.Client | httpx2.AsyncClient, clock: Clock
) -> ProviderModel:
    """Return the model of a target over a client that a tape answers."""
    return chat_model(
        target.model, api_key=REPLAY_KEY, base_url=target.base_url, http_client=http_client, clock=clock
    )


def cost_of(target: Target, run: ToolRun) -> Decimal | None:
    """Return what the answers of a turn cost in USD, None if no price is known."""
    if target.price_as is None:
        return run.cost_usd
    provider, _, model = target.price_as.partition(":")
    return cost_usd(provider, model, run.usage)


# Calls --------------------------------------------------------------------------------------------------


def _tape(
    file: ScenarioFile, target: Target, record_mode: RecordMode, clock: Clock, meter: Meter | None
) -> Tape:
    tape = load_tape(
        file.cassette(target),
        record_mode=record_mode,
        clock=clock,
        ignore=file.scenario.match.ignore,
        meta={"upstream": target.upstream} if target.upstream else {},
    )
    tape.meter = meter
    return tape


def _refuse_changes(tape: Tape) -> None:
    """Raise CassetteError for answers that no longer have the shape of the recorded ones."""
    lines = [
        f"interaction {verdict.position + 1}: {difference}"
        if verdict.position is not None
        else f"not recorded: {verdict.request.method} {verdict.request.url}"
        for verdict in tape.verified()
        for difference in verdict.differences or (("",) if verdict.position is None else ())
    ]
    if lines:
        raise CassetteError(f"{tape.source}: the answers of today differ in shape:\n" + "\n".join(lines))


def _replayed(file: ScenarioFile, target: Target, pace: str | Pace, clock: Clock) -> list[Outcome]:
    scenario = file.scenario
    tape = load_tape(
        file.cassette(target),
        pace=pace,
        clock=clock,
        ignore=scenario.match.ignore,
        faults=FaultPlan(scenario.faults),
    )
    tape.command = recording_command(file, target)
    asked: list[IncomingRequest] = []
    transport = HandlerTransport(_noting(tape, asked), clock)
    model = replaying_model(target, httpx2.Client(transport=transport), clock)
    return _outcomes(file, target, model, clock, asked=asked, digest=tape.matcher.digest)


def recording_command(file: ScenarioFile, target: Target) -> str:
    """Return what records the answers that a target lacks."""
    case = ["--case", file.case] if file.case else []
    return shlex.join(["tapeline", "record", str(file.path), "--target", target.id, *case])


def _noting(handler: Handler, asked: list[IncomingRequest]) -> Handler:
    """Return a handler that keeps the requests it was asked."""

    def handle(request: IncomingRequest) -> ScheduledResponse:
        asked.append(request)
        return handler(request)

    return handle


def _outcomes(
    file: ScenarioFile,
    target: Target,
    model: ProviderModel,
    clock: Clock,
    *,
    asked: list[IncomingRequest] | None = None,
    digest: Callable[[IncomingRequest], bytes] = lambda request: b"",
) -> list[Outcome]:
    asked = [] if asked is None else asked

    def digests() -> tuple[str, ...]:
        sent = tuple(digest(request).hex()[:DIGEST_CHARACTERS] for request in asked)
        asked.clear()
        return sent

    calls = (_conversation(file, target, model, clock, digests) for _ in range(file.scenario.repeat))
    return [outcome for call in calls for outcome in run_blocking(call)]


async def _conversation(
    file: ScenarioFile,
    target: Target,
    model: ProviderModel,
    clock: Clock,
    digests: Callable[[], tuple[str, ...]],
) -> list[Outcome]:
    scenario = file.scenario
    outcomes: list[Outcome] = []
    try:
        async for turn in converse(
            scenario, target, folder=file.folder, clock=clock, ask=_blocking(model, scenario)
        ):
            cost = cost_of(target, turn.run)
            outcomes.append(outcome_of(turn, cost_usd=cost, request_digests=digests()))
    except LLMError as error:
        is_last = len(outcomes) == last_turn(scenario)
        if scenario.error is None or error.code.value != scenario.error or not is_last:
            raise
        outcomes.append(outcome_of_error(error, request_digests=digests()))
    return outcomes


def _blocking(model: ProviderModel, scenario: Scenario) -> Ask:
    async def ask(messages: tuple[Message, ...], arguments: Mapping[str, Any]) -> Answer:
        if not scenario.stream:
            return Answer(model.generate(messages, **arguments))
        with model.stream(messages, **arguments) as stream:
            chunks = tuple(stream)
        return Answer(stream.reply, chunks)

    return ask
