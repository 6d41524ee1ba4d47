"""The notifier's ports with a point at each effect: its database, its consumer, its producer; they decide nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from aiokafka import ConsumerRebalanceListener, TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from services.notifier.channels.contract import Attempt, Capabilities, Channel, ChannelName, Outbound, Outcome
from services.notifier.store import Store, Transaction
from shared.contract.partitioner import partition_of

from .scenario import PARTITIONS
from .world import World

Reach = Callable[[str], None]
"""Passes a point of this kind, or raises CrashError."""
FETCH = 8
"""Records of one poll: several intakes, as on a busy day."""
_WRITE = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM) notifier\.(\w+)")
_KINDS = (("stream_position", "intake"), ("send_attempt", "attempt"), ("publication", "publication"))
_WRITTEN = "written"


class WatchedStore(Store):
    """A store whose commits are points, before and after; transactions that wrote nothing are none."""

    def __init__(self, engine: AsyncEngine, reach: Reach) -> None:
        super().__init__(engine)
        self._reach = reach
        sa.event.listen(engine.sync_engine, "before_cursor_execute", _note_tables)

    @asynccontextmanager
    @override
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self._engine.connect() as connection:
            written: list[str] = connection.info.setdefault(_WRITTEN, [])
            written.clear()
            yield Transaction(connection)
            kind = next((kind for table, kind in _KINDS if table in written), "outbox")
            if written:
                self._reach(f"db {kind} before commit")
            await connection.commit()
            if written:
                self._reach(f"db {kind} after commit")


def _note_tables(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
    connection.info.setdefault(_WRITTEN, []).extend(_WRITE.findall(statement))


class WatchedChannel(Channel):
    """A channel whose answers are points once they are read."""

    def __init__(self, name: ChannelName, channel: Channel, reach: Reach) -> None:
        self._name, self._channel, self._reach = name, channel, reach

    @property
    @override
    def capabilities(self) -> Capabilities:
        return self._channel.capabilities

    @override
    async def send(self, outbound: Outbound) -> Outcome:
        outcome = await self._channel.send(outbound)
        self._reach(f"provider {self._name} answer read")
        return outcome

    @override
    async def look_up(self, attempt: Attempt) -> Outcome | None:
        found = await self._channel.look_up(attempt)
        self._reach(f"provider {self._name} look-up read")
        return found

    @override
    async def close(self) -> None:
        await self._channel.close()


class LogProducer:
    """Appends to the world's logs."""

    def __init__(self, world: World, reach: Reach) -> None:
        self._world, self._reach = world, reach

    async def send(
        self, topic: str, *, key: bytes, value: bytes, partition: int | None, headers: Sequence[Any]
    ) -> Awaitable[None]:
        """As AIOKafkaProducer.send: the future is done when the record is acknowledged."""
        self._reach(f"fact {topic} before produce")
        self._world.append(topic, partition_of(key) if partition is None else partition, key, value)
        self._reach(f"fact {topic} after produce")
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged


class LogRecord:
    """A record as aiokafka's consumer gives it."""

    def __init__(self, place: TopicPartition, offset: int, key: bytes | None, value: bytes) -> None:
        self.topic, self.partition = place.topic, place.partition
        self.offset, self.key, self.value, self.timestamp = offset, key, value, 0


class LogConsumer:
    """The part of AIOKafkaConsumer that the notifier's reader uses, over the world's logs; a group of one."""

    def __init__(self, world: World, reach: Reach) -> None:
        self._world, self._reach = world, reach
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()

    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None:
        """All partitions of these topics."""
        self._listener = listener
        self._positions = {TopicPartition(topic, part): 0 for topic in topics for part in range(PARTITIONS)}

    async def start(self) -> None:
        """The first assignment."""
        await self._listener.on_partitions_assigned(set(self._positions))

    async def stop(self) -> None:
        """Nothing is held."""

    def assignment(self) -> frozenset[TopicPartition]:
        """What was subscribed."""
        return frozenset(self._positions)

    async def committed(self, place: TopicPartition) -> int | None:
        """The group's position as the broker knows it."""
        return self._world.committed.get(tuple(place))

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Both sides of the commit are points."""
        self._reach("offset before commit")
        self._world.committed.update({tuple(place): offset for place, offset in offsets.items()})
        self._reach("offset after commit")

    def seek(self, place: TopicPartition, offset: int) -> None:
        """The next record to give."""
        self._positions[place] = offset

    async def position(self, place: TopicPartition) -> int:
        """The next record to give."""
        return self._positions[place]

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where each partition ends now."""
        return {place: len(self._world.log(*place)) for place in places}

    def pause(self, *places: TopicPartition) -> None:
        """Give nothing of these."""
        self._paused |= set(places)

    def resume(self, *places: TopicPartition) -> None:
        """Give them again."""
        self._paused -= set(places)

    def paused(self) -> frozenset[TopicPartition]:
        """Those that nothing is given of."""
        return frozenset(self._paused)

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[LogRecord]]:
        """Up to FETCH records of the first partition that has some; waits a little where there is nothing."""
        for place in sorted(self._positions):
            begin = self._positions[place]
            records = [] if place in self._paused else self._world.log(*place)[begin : begin + min(FETCH, max_records)]
            if records:
                self._positions[place] = begin + len(records)
                return {place: [LogRecord(place, one.offset, one.key, one.value) for one in records]}
        await asyncio.sleep(min(timeout_ms, 20) / 1_000)
        return {}
