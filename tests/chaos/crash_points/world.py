"""A broker in memory and the processes of the engine's chain, each of which may die before any of its effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from services.rehearsal.pipeline import Epochs, Hop, MakeFold, broadcast
from shared.contract.broadcasts import CutsPublished
from shared.contract.topics import RFM_HISTOGRAMS, changelog
from shared.engine.fold.batch import Batch, Emit
from shared.engine.fold.rules import ALL_ON, Off, Rule
from shared.engine.recovery.effects import Targets, settle
from shared.engine.state.head import PARTITION_KEY

from .points import CrashError, Points

InFlight = Literal["lost", "landed"]
"""What becomes of the records that a dying process had sent to other partitions and that nobody acknowledged."""
BATCH = 4
"""Records that one fetch brings at most."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A record as a consumer sees it."""

    offset: int
    key: bytes | None
    value: bytes
    timestamp: int


class World:
    """Topics as lists and commits as a dict; `now` is what the broker stamps on records."""

    def __init__(self, points: Points, *, in_flight: InFlight = "lost") -> None:
        self.points, self.in_flight, self.now = points, in_flight, 0
        self.logs: dict[tuple[str, int], list[Stored]] = {}
        self.committed: dict[tuple[str, int], int] = {}

    def log(self, topic: str, partition: int) -> list[Stored]:
        """The records of one partition, to be read only."""
        return self.logs.setdefault((topic, partition), [])

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        """One record at the end of a partition."""
        log = self.log(topic, partition)
        log.append(Stored(len(log), key, value, self.now))


class Process(Protocol):
    """What runs until it dies and is started again."""

    def start(self) -> None:
        """Everything in memory is what the broker's logs say."""
        ...

    async def turn(self) -> bool:
        """One unit of work; False: there was none. CrashError: it is dead."""
        ...


async def run(processes: Sequence[Process]) -> None:
    """All in turn until nobody has anything to do; whoever dies is started again."""
    busy = True
    while busy:
        busy = False
        for process in processes:
            try:
                busy = await process.turn() or busy
            except CrashError:
                process.start()
                busy = True


class Worker:
    """One service on one partition, with the engine's own core, effects and changelog."""

    def __init__(self, world: World, make: MakeFold, partition: int, *, off: Off = ALL_ON) -> None:
        self.world, self.make, self.partition, self.off = world, make, partition, off
        self.start()

    def start(self) -> None:
        """Recover as the host does: the changelog whole, then on from where it stands."""
        self.hop = Hop(self.make, partitions=(self.partition,), off=self.off)
        self.core = self.hop.partitions[self.partition]
        self.name = self.core.fold.name
        self.changelog = changelog(self.name).name  # type: ignore[arg-type]  # the fold's name is a service's
        for record in self.world.log(self.changelog, self.partition):
            if record.key == PARTITION_KEY or Rule.RECOVER_WHOLE not in self.off:
                self.core.restore(record.key or b"", record.value)
        self.core.restored()
        if Rule.CHANGELOG_POSITION in self.off:
            self.core.next = max(self.core.next, self.world.committed.get((self.name, self.partition), 0))
        self.targets = Targets(_Sink(self.world, self.name), off=self.off)

    async def turn(self) -> bool:
        """One batch: fold, emit, persist, commit."""
        log = self.world.log(self.core.fold.input, self.partition)
        records = log[self.core.next : self.core.next + BATCH]
        for batch in self.hop.take(self.partition, records):
            await self._settle(batch)
            return True
        return False

    async def _settle(self, batch: Batch) -> None:
        if Rule.COMMIT_LAST in self.off:
            self._commit(batch.next)
        await settle(self.targets, self.changelog, self.partition, batch, off=self.off)
        self._commit(batch.next)

    def _commit(self, position: int) -> None:
        self.world.points.reach(f"{self.name} commit")
        self.world.committed[self.name, self.partition] = position


class _Sink:
    """The producer of one life of a process."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name, self._dead = world, name, False

    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> None:
        """Append record by record; once dead nothing is acknowledged, and lands only if it was in flight."""
        kind = "persist" if topic.endswith("-changelog") else f"emit {topic}"
        for record in records:
            if self._dead and self._world.in_flight == "lost":
                raise CrashError
            if not self._dead and self._world.points.dies(f"{self._name} {kind}"):
                self._dead = True
                raise CrashError
            self._world.append(topic, partition, record.key, record.value)
        if self._dead:
            raise CrashError


class CutMaking:
    """The segmenter's cut maker: histograms in, cuts to every partition of the front; keeps nothing of its own."""

    def __init__(self, world: World, partitions: int) -> None:
        self.world, self.partitions = world, partitions
        self.start()

    def start(self) -> None:
        """From the beginning of the histograms; of the epochs complete by now only the latest is told again."""
        self._epochs, self._next, self._known = Epochs(self.partitions), 0, len(self._log())
        self._latest: CutsPublished | None = None

    async def turn(self) -> bool:
        """Everything there is to read, and the cuts it completes."""
        log, began = self._log(), self._next
        while self._next < len(log):
            cuts = self._epochs.hear(RFM_HISTOGRAMS.name, log[self._next].value)
            self._next += 1
            self._latest = cuts or self._latest
            if self._latest is not None and self._next >= self._known:
                latest, self._latest = self._latest, None
                self._broadcast(latest)
        return self._next > began

    def _broadcast(self, cuts: CutsPublished) -> None:
        for emit in broadcast(cuts, range(self.partitions)):
            self.world.points.reach("cut-maker broadcast")
            self.world.append(emit.topic, emit.partition, emit.key, emit.value)

    def _log(self) -> list[Stored]:
        return self.world.log(RFM_HISTOGRAMS.name, 0)
