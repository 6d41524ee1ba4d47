"""How far a reader of Kafka is behind, partition by partition, without asking the broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from shared import clock
from shared.contract.topics import CUSTOMER_EVENTS, PROFILE_UPDATES, SEGMENT_UPDATES
from shared.telemetry.meters import Meters

TICKED = frozenset({CUSTOMER_EVENTS.name, PROFILE_UPDATES.name, SEGMENT_UPDATES.name})
"""Topics into each of whose partitions the clock brings a tick a second."""

LOOK_EVERY_MS = 1_000
"""A reader at rest turns ten times a second; a scrape comes every fifteen seconds."""

Place = tuple[str, int]
"""Topic and partition."""


class Fetched(Protocol):
    """What is read of a record (aiokafka's ConsumerRecord has this shape)."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        ...

    @property
    def timestamp(self) -> int:
        """When it was appended, ms."""
        ...


class Behind(NamedTuple):
    """How far one partition is behind."""

    records: int
    seconds: float


def behind(waiting: int, *, since: int, now: int, ticks: bool) -> Behind:
    """Records that wait, and for how long the oldest has: at most since `since`, the last instant without it. Instants in ms.

    With `ticks`, one record for each second begun is a tick and is not counted. So a partition where only ticks wait
    shows 0, and one where facts wait too may show one too few; while no clock writes ticks, as many as the seconds.
    """
    if waiting <= 0:
        return Behind(0, 0.0)
    seconds = max(0, now - since) / 1000
    return Behind(max(0, waiting - (1 + int(seconds) if ticks else 0)), seconds)


class _Part:
    """One partition: where the reader stands in it."""

    __slots__ = ("next", "since", "waiting")

    def __init__(self, following: int, now: int) -> None:
        self.next, self.since, self.waiting = following, now, 0


class ReaderLag:
    """The gauges of lag of one reader. Told by the reader's loop; read by the listener's thread."""

    def __init__(self, meters: Meters, *, live: bool, now_ms: Callable[[], int] = clock.now_ms) -> None:
        """`live`: the clock writes ticks (not on scenario stacks)."""
        self._records, self._seconds = meters.gauge("huitou_lag_records"), meters.gauge("huitou_lag_seconds")
        self._live, self._now = live, now_ms
        self._parts: dict[Place, _Part] = {}
        self._looked = 0

    def begin(self, starts: Mapping[Place, int]) -> None:
        """These partitions and no others, from these offsets on."""
        self._looked = 0
        for place in self._parts.keys() - starts.keys():
            del self._parts[place]
            self._records.remove(*_labels(place))
            self._seconds.remove(*_labels(place))
        for place, start in starts.items():
            if place not in self._parts:
                part = self._parts[place] = _Part(start, self._now())
                self._show(place, part)
            self._parts[place].next = start

    def took(self, place: Place, records: Sequence[Fetched]) -> None:
        """These records, the next of the partition, are taken."""
        part = self._parts.get(place)
        if part is not None and records:
            taken = records[-1].offset + 1
            part.waiting = max(0, part.waiting - (taken - part.next))
            part.next, part.since = taken, records[-1].timestamp

    def look(self, end_of: Callable[[Place], int | None]) -> bool:
        """Compare with the ends that the last fetches brought; None: no fetch has answered, or the partition is gone.

        A call within LOOK_EVERY_MS of the last look does nothing and returns False.
        """
        now = self._now()
        if 0 <= now - self._looked < LOOK_EVERY_MS:
            return False
        self._looked = now
        for place, part in self._parts.items():
            end = end_of(place)
            if end is not None:
                part.waiting = max(0, end - part.next)
                if not part.waiting:
                    part.since = now
        return True

    def _show(self, place: Place, part: _Part) -> None:
        ticks = self._live and place[0] in TICKED

        def stands() -> Behind:
            return behind(part.waiting, since=part.since, now=self._now(), ticks=ticks)

        self._records.labels(*_labels(place)).set_function(lambda: stands().records)
        self._seconds.labels(*_labels(place)).set_function(lambda: stands().seconds)


def _labels(place: Place) -> tuple[str, str]:
    return place[0], str(place[1])
