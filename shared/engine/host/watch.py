"""What a host tells of itself for health and metrics; counts by batches, never inside a fold.

A batch may hold one record, so it only adds to plain numbers; once a second they go to the meters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
from aiokafka import TopicPartition

from shared import clock
from shared.contract.topics import DEAD_LETTERS, OUTREACH_DECISIONS
from shared.engine.fold.batch import Counts, Emit
from shared.telemetry.lag import Fetched, ReaderLag
from shared.telemetry.telemetry import Telemetry

TURN = "turn"
PARTITIONS = "partitions"


class _Decided(msgspec.Struct):
    """What is counted of a decision."""

    verdict: str
    reason: str


_decided = msgspec.json.Decoder(_Decided).decode


class Watch:
    """One host's. Without a listener nothing is looked at that would cost anything."""

    def __init__(self, telemetry: Telemetry | None, topic: str, *, live: bool) -> None:
        """`topic`: the host's input; `live`: the clock writes ticks into it."""
        telemetry = telemetry or Telemetry()
        meters = self._meters = telemetry.meters
        self.health, self._seen, self._topic = telemetry.health, telemetry.seen, topic
        self._lag = ReaderLag(meters, live=live)
        self._records = meters.counter("huitou_input_records_total").labels(topic)
        self._ticks = meters.counter("huitou_input_ticks_total").labels(topic)
        self._poison = meters.counter("huitou_poison_records_total")
        self._letters = meters.counter("huitou_dead_letters_total")
        self._sent = meters.counter("huitou_output_records_total")
        self._batch = meters.histogram("huitou_batch_seconds")
        self._assigned = meters.gauge("huitou_assigned_partitions")

        self._took = [0, 0, 0]
        """Records, ticks and poison since the meters were told."""
        self._seconds: list[float] = []
        self._left: Counter[str] = Counter()
        """Topic → records that the broker has taken since."""

    def owns(self, owned: Callable[[], int], balance: Callable[[], int]) -> None:
        """Where the number of owned partitions and their balance can be asked, from the listener's thread."""
        self._meters.gauge("huitou_owned_partitions").set_function(owned)
        self._meters.gauge("huitou_poison_balance").set_function(balance)

    # --- partitions

    def joins(self, why: str) -> None:
        """No partition is ours until the group has assigned some."""
        self.health.waits(PARTITIONS, why)
        self._assigned.set(0)
        self._begin({})

    def stands(self, assigned: Collection[int], owned: Mapping[int, Any]) -> None:
        """These are assigned; those of them that are owned are recovered, each with its `next` offset."""
        missing = set(assigned) - owned.keys()
        self._assigned.set(len(assigned))
        if missing:
            self.health.waits(PARTITIONS, f"recovering {len(missing)} of {len(assigned)}")
        else:
            self.health.there(PARTITIONS)
        self._begin({(self._topic, number): owned[number].next for number in assigned if number in owned})

    def _begin(self, starts: Mapping[tuple[str, int], int]) -> None:
        if self._seen:
            self._lag.begin(starts)

    # --- work

    def turn(self) -> AbstractContextManager[None]:
        """What a turn may take is bounded, but for a recovery."""
        return self.health.working(TURN)

    def recovers(self) -> None:
        """The turn recovers partitions, which takes what it takes."""
        self.health.unbounded(TURN)

    def batch(self, counts: Counts) -> AbstractContextManager[None]:
        """What is taken inside counts, with the time that it takes; a failing batch ends the process and counts nothing."""
        return _Batch(self, counts) if self._seen else _UNSEEN

    def counted(self, seconds: float, records: int, ticks: int, poison: int) -> None:
        """A batch was taken."""
        self._seconds.append(seconds)
        took = self._took
        took[0] += records
        took[1] += ticks
        took[2] += poison

    def tell(self) -> None:
        """Give the meters what was counted since the last call."""
        for seconds in self._seconds:
            self._batch.observe(seconds)
        self._seconds.clear()
        for counter, number in zip((self._records, self._ticks, self._poison), self._took, strict=True):
            if number:
                counter.inc(number)
        self._took = [0, 0, 0]
        for topic, number in self._left.items():
            self._sent.labels(topic).inc(number)
        self._left.clear()

    def sent(self, topic: str, records: Sequence[Emit]) -> None:
        """The broker has these."""
        self.health.progress(TURN)
        if not self._seen:
            return
        self._left[topic] += len(records)
        if topic == DEAD_LETTERS.name:
            self._letters.inc(len(records))
        elif topic == OUTREACH_DECISIONS.name:
            self._count(records)

    def turned(self, fetched: Mapping[TopicPartition, Sequence[Fetched]], end_of: Callable[[Any], int | None]) -> None:
        """A turn is over: what it took, and where the log ends by the last fetch (None: unknown)."""
        if not self._seen:
            return
        for place, records in fetched.items():
            self._lag.took((place.topic, place.partition), records)
        if self._lag.look(lambda place: end_of(TopicPartition(*place))):
            self.tell()

    def _count(self, records: Sequence[Emit]) -> None:
        decisions = self._meters.counter("huitou_decisions_total")
        found = Counter((one.verdict, one.reason) for one in (_decided(record.value) for record in records))
        for (verdict, reason), number in found.items():
            decisions.labels(verdict, reason).inc(number)


class _Batch(AbstractContextManager[None]):
    """One batch under way; several of a host may be."""

    __slots__ = ("_before", "_began", "_counts", "_watch")

    def __init__(self, watch: Watch, counts: Counts) -> None:
        self._watch, self._counts = watch, counts

    def __enter__(self) -> None:
        counts = self._counts
        self._before = counts.records, counts.ticks, counts.poison
        self._began = clock.monotonic()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            counts, (records, ticks, poison) = self._counts, self._before
            seconds = clock.monotonic() - self._began
            self._watch.counted(seconds, counts.records - records, counts.ticks - ticks, counts.poison - poison)


_UNSEEN: AbstractContextManager[None] = nullcontext()
