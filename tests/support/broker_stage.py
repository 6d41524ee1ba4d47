"""A place where clauses of the broker contract play, and the moves that they share: join, send, fetch, wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from aiokafka import ConsumerRebalanceListener, TopicPartition

from shared.engine.recovery.cluster import Cluster

PARTITIONS = 4


class Stage(Protocol):
    """Where a clause plays."""

    cluster: Cluster

    async def topic(self, *, small: bool = False) -> str:
        """A new topic of four partitions; `small`: it refuses batches above some kilobytes."""
        ...

    def group(self) -> str:
        """A name that nobody has used."""
        ...

    def silence(self, member: Any) -> None:
        """No heartbeat any more from this member."""
        ...


class Told(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """A listener that writes down what it hears; `act` runs within the revoke."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.act: Callable[[], Awaitable[None]] | None = None

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if self.act and revoked:
            await self.act()
        self.heard.append(("revoked", len(revoked)))

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self.heard.append(("assigned", len(assigned)))


async def send(stage: Stage, topic: str, *values: bytes, partition: int = 0) -> None:
    producer = stage.cluster.producer()
    await producer.start()
    await put(producer, topic, *values, partition=partition)
    await producer.stop()


async def put(producer: Any, topic: str, *values: bytes, partition: int = 0) -> list[Any]:
    """A batch for every value, each sent after the answer to the one before."""
    return [await (await handed(producer, topic, value, partition=partition)) for value in values]


async def handed(producer: Any, topic: str, value: bytes, *, partition: int = 0) -> asyncio.Future[Any]:
    batch = producer.create_batch()
    assert batch.append(key=b"key", value=value, timestamp=None, headers=[("a", b"b")]) is not None
    batch.close()
    future: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=partition)
    return future


async def joined(stage: Stage, group: str, topic: str, listener: Told | None = None) -> Any:
    member = stage.cluster.member(group, instance=None)
    member.subscribe([topic], listener=listener or Told())
    await member.start()
    return member


async def records(consumer: Any, count: int) -> list[Any]:
    """At least so many, in the order in which they came."""
    found: list[Any] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            for some in (await consumer.getmany(timeout_ms=200)).values():
                found += some
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not condition():
            await asyncio.sleep(0.05)


async def fetching_until(condition: Callable[[], bool], *members: Any) -> None:
    async def fetch(member: Any) -> None:
        while True:
            await member.getmany(timeout_ms=100)

    tasks = [asyncio.create_task(fetch(member)) for member in members]
    try:
        await until(condition)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
