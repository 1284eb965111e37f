"""Running scenarios: against a tape when replaying, against the real thing when recording."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import httpx2

from tapeline.cassettes import RecordMode, load_tape, save_tape
from tapeline.cassettes.interception import intercepted
from tapeline.client import ProviderModel, chat_model
from tapeline.clock import Clock, SystemClock, VirtualClock
from tapeline.errors import LLMError
from tapeline.http.transport import HandlerTransport
from tapeline.latency.pacing import Pace
from tapeline.scenarios.checks import failed_checks
from tapeline.scenarios.loading import ScenarioFile
from tapeline.scenarios.outcome import Outcome, outcome_of, outcome_of_error
from tapeline.scenarios.schema import Scenario, Target

REPLAY_KEY = "replayed"
"""A key for clients that insist on one; it is never sent anywhere."""


def run_target(
    file: ScenarioFile,
    target: Target,
    *,
    record_mode: RecordMode = "none",
    pace: str | Pace = "none",
    clock: Clock | None = None,
) -> list[Outcome]:
    """Make the calls of a scenario to one target, and return their outcomes in order.

    Replays from the cassette, or records into it, as `record_mode` says; replays run in virtual time
    unless another clock is given, so no pace and no retry costs real time. Raises CassetteError.
    """
    scenario = file.scenario
    tape = load_tape(
        file.cassette(target),
        record_mode=record_mode,
        pace=pace,
        clock=clock or VirtualClock(),
        ignore=scenario.match.ignore,
        meta={"upstream": target.upstream} if target.upstream else {},
    )
    if not tape.may_record:
        client = httpx2.Client(transport=HandlerTransport(tape, tape.clock))
        return _outcomes(scenario, target, replaying_model(target, client, tape.clock))
    tape.clock = clock or SystemClock()
    with intercepted(tape), closing(live_model(target, tape.clock)) as model:
        outcomes = _outcomes(scenario, target, model)
    if not problems(scenario, outcomes):
        save_tape(tape, file.cassette(target))  # a recording that fails its own checks is not kept
    return outcomes


def problems(scenario: Scenario, outcomes: list[Outcome]) -> list[str]:
    """Return what is wrong with the outcomes, a line each."""
    found = []
    for number, outcome in enumerate(outcomes, 1):
        if outcome.error != scenario.error:
            wanted = f"the error {scenario.error}" if scenario.error else "an answer"
            found.append(f"call {number}: expected {wanted}, got {outcome.described()}")
        else:
            checks = ((check.name, check.value) for check in scenario.checks)
            found += [f"call {number}: {line}" for line in failed_checks(outcome, checks)]
    return found


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


def call_arguments(scenario: Scenario, target: Target) -> dict[str, Any]:
    """Return the keyword arguments of the call: the scenario's options, the target's own over them."""
    return {
        **scenario.options.given(),
        **target.options.given(),
        "schema": scenario.json_schema,
    }


def _outcomes(scenario: Scenario, target: Target, model: ProviderModel) -> list[Outcome]:
    return [_outcome(scenario, target, model) for _ in range(scenario.repeat)]


def _outcome(scenario: Scenario, target: Target, model: ProviderModel) -> Outcome:
    arguments = call_arguments(scenario, target)
    try:
        if not scenario.stream:
            return outcome_of(model.generate(scenario.conversation(), **arguments))
        with model.stream(scenario.conversation(), **arguments) as stream:
            for _ in stream:
                continue
        return outcome_of(stream.reply)
    except LLMError as error:
        if scenario.error is None or error.code.value != scenario.error:
            raise
        return outcome_of_error(error)
