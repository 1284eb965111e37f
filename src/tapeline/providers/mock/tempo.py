"""When the blocks of an answer are due: by a latency profile, tokens per second, or a pace of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tapeline.errors import ConfigError
from tapeline.latency.pacing import DueBlock, Immediate, Pace, Schedule, Simulated
from tapeline.latency.profile import PROFILES, Constant, LatencyProfile
from tapeline.providers.mock.chance import Chance

Profile = str | LatencyProfile | Pace


def pace_of(profile: Profile | None, tokens_per_s: float | None, *, seed: int) -> Pace:
    """Return the pace that these settings mean. tokens_per_s replaces the gaps of a profile.

    Raises ConfigError.
    """
    if isinstance(profile, str):
        profile = _named(profile)
    if tokens_per_s is not None:
        profile = _with_rate(profile, tokens_per_s)
    if profile is None:
        return Immediate()
    return Simulated(profile, seed) if isinstance(profile, LatencyProfile) else profile


def _named(name: str) -> LatencyProfile:
    if name not in PROFILES:
        raise ConfigError(f"unknown profile {name!r}: use {', '.join(PROFILES)} or a LatencyProfile")
    return PROFILES[name]


def _with_rate(profile: LatencyProfile | Pace | None, tokens_per_s: float) -> LatencyProfile:
    if not tokens_per_s > 0:
        raise ConfigError(f"tokens_per_s is more than 0, not {tokens_per_s}")
    gap = Constant(1.0 / tokens_per_s)
    if profile is None:
        return LatencyProfile(name="steady", ttft=Constant(0.0), gap=gap)
    if not isinstance(profile, LatencyProfile):
        raise ConfigError("a Pace has its own times: leave tokens_per_s out, or give a LatencyProfile")
    return replace(profile, gap=gap)


def schedule(pace: Pace, blocks: Sequence[bytes], *, tokens: int, chance: Chance) -> Schedule:
    """Return when the blocks are due. tokens: what a plain answer, which is one block, takes the time of."""
    if isinstance(pace, Simulated):
        pace = replace(pace, parts_of=lambda body: tokens)
    due = pace.schedule(blocks, None, stream=chance.stream)
    return due if chance.speed == 1.0 else _stretched(due, chance.speed)


def _stretched(due: Schedule, factor: float) -> Schedule:
    blocks = tuple(DueBlock(due_s * factor, data) for due_s, data in due.blocks)
    return Schedule(due.head_due_s * factor, blocks)


def delayed(due: Schedule, wait_s: float) -> Schedule:
    """Return the schedule begun `wait_s` seconds later."""
    blocks = tuple(DueBlock(wait_s + due_s, data) for due_s, data in due.blocks)
    return Schedule(wait_s + due.head_due_s, blocks)
