"""What is said of a model that nobody knows, and when a provider is healthy."""

from __future__ import annotations

import pytest

from tapeline.capabilities import Capabilities, Health

HEALTHS = {
    "all well": (Health(is_reachable=True, is_authenticated=True, has_model=True), True),
    "not there": (Health(is_reachable=False), False),
    "a wrong key": (Health(is_reachable=True, is_authenticated=False), False),
    "no such model": (Health(is_reachable=True, is_authenticated=True, has_model=False), False),
    "too busy to say": (Health(is_reachable=True, is_authenticated=True, has_model=None), False),
}


@pytest.mark.parametrize(("health", "is_healthy"), HEALTHS.values(), ids=HEALTHS.keys())
def test_a_provider_is_healthy_if_nothing_is_wrong_or_unknown(health: Health, is_healthy: bool) -> None:
    assert health.is_healthy is is_healthy


def test_of_an_unknown_model_everything_is_let_through() -> None:
    unknown = Capabilities()

    assert (unknown.ranges, unknown.refused) == ({}, {})
    assert unknown.tools
    assert unknown.tool_choices == {"auto", "none", "required", "named"}
