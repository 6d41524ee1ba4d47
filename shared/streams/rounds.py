"""What every host does with what a fetch brought: recover, fold, emit, persist; knows neither membership nor how offsets are committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from shared import clock
from shared.log import Log
from shared.streams import recovery
from shared.streams.batch import Batch, Record
from shared.streams.checkpoints import Checkpoints
from shared.streams.clients import Cluster, KafkaSink
from shared.streams.effects import Targets, emit, settle
from shared.streams.fold import Fold
from shared.streams.outgoing import Seal
from shared.streams.partition import Partition
from shared.streams.poison_limit import PoisonLimit
from shared.streams.resync import emit_parts
from shared.streams.rules import ALL_ON, Off, Rule
from shared.topics import changelog

QUIET_SECONDS = 5.0
"""Rounds that hold only ticks persist and commit this often (rule 12)."""

Commit = Callable[[dict[int, Batch]], Awaitable[None]]
"""Partition → batch whose offset may now be committed."""


class Rounds:
    """The partitions that a worker owns, and their effects in the one order: emit, persist, then the host's commit."""

    def __init__(
        self,
        make_fold: Callable[[int], Fold[Any]],
        cluster: Cluster,
        *,
        seal: Seal,
        commit: Commit,
        scenario: bool = False,
        snapshots: Path | None = None,
        off: Off = ALL_ON,
    ) -> None:
        fold = make_fold(0)
        self.group, self.input = fold.name.replace("_", "-"), fold.input
        self.changelog = changelog(fold.name).name  # type: ignore[arg-type]
        self.log = Log(fold.name)
        self.owned: dict[int, Partition[Any]] = {}
        self.targets: Targets
        self._make_fold, self._cluster, self._seal, self._commit = make_fold, cluster, seal, commit
        self._scenario, self._off = scenario, off
        self._quiet: dict[int, float] = {}
        self._poison = PoisonLimit(off=off)
        self._checkpoints = Checkpoints(snapshots, self.log)

    async def start(self) -> None:
        """Connect the producer."""
        self._producer = self._cluster.producer()
        await self._producer.start()
        sink = KafkaSink(self._producer, one_in_flight=Rule.ONE_IN_FLIGHT not in self._off)
        self.targets = Targets(sink, off=self._off)

    async def stop(self) -> None:
        """Disconnect it."""
        self._checkpoints.close()
        await self._producer.stop()

    # --- partitions

    async def recover(self, numbers: Iterable[int]) -> dict[int, Partition[Any]]:
        """Partitions whole from their changelogs, each with its `next` set; not owned yet (rules 8, 10)."""
        cores = {
            number: Partition(
                self._make_fold(number), partition=number, seal=self._seal, scenario=self._scenario, off=self._off
            )
            for number in sorted(numbers)
        }
        reader = self._cluster.reader()
        await reader.start()
        try:
            await recovery.replay(reader, self.changelog, cores, self.log, off=self._off)
            committed = await self._cluster.commits(self.group, self.input)
            await recovery.positions(reader, self.input, cores, committed, off=self._off)
        finally:
            await reader.stop()
        return cores

    def drop(self, numbers: Iterable[int]) -> None:
        """These partitions are not ours any more."""
        for number in numbers:
            self.owned.pop(number, None)
            self._quiet.pop(number, None)

    # --- a round

    async def take(self, number: int, records: Sequence[Record]) -> Batch | None:
        """Fold, emit and persist what one fetch brought for one partition (rule 1); the last batch is to be committed."""
        core = self.owned.get(number)
        if core is None:
            return None
        last: Batch | None = None
        for position, record in enumerate(records, 1):
            closes = core.apply(record) or Rule.UNIT_OF_WORK in self._off
            if closes:
                await emit_parts(self.targets, core)
            if closes or position == len(records):
                last = core.drain()
                if not await self._settle(number, last):
                    last = None
                elif last.checkpoint:
                    self._checkpoints.take(core, last)
        return last

    async def _settle(self, number: int, batch: Batch) -> bool:
        """Emit and persist; False where a quiet batch only went on to the next hop."""
        self._poison.count(clock.monotonic(), batch.records, batch.poison)
        if batch.quiet and Rule.QUIET_TICKS not in self._off:
            await emit(self.targets, batch)
            self._quiet.setdefault(number, clock.monotonic())
            return False
        if Rule.COMMIT_LAST in self._off:
            await self._commit({number: batch})
        await settle(self.targets, self.changelog, number, batch, off=self._off)
        self._quiet.pop(number, None)
        return True

    async def settle_quiet(self, *, force: bool = False) -> None:
        """Persist and commit partitions whose last rounds held only ticks, every 5 s."""
        now = clock.monotonic()
        late = [n for n, since in self._quiet.items() if force or now - since >= QUIET_SECONDS]
        batches = {}
        for number in late:
            self._quiet.pop(number)
            if number in self.owned:
                batches[number] = self.owned[number].drain()
                await settle(self.targets, self.changelog, number, batches[number], off=self._off)
        await self._commit(batches)
