"""How far a consumer group is behind and whether that is bad; pure, knows no broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

SLOW_SECONDS: Final = 10.0
"""A record that waits longer makes its group slow."""
STALLED_MS: Final = 8_000
"""A group with lag whose commits stand still for this long has stalled."""
KEPT_SAMPLES: Final = 8

LagState = Literal["ok", "slow", "stalled"]


class Sample(NamedTuple):
    """One look at a group."""

    at: int
    """Wall time, ms."""
    records: int
    """Between the commits and the ends."""
    committed: int
    """Sum of the commits."""
    seconds: float
    """Age of the oldest record not committed; 0 without one."""


class GroupLag(msgspec.Struct, frozen=True, kw_only=True):
    """One group as it is shown."""

    group: str
    records: int
    seconds: float
    state: LagState
    topics: dict[str, int]
    """Records by topic."""


class LagBoard(msgspec.Struct, frozen=True, kw_only=True):
    """All groups at one moment."""

    at: int = 0
    """Wall time of the look, ms; 0: none yet."""
    groups: tuple[GroupLag, ...] = ()


def judge(samples: Sequence[Sample]) -> LagState:
    """The state of a group by its samples, oldest first (at least one)."""
    last = samples[-1]
    if not last.records:
        return "ok"
    still = last.at
    for sample in reversed(samples):
        if sample.committed != last.committed or not sample.records:
            break
        still = sample.at
    if last.at - still >= STALLED_MS:
        return "stalled"
    return "slow" if last.seconds > SLOW_SECONDS else "ok"
