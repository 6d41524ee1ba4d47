"""What the job must answer, computed from the log alone, and how far a host's answers are from it; no broker, no host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from shared.contract.partitioner import partition_of
from tests.bench.aggregator.job import Answer, State, decode_event, step

_decode = msgspec.json.Decoder(Answer).decode


class Logged(Protocol):
    """A record of a topic."""

    @property
    def partition(self) -> int:
        """Where it stands."""

    @property
    def offset(self) -> int:
        """Its place there."""

    @property
    def value(self) -> bytes | None:
        """The encoded event or answer."""


class Exactness(msgspec.Struct, frozen=True):
    """Answers of a host beside those expected."""

    expected: int
    missing: int
    wrong: int
    repeated: int
    """Answers given again, right or not: allowed after a kill, the receiver fences them."""
    customers: int
    """Customers whose count, sum or latest instant is not what it must be in the end."""

    @property
    def ok(self) -> bool:
        """Every event was answered, and right."""
        return not (self.missing or self.wrong)


class Expected:
    """The answers of a log that only grows."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._answers: dict[tuple[int, int], tuple[str, int, int, float]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def extend(self, log: Iterable[Logged]) -> None:
        """The log so far, in offset order within a partition; what is known is skipped."""
        for record in log:
            place = record.partition, record.offset
            if place not in self._answers:
                event = decode_event(record.value or b"")
                state = self._states[event.customer] = step(self._states.get(event.customer, State()), event)
                self._answers[place] = event.customer, state.count, state.total, state.last

    def compare(self, answers: Iterable[Logged]) -> Exactness:
        """Against everything that a host has answered."""
        seen: dict[tuple[int, int], bool] = {}
        latest: dict[str, tuple[int, int, int, float]] = {}
        repeated = 0
        for record in answers:
            one = _decode(record.value or b"")
            place, said = (partition_of(one.customer.encode()), one.offset), (one.count, one.total, one.last)
            right = self._answers.get(place) == (one.customer, *said)
            repeated += place in seen
            seen.setdefault(place, right)
            latest[one.customer] = max(latest.get(one.customer, (-1, 0, 0, 0.0)), (one.offset, *said))
        off = sum(latest.get(who, (0,))[1:] != (one.count, one.total, one.last) for who, one in self._states.items())
        wrong = sum(not right for right in seen.values())
        return Exactness(len(self._answers), len(self._answers.keys() - seen.keys()), wrong, repeated, off)
