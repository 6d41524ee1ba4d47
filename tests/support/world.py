"""A broker in memory and workers that may die between any two effects: runs the engine's real code, chooses every crash point."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from services.rehearsal.pipeline import Hop
from shared.contract.codec import encode
from shared.contract.partitioner import partition_of
from shared.engine.fold.batch import Emit
from shared.engine.fold.fold import Fold
from shared.engine.fold.rules import ALL_ON, Off, Rule
from shared.engine.host.resync import emit_parts
from shared.engine.recovery.effects import Targets, settle
from shared.engine.state.head import PARTITION_KEY


class Stored(msgspec.Struct, frozen=True):
    """A record as a consumer sees it."""

    offset: int
    key: bytes | None
    value: bytes
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


class CrashError(Exception):
    """The process died here."""


class World:
    """Topics as lists, commits as a dict; `crash_at` counts effects (one record appended, one commit) over the whole run."""

    def __init__(self) -> None:
        self.logs: dict[tuple[str, int], list[Stored]] = {}
        self.committed: dict[tuple[str, int], int] = {}
        self.effects = 0
        self.crash_at: frozenset[int] = frozenset()

    def log(self, topic: str, partition: int) -> list[Stored]:
        return self.logs.setdefault((topic, partition), [])

    def put(self, topic: str, key: str | None, record: Any, *, partition: int | None = None, at: int = 0) -> None:
        """What a source writes: no crash point."""
        place = partition_of((key or "").encode()) if partition is None else partition
        log = self.log(topic, place)
        log.append(
            Stored(
                len(log),
                key.encode() if key is not None else None,
                record if isinstance(record, bytes) else encode(record),
                at,
            )
        )

    def append(self, emit: Emit) -> None:
        log = self.log(emit.topic, emit.partition)
        log.append(Stored(len(log), emit.key, emit.value, headers=emit.headers))

    def effect(self) -> None:
        self.effects += 1
        if self.effects in self.crash_at:
            raise CrashError

    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> None:
        for record in records:
            self.effect()
            self.append(Emit(topic, partition, record.key, record.value, record.headers))

    def records(self) -> Iterator[Emit]:
        """Every record of every topic, as it was written."""
        for (topic, partition), log in sorted(self.logs.items()):
            for record in log:
                yield Emit(topic, partition, record.key, record.value, record.headers)

    def values(self, topic: str) -> list[Any]:
        """Decoded values of a topic, partition by partition."""
        return [
            msgspec.json.decode(r.value)
            for (name, _), log in sorted(self.logs.items())
            if name == topic
            for r in log
            if r.value
        ]


class Worker:
    """One service on one partition: recovers, then takes batches of `size` records; dies with CrashError and is made anew."""

    def __init__(
        self, world: World, make_fold: Callable[[], Fold[Any]], partition: int, *, size: int = 4, off: Off = ALL_ON
    ) -> None:
        self.world, self.make_fold, self.partition, self.size, self.off = world, make_fold, partition, size, off
        self.start()

    def start(self) -> None:
        self.hop = Hop(
            lambda _: self.make_fold(),
            partitions=(self.partition,),
            seal=lambda *_: "sealed",
            off=self.off,
            on_close=lambda core: asyncio.run(emit_parts(Targets(self.world, off=self.off), core)),
        )
        self.core = self.hop.partitions[self.partition]
        self.changelog = f"{self.core.fold.name}-changelog"
        for record in self.world.log(self.changelog, self.partition):
            if record.key == PARTITION_KEY or Rule.RECOVER_WHOLE not in self.off:
                self.core.restore(record.key or b"", record.value)
        self.core.restored()
        if Rule.CHANGELOG_POSITION in self.off:
            self.core.next = max(self.core.next, self.world.committed.get((self.core.fold.name, self.partition), 0))

    def turn(self) -> bool:
        """One batch; False if there was nothing to do."""
        log = self.world.log(self.core.fold.input, self.partition)
        records = log[self.core.next : self.core.next + self.size]
        if not records:
            return False
        batch = next(self.hop.take(self.partition, records))
        if Rule.COMMIT_LAST in self.off:
            self._commit(batch.next)
        asyncio.run(settle(Targets(self.world, off=self.off), self.changelog, self.partition, batch, off=self.off))
        self._commit(batch.next)
        return True

    def _commit(self, position: int) -> None:
        self.world.effect()
        self.world.committed[self.core.fold.name, self.partition] = position


def run(workers: Sequence[Worker]) -> None:
    """All workers in turn until nobody has anything to do; whoever dies is started again."""
    busy = True
    while busy:
        busy = False
        for worker in workers:
            try:
                busy = worker.turn() or busy
            except CrashError:
                worker.start()
                busy = True
