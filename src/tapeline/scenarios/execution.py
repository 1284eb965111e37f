"""Running scenarios: against a tape when replaying, against the real thing when recording.

What was recorded is replayed at once, and that is the outcome: a recording that cannot be replayed is found
out when it is made, and a snapshot holds what every later run will see.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx2

from tapeline.cassettes import Matcher, RecordMode, load_tape, save_tape
from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.review.spending import Meter
from tapeline.cassettes.secrets.redaction import masked
from tapeline.cassettes.tape import Tape, Verdict
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
from tapeline.scenarios.conversation import Answer, converse
from tapeline.scenarios.loading import ScenarioFile
from tapeline.scenarios.outcome import Outcome, outcome_of, outcome_of_error
from tapeline.scenarios.schema import Scenario
from tapeline.scenarios.targets import Target
from tapeline.types import Message

REPLAY_KEY = "replayed"
"""A key for clients that insist on one; it is never sent anywhere."""

TIMED_CHECKS = frozenset({"latency", "not-latency", "ttft", "not-ttft"})
DIGEST_CHARACTERS = 16


def run_target(
    file: ScenarioFile,
    target: Target,
    *,
    record_mode: RecordMode = "none",
    pace: str | Pace | None = None,
    clock: Clock | None = None,
    meter: Meter | None = None,
    on_replay: Callable[[Tape], None] = lambda tape: None,
) -> list[Outcome]:
    """Make the calls of a scenario, or of one case, to one target; return the outcome of each turn in order.

    Replays from the cassette, or records into it, as `record_mode` says; replays run in virtual time
    unless another clock is given, so no pace and no retry costs real time. pace: over the scenario's.
    meter: counts what is recorded. on_replay: is given the tape when it has been played.
    verify asks the real model, and raises CassetteError where its answers have another shape.
    Raises CassetteError, ConfigError; LLMError for a failure the scenario does not want.
    """
    _refuse_table(file)
    tape = _tape(file, target, record_mode, clock or SystemClock(), meter)
    if tape.may_send:
        outcomes = _live(file, target, tape)
        if not file.scenario.faults and problems(file, target, outcomes):
            return outcomes  # a recording that fails its own checks is not kept
        _refuse_changes(tape)
        save_tape(tape, file.cassette(target))
    tape = _tape_to_play(file, target, pace or pace_of(file.scenario), clock or VirtualClock())
    outcomes = _replayed(file, target, tape)
    on_replay(tape)
    return outcomes


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


def _live(file: ScenarioFile, target: Target, tape: Tape) -> list[Outcome]:
    """Ask the real model, and let the tape record."""
    with intercepted(tape), closing(live_model(target, tape.clock)) as model:
        log = RequestLog(tape.matcher)  # of nothing: these requests pass by the tape
        return Caller(file=file, target=target, model=model, clock=tape.clock, requests=log).outcomes()


def _refuse_changes(tape: Tape) -> None:
    """Raise CassetteError for answers whose shape no longer is that of the recorded ones."""
    if lines := [masked(line) for verdict in tape.verified() for line in _changes(verdict)]:
        raise CassetteError(f"{tape.source}: the answers of today differ in shape:\n" + "\n".join(lines))


def _changes(verdict: Verdict) -> list[str]:
    if verdict.position is None:
        return [f"not recorded: {verdict.request.method} {verdict.request.url}"]
    broken = [difference for difference in verdict.differences if difference.is_breaking]
    return [f"interaction {verdict.position + 1}: {difference}" for difference in broken]


def _tape_to_play(file: ScenarioFile, target: Target, pace: str | Pace, clock: Clock) -> Tape:
    tape = load_tape(
        file.cassette(target),
        pace=pace,
        clock=clock,
        ignore=file.scenario.match.ignore,
        faults=FaultPlan(file.scenario.faults),
    )
    tape.command = recording_command(file, target)
    tape.watches_drift = True
    return tape


def _replayed(file: ScenarioFile, target: Target, tape: Tape) -> list[Outcome]:
    log = RequestLog(tape.matcher)
    transport = HandlerTransport(log.of(tape), tape.clock)
    model = replaying_model(target, httpx2.Client(transport=transport), tape.clock)
    return Caller(file=file, target=target, model=model, clock=tape.clock, requests=log).outcomes()


def recording_command(file: ScenarioFile, target: Target) -> str:
    """Return what records the answers that a target lacks."""
    case = ["--case", file.case] if file.case else []
    return shlex.join(["tapeline", "record", str(file.path), "--target", target.id, *case])


class RequestLog:
    """The requests that were sent since it was last asked, as digests by which recordings are looked up."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._sent: list[str] = []

    def of(self, handler: Handler) -> Handler:
        """Return a handler whose requests are logged."""

        def handle(request: IncomingRequest) -> ScheduledResponse:
            self._sent.append(self._matcher.digest(request).hex()[:DIGEST_CHARACTERS])
            return handler(request)

        return handle

    def taken(self) -> tuple[str, ...]:
        """Return the digests, and forget them."""
        sent, self._sent = tuple(self._sent), []
        return sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Makes the calls of a scenario to one model, one after the other."""

    file: ScenarioFile
    target: Target
    model: ProviderModel
    clock: Clock
    requests: RequestLog

    def outcomes(self) -> list[Outcome]:
        """Return the outcome of each turn of each call. Raises LLMError for one that nobody wants."""
        calls = range(self.file.scenario.repeat)
        return [outcome for _ in calls for outcome in run_blocking(self._conversation())]

    async def _conversation(self) -> list[Outcome]:
        scenario, outcomes = self.file.scenario, []
        turns = converse(scenario, self.target, folder=self.file.folder, clock=self.clock, ask=self._ask)
        try:
            async for turn in turns:
                cost = cost_of(self.target, turn.run)
                outcomes.append(outcome_of(turn, cost_usd=cost, request_digests=self.requests.taken()))
        except LLMError as error:
            is_last = len(outcomes) == last_turn(scenario)
            if error.code.value != scenario.error or not is_last:
                raise
            outcomes.append(outcome_of_error(error, request_digests=self.requests.taken()))
        return outcomes

    async def _ask(self, messages: tuple[Message, ...], arguments: Mapping[str, Any]) -> Answer:
        if not self.file.scenario.stream:
            return Answer(self.model.generate(messages, **arguments))
        with self.model.stream(messages, **arguments) as stream:
            chunks = tuple(stream)
        return Answer(stream.reply, chunks)
