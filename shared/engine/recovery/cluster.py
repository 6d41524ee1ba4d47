"""Kafka as the engine sees it: its clients as a port, and whole record batches written one at a time per target."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata

from shared.engine.fold.batch import Emit
from shared.engine.fold.rules import BrokenInvariantError
from shared.engine.recovery.effects import Appended
from shared.kafka.clients import HEARTBEAT_SECONDS, SESSION_SECONDS, commits, group_consumer, producer, reader


class Cluster(Protocol):
    """Kafka as a host sees it, so that a simulated one can take its place; the clients have aiokafka's interface."""

    def producer(self) -> AIOKafkaProducer:
        """An idempotent producer, not started."""
        ...

    def member(self, group: str, *, instance: str | None) -> AIOKafkaConsumer:
        """A consumer in a group, not started."""
        ...

    def reader(self) -> AIOKafkaConsumer:
        """A consumer without a group, not started."""
        ...

    async def commits(self, group: str, topic: str) -> dict[int, OffsetAndMetadata]:
        """Partition → committed offset and metadata of the group."""
        ...


class KafkaCluster:
    """A real one; its members stay in their groups for `session` seconds without a heartbeat."""

    def __init__(
        self, bootstrap: str, *, session: float = SESSION_SECONDS, heartbeat: float = HEARTBEAT_SECONDS
    ) -> None:
        self._bootstrap, self._session, self._heartbeat = bootstrap, session, heartbeat

    def producer(self) -> AIOKafkaProducer:
        """As `Cluster.producer`."""
        return producer(self._bootstrap)

    def member(self, group: str, *, instance: str | None) -> AIOKafkaConsumer:
        """As `Cluster.member`."""
        return group_consumer(
            self._bootstrap, group, instance=instance, session=self._session, heartbeat=self._heartbeat
        )

    def reader(self) -> AIOKafkaConsumer:
        """As `Cluster.reader`."""
        return reader(self._bootstrap)

    async def commits(self, group: str, topic: str) -> dict[int, OffsetAndMetadata]:
        """As `Cluster.commits`."""
        return await commits(self._bootstrap, group, topic)


class KafkaSink:
    """Whole record batches, built by us: the next of a target is handed over only after the ack of the one before (rule 3).

    `before` is called right before each batch is handed over; it raises where nothing may be written any more (rule 9).
    """

    def __init__(
        self, client: AIOKafkaProducer, *, one_in_flight: bool = True, before: Callable[[], None] = lambda: None
    ) -> None:
        self._client, self._one_in_flight, self._before = client, one_in_flight, before

    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> Sequence[Appended]:
        """As `Sink.send`."""
        start, waiting, counts = 0, [], []
        while start < len(records):
            batch, end = self._client.create_batch(), start
            while end < len(records) and self._append(batch, records[end]):
                end += 1
            if end == start:
                msg = f"a record for {topic} does not fit into a batch"
                raise BrokenInvariantError(msg)
            batch.close()
            self._before()
            future = await self._client.send_batch(batch, topic, partition=partition)
            if self._one_in_flight:
                await future
            waiting.append(future)
            counts.append(end - start)
            start = end
        answers = await asyncio.gather(*waiting)
        return [Appended(answer.offset, count) for answer, count in zip(answers, counts, strict=True)]

    @staticmethod
    def _append(batch: object, record: Emit) -> bool:
        headers = list(record.headers)
        return batch.append(key=record.key, value=record.value or None, timestamp=None, headers=headers) is not None  # type: ignore[attr-defined]
