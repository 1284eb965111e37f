"""Whether a provider can be used: what one small call tells, whatever its outcome."""

from __future__ import annotations

import httpx2
import pytest
from exchanges import BLOCKING, answer, both_faces, every_wire, failure
from wires import FACES, Face, Server, Wire, plain

from tapeline.capabilities import Health
from tapeline.clock import VirtualClock
from tapeline.latency.pacing import ScheduledResponse
from tapeline.policies.breaker import CircuitBreaker
from tapeline.policies.cache import MemoryCache

NO_KEY = {"is_reachable": True, "is_authenticated": False}
NO_MODEL = {"is_reachable": True, "is_authenticated": True, "has_model": False}
BUSY = {"is_reachable": True, "is_authenticated": True}
OUTCOMES: dict[str, tuple[ScheduledResponse | Exception, dict[str, bool], str]] = {
    "a bad key": (failure(401), NO_KEY, "no [authentication_error]"),
    "a key without rights": (failure(403), NO_KEY, "no [authorization_error]"),
    "an unknown model": (failure(404, code="model_not_found"), NO_MODEL, "no [model_not_available]"),
    "an unknown path": (failure(404), NO_MODEL, "no [not_found]"),
    "too many calls": (failure(429), BUSY, "no [rate_limit]"),
    "no credit": (failure(429, code="insufficient_quota"), BUSY, "no [quota_exceeded]"),
    "overloaded": (failure(503), BUSY, "no [overloaded]"),
    "broken": (failure(500), {"is_reachable": True}, "no [internal_error]"),
    "a sign-in page": (plain(b"<html>"), {"is_reachable": True}, "cannot decode"),
    "no server": (httpx2.ConnectError("refused"), {"is_reachable": False}, "ConnectError: refused"),
}


@both_faces
@pytest.mark.parametrize(("response", "facts", "detail"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_each_error_tells_what_it_can(
    response: ScheduledResponse | Exception,
    facts: dict[str, bool],
    detail: str,
    face: Face,
    clock: VirtualClock,
) -> None:
    """Nothing is raised and nothing is tried again; what an error hides is None."""
    server = Server(clock, response)

    health = face.ask("check_health", face.model(server), clock)

    latency_s = 0.0 if facts["is_reachable"] else None
    assert health == Health(**facts, latency_s=latency_s, detail=health.detail)
    assert health.detail.startswith(detail)
    assert (health.is_healthy, len(server.requests)) == (False, 1)


@every_wire
@both_faces
def test_a_provider_that_answers_is_well(wire: Wire, face: Face, clock: VirtualClock) -> None:
    """After one short answer, at the least the strictest API takes."""
    server = Server(clock, answer(wire, due_s=0.5))

    health = face.ask("check_health", face.model(server, wire), clock)

    assert health.is_healthy
    assert (health.latency_s, health.detail) == (0.5, "")
    assert b"Say ok." in server.requests[0].body


@both_faces
def test_a_silent_server_is_out_of_reach(face: Face, clock: VirtualClock) -> None:
    """For as long as the timeout, or the deadline if that is shorter."""
    healths = [
        face.ask("check_health", face.model(Server(clock, answer(due_s=60.0)), **patience), clock)
        for patience in ({"timeout_s": 5.0}, {"deadline_s": 2.0})
    ]

    assert [health.is_reachable for health in healths] == [False, False]
    assert clock.now_ns() == 7_000_000_000


def test_a_setting_that_is_wrong_is_told(clock: VirtualClock) -> None:
    """Nothing was sent, so nothing was reached."""
    health = FACES["asyncio"].model(Server(clock, answer())).check_health()

    assert (health.is_reachable, health.latency_s) == (False, None)
    assert "needs a httpx2" in health.detail


def test_the_service_itself_is_asked(clock: VirtualClock) -> None:
    """Not its cache, its breaker or those that step in for it."""
    server, other = Server(clock, answer(), failure(500)), Server(clock, answer())
    model = BLOCKING.model(
        server,
        cache=MemoryCache(),
        breaker=CircuitBreaker(failures=1),
        fallback=[BLOCKING.model(other)],
        max_retries=0,
    )

    healthy = [model.check_health().is_healthy for _ in range(3)]

    assert (healthy, len(server.requests), other.requests) == ([True, False, False], 3, [])
