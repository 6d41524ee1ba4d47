"""Numbered points at which a process may die; knows kinds and counts, not what the effects are."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class Point(NamedTuple):
    """The `number`-th effect of this kind in a whole run, counted from 1 over all restarts."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind} #{self.number}"


class CrashError(BaseException):
    """The process died here. No handler of errors may catch it: dead processes handle nothing."""


class Points:
    """Counts every effect before it happens and says when to die; after that nobody passes until the restart."""

    def __init__(self, crash_at: frozenset[Point] = frozenset()) -> None:
        self.crash_at = crash_at
        self.passed: list[Point] = []
        self.died: list[Point] = []
        self._counts: Counter[str] = Counter()

    def dies(self, kind: str) -> bool:
        """Count an effect of this kind; True if the process dies instead of it."""
        self._counts[kind] += 1
        point = Point(kind, self._counts[kind])
        if point in self.crash_at:
            self.died.append(point)
            return True
        self.passed.append(point)
        return False

    def reach(self, kind: str) -> None:
        """As `dies`, for whoever lives inside the process: raises CrashError."""
        if self.dies(kind):
            raise CrashError(kind)
