"""A broker without groups: logs in memory that answer at once, and a cleaner that compacts at its most eager."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from tests.support.world import Stored


class Broker:
    """Logs in memory; stands for Cluster, producer and reader at once."""

    def __init__(self) -> None:
        self.logs: dict[TopicPartition, list[Stored]] = {}
        self.reads = 0
        self.assigned: list[TopicPartition] = []

    def log(self, topic: str, partition: int = 0) -> list[Stored]:
        return self.logs.setdefault(TopicPartition(topic, partition), [])

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        log = self.log(topic, partition)
        log.append(Stored(log[-1].offset + 1 if log else 0, key, value))

    def compact(self, topic: str) -> None:
        """What the cleaner does, at its most eager: of each key the last record stays."""
        for place, log in self.logs.items():
            if place.topic == topic:
                last = {record.key: record for record in log}
                log[:] = [record for record in log if last[record.key] is record]

    # the cluster

    def producer(self) -> Any:
        return self

    def member(self, group: str, *, instance: str | None) -> Any:
        raise NotImplementedError

    def reader(self) -> Any:
        return self

    async def commits(self, group: str, topic: str) -> dict[int, OffsetAndMetadata]:
        return {}

    # the clients

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def create_batch(self) -> Any:
        return Building([])

    async def send_batch(self, batch: Building, topic: str, *, partition: int) -> asyncio.Future[Any]:
        log = self.log(topic, partition)
        first = log[-1].offset + 1 if log else 0
        for key, value in batch.records:
            self.append(topic, partition, key, value)
        future = asyncio.get_running_loop().create_future()
        future.set_result(OffsetAndMetadata(first, ""))
        return future

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self.assigned = list(places)

    async def seek_to_beginning(self, *_: TopicPartition) -> None: ...

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: log[-1].offset + 1 if (log := self.log(*place)) else 0 for place in places}

    async def position(self, place: TopicPartition) -> int:
        return (await self.end_offsets([place]))[place]

    async def getmany(self, **_: int) -> dict[TopicPartition, list[Stored]]:
        self.reads += 1
        return {place: list(self.log(*place)) for place in self.assigned if self.log(*place)}


class Building(NamedTuple):
    """A record batch that is being filled: two records are its limit."""

    records: list[tuple[bytes | None, bytes]]

    def append(self, *, key: bytes | None, value: bytes, **_: Any) -> object | None:
        if len(self.records) == 2:
            return None
        self.records.append((key, value))
        return self

    def close(self) -> None: ...
