"""State anew from snapshot and tail, all effects muted: to compare it with the changelog, or to write a changelog that was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from shared.contract.topics import EPOCH, PARTITIONS, changelog
from shared.engine.fold.batch import Batch
from shared.engine.fold.checksum import checksum
from shared.engine.fold.fold import Fold
from shared.engine.fold.rules import BrokenInvariantError
from shared.engine.recovery import snapshot
from shared.engine.recovery.cluster import Cluster, KafkaSink
from shared.engine.recovery.effects import Targets, persist
from shared.engine.state.head import PARTITION_KEY, decode_values, unpack
from shared.engine.state.store import Store
from shared.engine.state.stored import PartitionValues
from shared.engine.step.partition import Partition
from shared.log import Log

READ = 4_000
"""Records per poll; also the size of a muted batch."""

MakeFold = Callable[[int], Fold[Any]]


class Live(msgspec.Struct, frozen=True):
    """What the changelog of one partition says, up to the last batch that was persisted whole."""

    states: Store
    values: PartitionValues


class Rebuilder:
    """Rebuilds one service, partition by partition; needs no group and takes no part in the stream."""

    def __init__(self, make_fold: MakeFold, cluster: Cluster, directory: Path, *, scenario: bool = False) -> None:
        fold = make_fold(0)
        self._make_fold, self._cluster, self._directory, self._scenario = make_fold, cluster, directory, scenario
        self._service, self._input, self._group = fold.name, fold.input, fold.name.replace("_", "-")
        self._changelog = changelog(fold.name).name  # type: ignore[arg-type]
        self._log = Log(f"{fold.name}.rebuild")

    async def verify(self) -> list[str]:
        """What differs between the changelog and the log folded anew to the same offset: one line each, none expected."""
        found: list[str] = []
        reader = self._cluster.reader()
        await reader.start()
        try:
            for number in range(PARTITIONS):
                live = await self._live(reader, number)
                core, _ = await self._fold(reader, number, to=live.values.next, newest=live.values.next)
                lines = [f"{self._input}[{number}]: {line}" for line in differences(core, live)]
                if not live.values.next and snapshot.paths(self._directory, self._service, number):
                    lines.append(f"{self._input}[{number}]: the changelog is empty, but there are snapshots")
                self._log.info("verified", partition=number, customers=len(core.store), differences=len(lines))
                found += lines
        finally:
            await reader.stop()
        return found

    async def write(self) -> int:
        """Write the changelog that was lost, up to what was committed; returns the number of customers.

        The service must be stopped. BrokenInvariantError if the changelog is not empty, or the log does not reach back far enough.
        """
        reader, producer = self._cluster.reader(), self._cluster.producer()
        await reader.start()
        try:
            await self._must_be_empty(reader)
            committed = await self._cluster.commits(self._group, self._input)
            await producer.start()
            targets = Targets(KafkaSink(producer))
            written = 0
            for number in range(PARTITIONS):
                core, batch = await self._fold(reader, number, to=_position(committed.get(number)))
                if batch is None:
                    continue
                states = list(zip(core.store.keys, core.store.values, strict=True))
                await persist(targets, self._changelog, number, msgspec.structs.replace(batch, customers=states))
                self._log.info("rebuilt", partition=number, customers=len(states), next=core.next)
                written += len(states)
        finally:
            await producer.stop()
            await reader.stop()
        return written

    async def _must_be_empty(self, reader: AIOKafkaConsumer) -> None:
        ends = await reader.end_offsets([TopicPartition(self._changelog, number) for number in range(PARTITIONS)])
        if any(ends.values()):
            msg = f"{self._changelog}: holds {sum(ends.values())} records; it is written only where it was lost, into a new topic"
            raise BrokenInvariantError(msg)

    async def _live(self, reader: AIOKafkaConsumer, number: int) -> Live:
        live, waiting = Live(Store({}), PartitionValues()), list[snapshot.Stored]()
        place = TopicPartition(self._changelog, number)
        end = (await reader.end_offsets([place]))[place]
        reader.assign([place])
        await reader.seek_to_beginning(place)
        while await reader.position(place) < end:
            for record in (await reader.getmany(place, timeout_ms=200, max_records=READ)).get(place, ()):
                if record.key != PARTITION_KEY:
                    waiting.append((record.key, record.value))
                    continue
                values = decode_values(record.value)
                if values.next >= live.values.next:
                    live = Live(live.states, values)
                for key, value in waiting:
                    live.states.restore(key, value)
                waiting = []
        return live

    async def _fold(
        self, reader: AIOKafkaConsumer, number: int, *, to: int, newest: int | None = None
    ) -> tuple[Partition[Any], Batch | None]:
        """The partition at offset `to` (or at its snapshot, if that is later), and its last batch; None if nothing is known."""
        core = Partition(self._make_fold(number), partition=number, seal=lambda *_: "", scenario=self._scenario)
        header = self._restore(core, number, newest)
        core.restored()
        if core.next == 0 == to:
            return core, None
        place = TopicPartition(self._input, number)
        async for records in tail(reader, place, core.next, max(to, core.next), header.checksum if header else ""):
            for record in records:
                _muted(core, record)
            core.drain()
        return core, core.drain()

    def _restore(self, core: Partition[Any], number: int, newest: int | None) -> snapshot.Header | None:
        for path in snapshot.paths(self._directory, self._service, number):
            if newest is not None and int(path.stem) >= newest:
                continue
            try:
                header, records = snapshot.read(path)
            except (OSError, ValueError) as error:
                self._log.warning("snapshot not readable, the one before it must do", path=path, error=error)
                continue
            if (header.service, header.partition, header.epoch) != (self._service, number, EPOCH):
                raise BrokenInvariantError(f"{path}: is of {header.service}[{header.partition}], epoch {header.epoch}")
            for key, value in records:
                core.restore(key, value)
            return header
        return None


async def tail(
    reader: AIOKafkaConsumer, place: TopicPartition, start: int, to: int, expected: str
) -> AsyncIterator[list[Any]]:
    """The records of an input partition from `start` up to `to`, poll by poll.

    `expected`: checksum of the record before `start`, as a snapshot has it; empty: none. BrokenInvariantError where the
    log does not hold all of this, or another record stands there.
    """
    first = (await reader.beginning_offsets([place]))[place]
    end = (await reader.end_offsets([place]))[place]
    if start < first or to > end:
        msg = f"{place.topic}[{place.partition}]: {start} to {to} is needed, the log holds {first} to {end}: no newer snapshot"
        raise BrokenInvariantError(msg)
    reader.assign([place])
    position = start - 1 if expected and start > first else start
    reader.seek(place, position)
    while position < to:
        polled = (await reader.getmany(place, timeout_ms=200, max_records=READ)).get(place, [])
        if polled and polled[0].offset < start:
            _same(polled[0], expected, place)
        if polled:
            position = polled[-1].offset + 1
            yield [record for record in polled if start <= record.offset < to]


def differences(core: Partition[Any], live: Live) -> Iterator[str]:
    """Customers, and values of the partition, that are not the same in both."""
    mine = {key: core.store.values[row] for key, row in core.store.rows.items()}
    theirs = {key: live.states.values[row] for key, row in live.states.rows.items()}
    for key in sorted(mine.keys() | theirs.keys()):
        if mine.get(key) != theirs.get(key):
            yield f"{key!r}: rebuilt {_told(mine.get(key))}, in the changelog {_told(theirs.get(key))}"
    rebuilt = decode_values(core.drain().values)
    if rebuilt != live.values:
        yield f"partition values: rebuilt {rebuilt}, in the changelog {live.values}"


def _told(value: bytes | None) -> str:
    if value is None:
        return "unknown"
    head, body = unpack(value)
    return f"origin {'.'.join(map(str, head.origin))}, step {head.counter}, due {head.due}, {len(body)} bytes"


def _position(commit: OffsetAndMetadata | None) -> int:
    return commit.offset if commit else 0


def _same(record: Any, expected: str, place: TopicPartition) -> None:
    found = checksum(record)
    if found != expected:
        msg = f"{place.topic}[{place.partition}]: the snapshot's last record was {expected}, the log now holds {found}: another log"
        raise BrokenInvariantError(msg)


def _muted(core: Partition[Any], record: Any) -> None:
    """Take the record; nothing of what it says leaves."""
    if core.apply(record):
        while core.part():
            continue
        core.drain()
