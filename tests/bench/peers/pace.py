"""Rates, CPU and waits from the broker's append times and from samples of a process; pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

import msgspec

IN_FLIGHT_MS = 1_000


class Sample(msgspec.Struct, frozen=True):
    """A process at one moment."""

    at: int
    """Wall time, ms."""
    cpu: float
    """Seconds so far."""
    rss: int
    """Bytes."""


class Pace(msgspec.Struct, frozen=True):
    """What happened between the first and the last output."""

    first: int
    """Append time of the first, ms."""
    rate: float
    """Events a second."""
    cpu: float
    """CPU seconds per 100,000 events."""


def pace(stamps: Sequence[int], samples: Sequence[Sample]) -> Pace:
    """From the append times (ms) of all outputs; those of the first millisecond only start the watch. ValueError without a span."""
    first, last = min(stamps), max(stamps)
    counted = sum(stamp > first for stamp in stamps)
    if not counted:
        raise ValueError("all outputs came in one millisecond: too few to measure")
    spent = cpu_at(samples, last) - cpu_at(samples, first)
    return Pace(first, counted / (last - first) * 1000, spent / counted * 1e5)


def cpu_at(samples: Sequence[Sample], at: int) -> float:
    """CPU seconds at an instant between two samples, linear; at the ends those of the end."""
    place = bisect_left(samples, at, key=lambda one: one.at)
    if place == 0:
        return samples[0].cpu
    if place == len(samples):
        return samples[-1].cpu
    before, after = samples[place - 1], samples[place]
    share = (at - before.at) / (after.at - before.at)
    return before.cpu + share * (after.cpu - before.cpu)


def back_after(stamps: Sequence[int], at: int) -> int:
    """Ms from `at` to the end of the longest silence that began before it or within a second: what was in flight is no life sign.

    ValueError if there was nothing afterwards.
    """
    order = sorted(stamps)
    gaps = [(after - before, after) for before, after in pairwise(order) if after > at and before < at + IN_FLIGHT_MS]
    if not gaps:
        raise ValueError("no output came after that instant")
    return max(gaps)[1] - at
