"""What the design promises, beside which figure; knows names and bounds, measures nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from tests.bench.figures import Figure


class Target(msgspec.Struct, frozen=True):
    """A bound on the value of a figure, or on its ratio."""

    promise: str
    figure: str
    side: Literal["≥", "≤"]
    bound: float
    of: Literal["value", "ratio"] = "value"
    scale: float = 1.0
    """The bound is on the figure times this."""
    unit: str = ""


class Judged(msgspec.Struct, frozen=True):
    """A target beside what was measured; None where it was not."""

    target: Target
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Whether it holds; None where nothing was measured."""
        if self.measured is None:
            return None
        return self.measured >= self.target.bound if self.target.side == "≥" else self.measured <= self.target.bound


_HOP = 10.0
"""Seconds per 100,000 events → µs per event."""

TARGETS: tuple[Target, ...] = (
    Target(
        "the aggregator job against Quix Streams", "peers: Huitou against Quix Streams", "≥", 1.5, "ratio", unit="×"
    ),
    Target("the aggregator job against stock Faust", "peers: Huitou against stock Faust", "≥", 10, "ratio", unit="×"),
    Target(
        "HTTP intake against a bare FastAPI route that parses and produces",
        "intake: at batch 100 against the bare route",
        "≥",
        0.7,
        "ratio",
        unit="×",
    ),
    *(
        Target(
            f"one stateful hop with its I/O: {hop}",
            f"chain: CPU of {hop}",
            "≤",
            50,
            scale=_HOP,
            unit="CPU µs per event",
        )
        for hop in ("profile", "segmenter", "trigger-engine")
    ),
    Target("whole chain on one machine", "chain: through all hops", "≥", 10_000, unit="events/s"),
    Target("the same with the projector", "chain with projector: through all hops", "≥", 6_000, unit="events/s"),
    Target("request → command at 1,000 events/s, p50", "latency: request due → command read, p50", "≤", 100, unit="ms"),
    Target("request → command at 1,000 events/s, p99", "latency: request due → command read, p99", "≤", 300, unit="ms"),
    Target("p99 beside an import", "import: the same beside an import, p99", "≤", 2, "ratio", unit="×"),
    Target("timed change after its tick, p99", "due: tick → change, p99", "≤", 1_000, unit="ms"),
    *(
        Target(
            f"restart with 1 M customers: {hop}",
            f"restart: {hop}, 1,000,000 customers, until caught up",
            "≤",
            20,
            unit="s",
        )
        for hop in ("profile", "segmenter", "trigger-engine")
    ),
    *(
        Target(
            f"memory: {hop}",
            f"restart: {hop}, 1,000,000 customers, memory of each",
            "≤",
            bound,
            unit="bytes per customer",
        )
        for hop, bound in (("profile", 2_000), ("segmenter", 1_000), ("trigger-engine", 2_000))
    ),
)


def judged(figures: Iterable[Figure]) -> list[Judged]:
    """All targets in their order; of a figure that stands twice the last counts."""
    known = {one.name: one for one in figures}
    return [Judged(target, _measured(known.get(target.figure), target)) for target in TARGETS]


def _measured(figure: Figure | None, target: Target) -> float | None:
    if figure is None:
        return None
    number = figure.value if target.of == "value" else figure.ratio
    return None if number is None else number * target.scale
