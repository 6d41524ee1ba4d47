"""What an enumeration of crash points found; knows points and sentences, runs nothing."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from .points import Point


class Finding(msgspec.Struct, frozen=True):
    """What differed after these crashes."""

    crashes: tuple[Point, ...]
    differences: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' and '.join(map(str, self.crashes))}: {'; '.join(self.differences)}"


class Result(msgspec.Struct):
    """Counts of one enumeration."""

    name: str
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    """Crashes that took place, by kind of effect."""
    not_reached: int = 0
    """Runs whose point did not come: the order of concurrent effects is not the same each time."""
    findings: list[Finding] = []

    def add(self, wanted: Iterable[Point], died: Sequence[Point], differences: Sequence[str]) -> None:
        """One run."""
        self.kinds.update(point.kind for point in died)
        self.not_reached += len(set(wanted) - set(died))
        if differences:
            self.findings.append(Finding(tuple(died), tuple(differences)))

    def lines(self, *, most: int = 20) -> list[str]:
        """Points per kind, the first findings, and the sum in the last line."""
        crashes = self.kinds.total()
        return [
            *(f"{count:6} {kind}" for kind, count in sorted(self.kinds.items())),
            *(str(finding) for finding in self.findings[:most]),
            f"{self.name}: {crashes} crashes, {self.not_reached} not reached, {len(self.findings)} violations",
        ]


def sampled(points: Sequence[Point], *, per_kind: int, seed: int) -> list[Point]:
    """At most so many points of every kind, the same for the same seed."""
    rnd = random.Random(seed)
    by_kind: dict[str, list[Point]] = {}
    for point in points:
        by_kind.setdefault(point.kind, []).append(point)
    return [point for kind in by_kind.values() for point in rnd.sample(kind, min(per_kind, len(kind)))]


def pairs(points: Sequence[Point], number: int, *, seed: int) -> list[frozenset[Point]]:
    """So many random pairs."""
    rnd = random.Random(seed)
    return [frozenset(rnd.sample(points, 2)) for _ in range(number)]
