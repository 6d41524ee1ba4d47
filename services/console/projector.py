"""From Kafka to the console's tables: a consumer that starts where the tables stand; decides nothing."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from sqlalchemy.exc import DBAPIError

from services.console.records import TOPICS, Batch, Record, read_batch
from services.console.store import Store
from shared import clock
from shared.log import Log

LOG = Log(__name__)
GROUP: Final = "console"
MOST_RECORDS: Final = 5_000
"""Records per transaction."""
WAIT_MS: Final = 250
GATHER_S: Final = 0.1
"""Pause after a small batch, so that a trickle of records makes few transactions."""
SMALL: Final = 500
RETRY_S: Final = 1.0
FORGET_MS: Final = 60_000


class Projector(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Keeps positions in the database, in the transaction of what they cover; the broker's copy shows the lag."""

    def __init__(self, consumer: AIOKafkaConsumer, store: Store, *, scenario: bool) -> None:
        """Nothing is opened yet."""
        self._consumer, self._store, self._scenario = consumer, store, scenario
        self._fresh = False
        self._forgot = 0

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing to hand over: whoever comes next starts from the database."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """What is fetched from here on starts at the broker's position, which is never trusted."""
        self._fresh = True

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`; while the database is away, wait and start again from where it stands."""
        self._consumer.subscribe(TOPICS, listener=self)
        await self._consumer.start()
        try:
            while not stop.is_set():
                try:
                    taken = await self._turn()
                except (DBAPIError, OSError) as error:
                    LOG.warning("database does not take a batch, trying again", error=type(error).__name__)
                    self._fresh = True
                    await asyncio.sleep(RETRY_S)
                else:
                    await asyncio.sleep(GATHER_S if taken < SMALL else 0)
        finally:
            await self._consumer.stop()

    async def _turn(self) -> int:
        """Take one batch; returns its records."""
        fetched = {} if self._fresh else await self._consumer.getmany(timeout_ms=WAIT_MS, max_records=MOST_RECORDS)
        if self._fresh:  # also where a rebalance came while we waited: what was fetched may start at the wrong place
            await self._seek()
            return 0
        records: list[Record] = [record for found in fetched.values() for record in found]
        if records:
            batch = await self._store.take(lambda known: read_batch(records, known, scenario=self._scenario))
            if batch.unreadable:
                LOG.warning("records passed over that cannot be read", records=batch.unreadable)
            await self._commit(batch)
        await self._forget()
        return len(records)

    async def _seek(self) -> None:
        self._fresh = False
        stored = await self._store.positions()
        for partition in self._consumer.assignment():
            # Below the log's start the consumer is put at what is left of it (auto_offset_reset).
            self._consumer.seek(partition, stored.get((partition.topic, partition.partition), 0))
        LOG.info("reading", partitions=len(self._consumer.assignment()))

    async def _commit(self, batch: Batch) -> None:
        offsets = {TopicPartition(topic, partition): offset for (topic, partition), offset in batch.positions.items()}
        try:
            await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            LOG.info("partitions went to another member before the commit")

    async def _forget(self) -> None:
        now = clock.now_ms()
        if now - self._forgot > FORGET_MS:
            self._forgot = now
            await self._store.forget(now)
