"""Topics kept as PostgreSQL tables: one consumer whose positions stand in the transaction of what they cover."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, final

import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.log import Log
from shared.telemetry.reading import Reading
from shared.telemetry.telemetry import Telemetry

WAIT_MS: Final = 250
"""Longest wait for records."""
SMALL: Final = 500
"""Records below which a batch is followed by the pause for gathering."""

Place = tuple[str, int]
"""Topic and partition."""
_KEYS: Final = ("topic", "partition")


class Projection(ABC):
    """A service's side of the loop: its topics and its tables. The loop calls every method from one task."""

    topics: Sequence[str]
    """Names of the topics to read."""
    not_ready: str = ""
    """Reason why the projection does not do its whole work yet, in a few words."""

    @abstractmethod
    async def positions(self) -> Mapping[Place, int]:
        """Offset of the next record to read, of every partition that was written to the database."""

    @abstractmethod
    async def take(self, records: Sequence[Any]) -> Mapping[Place, int]:
        """Write what the records say, and the positions after them, in one transaction; returns these positions.

        `records` are aiokafka's ConsumerRecord, those of one partition in their order.
        """

    async def starts(
        self, consumer: AIOKafkaConsumer, assigned: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, int]:
        """Offset to begin at, of each assigned partition: that of the database, 0 without one."""
        stored = await self.positions()
        return {place: stored.get((place.topic, place.partition), 0) for place in assigned}

    async def placed(self, consumer: AIOKafkaConsumer) -> None:  # noqa: B027 - may be left out
        """The consumer stands at its offsets; comes after every rebalance."""

    async def turned(self, consumer: AIOKafkaConsumer) -> None:  # noqa: B027 - may be left out
        """A fetch was written, or there was none."""


@final
class Projector(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """The loop: fetch, write, commit. The broker's copy of the positions is for the lag alone.

    `most`: records of one transaction.
    `gather_s`: pause after a batch of less than 500 records, so that a trickle of records makes few transactions.
    `live`: the clock writes ticks into the topics, which count as no lag.
    `retry_s`: pause after an error of the database, from which the loop then begins anew; None: the error is raised.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        projection: Projection,
        *,
        log: Log,
        most: int,
        gather_s: float = 0.0,
        retry_s: float | None = None,
        telemetry: Telemetry | None = None,
        live: bool = False,
    ) -> None:
        self._consumer, self._projection, self._log = consumer, projection, log
        self._most, self._gather_s, self._retry_s = most, gather_s, retry_s
        self._reading = Reading(telemetry, live=live)
        self._fresh = False

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing to hand over: the next owner starts from the database."""
        self._reading.joins()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Every rebalance is total; aiokafka fetches from the broker's position, so all partitions are placed anew."""
        self._fresh = True

    async def run(self, stopped: Callable[[], bool]) -> None:
        """Read until `stopped`."""
        self._reading.joins()
        self._consumer.subscribe(self._projection.topics, listener=self)
        await self._consumer.start()
        try:
            while not stopped():
                pause = await self._pause_after_turn()
                await asyncio.sleep(pause)
        finally:
            await self._consumer.stop()

    async def turn(self) -> int:
        """Place the consumer after a rebalance or an error, else write one fetch; returns its records."""
        fetched: Mapping[TopicPartition, Sequence[Any]] = {}
        if not self._fresh:
            fetched = await self._consumer.getmany(timeout_ms=WAIT_MS, max_records=self._most)
        if self._fresh:  # also where a rebalance came during the fetch, which may begin at the wrong offset
            await self._place()
            return 0
        records = [record for found in fetched.values() for record in found]
        if records:
            with self._reading.batch(fetched):
                positions = await self._projection.take(records)
            await self._commit(positions)
        await self._projection.turned(self._consumer)
        self._reading.look(self._consumer)
        self._tell()
        return len(records)

    async def _pause_after_turn(self) -> float:
        """Seconds until the next turn."""
        try:
            taken = await self.turn()
        except (DBAPIError, OSError) as error:
            if self._retry_s is None:
                raise
            self._log.warning("database does not take a batch, trying again", error=type(error).__name__)
            self._reading.waits("the database does not take a batch")
            self._fresh = True
            return self._retry_s
        return self._gather_s if taken < SMALL else 0.0

    async def _place(self) -> None:
        self._fresh = False
        starts = await self._projection.starts(self._consumer, self._consumer.assignment())
        if self._fresh:  # another rebalance meanwhile
            return
        for place, offset in starts.items():
            # Below the log's start the consumer is put at the oldest record left (auto_offset_reset).
            self._consumer.seek(place, offset)
        await self._reading.begins(starts, self._consumer)
        await self._projection.placed(self._consumer)
        self._tell()
        self._log.info("reading", partitions=len(starts))

    def _tell(self) -> None:
        """Whether the projection is ready, for /readyz."""
        if self._projection.not_ready:
            self._reading.waits(self._projection.not_ready)
        else:
            self._reading.there()

    async def _commit(self, positions: Mapping[Place, int]) -> None:
        try:
            await self._consumer.commit({TopicPartition(*place): offset for place, offset in positions.items()})
        except (CommitFailedError, IllegalStateError):
            self._log.info("partitions went to another member before the commit")


async def read_positions(connection: AsyncConnection, table: sa.Table) -> dict[Place, sa.Row[Any]]:
    """Rows of a table of positions (topic, partition, next_offset, …), by topic and partition."""
    return {(row.topic, row.partition): row for row in await connection.execute(sa.select(table))}


async def move_positions(connection: AsyncConnection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows of a table of positions. One behind the stored row changes nothing: its writer has lost the partition."""
    if not rows:
        return
    put = insert(table)
    stored, new = table.c, put.excluded
    ahead = new.next_offset >= stored.next_offset
    later = {
        column.name: sa.case((ahead, new[column.name]), else_=column)
        for column in table.columns
        if column.name not in _KEYS
    }
    await connection.execute(put.on_conflict_do_update(index_elements=_KEYS, set_=later), list(rows))
