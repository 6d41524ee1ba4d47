"""The three effects of a batch in their one order: emit, persist, commit; knows a broker only as a port."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from shared.engine.fold.batch import Batch, Emit
from shared.engine.fold.rules import ALL_ON, Off, Rule
from shared.engine.state.head import PARTITION_KEY


class Appended(NamedTuple):
    """An acknowledged record batch: where it stands in its partition."""

    first: int
    """Offset of its first record; -1 where the broker only said that it has the batch already."""
    records: int


class Sink(Protocol):
    """Where records go."""

    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> Sequence[Appended] | None:
        """Produce the records in order; returns when all are acknowledged, raises if any is refused.

        Answers where they stand, in order; None if that is not known.
        """
        ...


class Targets:
    """One batch in flight per target partition (rule 3), over all input partitions of a worker."""

    def __init__(self, sink: Sink, *, off: Off = ALL_ON) -> None:
        self._sink, self._off = sink, off
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}

    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> Sequence[Appended] | None:
        """As `Sink.send`, after what was handed over before for this target."""
        if Rule.ONE_IN_FLIGHT in self._off:
            return await self._sink.send(topic, partition, records)
        async with self._locks.setdefault((topic, partition), asyncio.Lock()):
            return await self._sink.send(topic, partition, records)


async def emit(targets: Targets, batch: Batch) -> None:
    """All outputs acknowledged; order holds per target partition."""
    queues: dict[tuple[str, int], list[Emit]] = {}
    for record in batch.emits:
        queues.setdefault((record.topic, record.partition), []).append(record)
    await asyncio.gather(*(targets.send(topic, partition, records) for (topic, partition), records in queues.items()))


async def persist(
    targets: Targets, changelog: str, partition: int, batch: Batch, *, off: Off = ALL_ON
) -> Sequence[Appended] | None:
    """Customer values, then the partition values as one record, written last (rule 2). Answers as `Sink.send`."""
    customers = [Emit(changelog, partition, key, value) for key, value in batch.customers]
    values = Emit(changelog, partition, PARTITION_KEY, batch.values)
    ordered = [values, *customers] if Rule.PARTITION_VALUES_LAST in off else [*customers, values]
    return await targets.send(changelog, partition, ordered)


async def settle(
    targets: Targets, changelog: str, partition: int, batch: Batch, *, off: Off = ALL_ON
) -> Sequence[Appended] | None:
    """Emit, then persist; answers as `persist`. The caller commits `batch.next` afterwards."""
    if Rule.EMIT_FIRST in off:
        persisted = await persist(targets, changelog, partition, batch, off=off)
        await emit(targets, batch)
        return persisted
    await emit(targets, batch)
    return await persist(targets, changelog, partition, batch, off=off)
