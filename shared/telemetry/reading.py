"""What a consumer of a group tells of itself for health and metrics, where what it reads goes to a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared import clock
from shared.telemetry.lag import Fetched, ReaderLag
from shared.telemetry.telemetry import Telemetry

READER = "reader"
DATABASE = "database"


class Reading:
    """One consumer's. Without a listener nothing is looked at that would cost anything."""

    def __init__(self, telemetry: Telemetry | None, *, live: bool) -> None:
        """`live`: the clock writes ticks."""
        telemetry = telemetry or Telemetry()
        meters, self._health, self._seen = telemetry.meters, telemetry.health, telemetry.seen
        self._lag = ReaderLag(meters, live=live)
        self._records = meters.counter("huitou_input_records_total")
        self._poison = meters.counter("huitou_poison_records_total")
        self._assigned = meters.gauge("huitou_assigned_partitions")
        self._seconds = meters.histogram("huitou_batch_seconds")

    def joins(self) -> None:
        """No partition is ours until the group has assigned some."""
        self._health.waits(READER, "joining the group")
        self._assigned.set(0)
        self._lag.begin({})

    async def begins(self, starts: Mapping[TopicPartition, int], consumer: AIOKafkaConsumer) -> None:
        """These partitions are ours, and are read from these offsets on, or from where the log begins by now."""
        self._assigned.set(len(starts))
        if self._seen:
            first = await consumer.beginning_offsets(list(starts)) if starts else {}
            self._lag.begin(
                {(place.topic, place.partition): max(start, first[place]) for place, start in starts.items()}
            )

    def waits(self, why: str) -> None:
        """It does not do its work, in a few words why."""
        self._health.waits(READER, why)

    def there(self) -> None:
        """It does its work."""
        self._health.there(READER)

    @contextmanager
    def batch(self, fetched: Mapping[TopicPartition, Sequence[Fetched]]) -> Iterator[None]:
        """Inside, these records are stored: they count, with the time that it takes, unless it fails."""
        began = clock.monotonic()
        with self._health.awaiting(DATABASE):
            yield
        self._seconds.observe(clock.monotonic() - began)
        for place, records in fetched.items():
            self._records.labels(place.topic).inc(len(records))
            self._lag.took((place.topic, place.partition), records)

    def refused(self, records: int) -> None:
        """So many records of the batch could not be taken."""
        self._poison.inc(records)

    def look(self, consumer: AIOKafkaConsumer) -> None:
        """Where the log ends by the last fetch."""
        if self._seen:
            assigned = consumer.assignment()

            def end_of(place: tuple[str, int]) -> Any:
                partition = TopicPartition(*place)
                return consumer.highwater(partition) if partition in assigned else None

            self._lag.look(end_of)
