"""Topics of the bench's own brokers, written fast and fed at a pace; knows bytes, not what they mean."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import msgspec

from shared import clock
from shared.contract.partitioner import partition_of
from shared.contract.topics import PARTITIONS
from shared.engine.fold.batch import Emit
from shared.engine.recovery import cluster
from shared.kafka import clients

BLOCK = 60_000
"""Records handed over together: what the bench keeps in memory of a large topic."""
STEP_SECONDS = 0.02


class Bare(msgspec.Struct, frozen=True):
    """A topic that only a bench knows."""

    name: str
    config: dict[str, str]
    partitions: int = PARTITIONS


STAMPED = {"message.timestamp.type": "LogAppendTime"}
"""The broker's own time on every record: what is measured from record to record has one clock."""


class Writer:
    """`async with Writer(bootstrap) as writer`; every method returns when all is acknowledged."""

    def __init__(self, bootstrap: str) -> None:
        self._client = clients.producer(bootstrap)
        self._sink = cluster.KafkaSink(self._client)

    async def __aenter__(self) -> Self:
        await self._client.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.stop()

    async def write(self, records: Iterable[Emit]) -> int:
        """All records, in order within each partition; how many there were."""
        count, waiting = 0, list[Emit]()
        for record in records:
            waiting.append(record)
            if len(waiting) == BLOCK:
                count += await self._flush(waiting)
                waiting = []
        return count + await self._flush(waiting)

    async def _flush(self, records: list[Emit]) -> int:
        parts: dict[tuple[str, int], list[Emit]] = defaultdict(list)
        for record in records:
            parts[record.topic, record.partition].append(record)
        await asyncio.gather(*(self._sink.send(topic, number, part) for (topic, number), part in parts.items()))
        return len(records)

    async def feed(self, records: Iterator[Emit], *, rate: int, enough: asyncio.Event) -> int:
        """`rate` records a second until `enough` is set or there are no more; how many there were."""
        began, count = clock.monotonic(), 0
        while not enough.is_set():
            due = int((clock.monotonic() - began) * rate) - count
            taken = [record for record, _ in zip(records, range(due), strict=False)]
            if due and not taken:
                break
            count += await self._flush(taken)
            await asyncio.sleep(STEP_SECONDS)
        return count


def keyed(topic: str, pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[Emit]:
    """Records in the partitions of their keys."""
    for key, value in pairs:
        yield Emit(topic, partition_of(key), key, value)
