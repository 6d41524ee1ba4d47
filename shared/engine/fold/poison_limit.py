"""How much poison is too much: a share of the last minute's records, and a balance that outlives the process; knows no record."""

from __future__ import annotations

from collections import deque

from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off, Rule

WINDOW_SECONDS = 60.0
MOST_NET = 500
"""Failures beyond successes, over all partitions of a worker, at which it stops, however often it was started anew."""
CREDIT = 50
"""Successes of a partition that count against failures to come; with twelve partitions a bad version finds at most 600."""


def failed(balance: int) -> int:
    """A partition's balance after one more failure."""
    return balance + 1


def succeeded(balance: int) -> int:
    """A partition's balance after one more success."""
    return max(balance - 1, -CREDIT)


def check_balance(balance: int, poison: int, *, off: Off = ALL_ON) -> None:
    """Raise where a batch with `poison` has brought a worker's balance, the sum over its partitions, to MOST_NET.

    To be asked before the batch's dead letters are written: the same batch is refused at the next start, too.
    """
    if poison and balance >= MOST_NET and Rule.POISON_BALANCE not in off:
        msg = (
            f"{balance} more records were poison than were taken: the worker stops before it drains the topic into dead letters, "
            "and a start alone changes nothing: it goes on with a version that can take them (docs/operations.md)"
        )
        raise BrokenInvariantError(msg)


class PoisonLimit:
    """Counts records and poison; raises once both a number and a share are exceeded within a minute (rule 11)."""

    def __init__(self, *, share: float = 0.5, at_least: int = 200, off: Off = ALL_ON) -> None:
        self._share, self._at_least, self._off = share, at_least, off
        self._seen: deque[tuple[float, int, int]] = deque()
        self._records = self._poison = 0

    def count(self, now: float, records: int, poison: int) -> None:
        """`now` in seconds of any steady clock."""
        self._seen.append((now, records, poison))
        self._records += records
        self._poison += poison
        while self._seen[0][0] < now - WINDOW_SECONDS:
            _, old_records, old_poison = self._seen.popleft()
            self._records -= old_records
            self._poison -= old_poison
        if (
            Rule.POISON_LIMIT not in self._off
            and self._poison >= self._at_least
            and self._poison > self._share * self._records
        ):
            msg = f"{self._poison} of the last minute's {self._records} records were poison: the worker stops before it drains the topic into dead letters"
            raise BrokenInvariantError(msg)
